"""How each process of the stack is started: command, environment, and how one sees that it is ready."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import cached_property

from devstack.certificates import SERVICES, Authority
from devstack.daemons import Daemon, inherited
from devstack.edge import Edge
from devstack.nats import Nats
from devstack.place import ROOT, Place, random_key
from devstack.ports import LOOPBACK, PortBook
from devstack.postgres import Postgres

TOKEN_ISSUER = "https://auth.jainshikanji.local"  # noqa: S105 - an issuer's name
TOKEN_AUDIENCE = "jainshikanji-api"  # noqa: S105 - an audience's name
GATEWAY_KEY_ID = "rzp_test_devstack"
MAIL_FROM = "Jain Shikanji <orders@jainshikanji.example>"
_PLENTY = "100000"


class Processes:
    """Every process of one stack, by name. Making this object starts nothing."""

    def __init__(self, place: Place, edge_port: int) -> None:
        self.place = place
        self.edge_port = edge_port
        self.ports: PortBook = place.ports()
        self._secrets = place.secrets()
        self.postgres = Postgres(
            place.run_dir / "postgres",
            port=self.ports.port("postgres"),
            log=place.log("postgres"),
            pid_file=place.pid_file("postgres"),
        )
        self.nats = Nats(
            place.run_dir / "nats",
            port=self.ports.port("nats"),
            log=place.log("nats"),
            pid_file=place.pid_file("nats"),
        )
        self.authority_dir = place.run_dir / "certificates"

    @property
    def edge_url(self) -> str:
        return f"http://{LOOPBACK}:{self.edge_port}"

    @property
    def mailbox_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports.port('mailbox-http')}"

    @property
    def gateway_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports.port('gateway')}"

    def issue_certificates(self) -> None:
        Authority(self.authority_dir).issue_all()

    @cached_property
    def mailbox(self) -> Daemon:
        return self._python(
            "mailbox",
            "devstack.mailbox",
            f"--smtp-port={self.ports.port('mailbox-smtp')}",
            f"--http-port={self.ports.port('mailbox-http')}",
            f"--dir={self.place.run_dir / 'mailbox'}",
        )

    @cached_property
    def gateway(self) -> Daemon:
        return self._python(
            "gateway",
            "devstack.gateway",
            f"--port={self.ports.port('gateway')}",
            f"--webhook-url={self.edge_url}/api/payments/webhook",
            f"--key-id={GATEWAY_KEY_ID}",
            f"--key-secret={self._secrets.get('gateway-key')}",
            f"--webhook-secret={self._secrets.get('gateway-webhook')}",
            f"--state={self.place.run_dir / 'gateway.sqlite3'}",
        )

    @cached_property
    def services(self) -> dict[str, Daemon]:
        return {name: self.service(name) for name in SERVICES}

    @cached_property
    def edge(self) -> Edge:
        place = self.place
        return Edge(
            place.run_dir / "edge", self._edge_settings(), log=place.log("edge"), pid_file=place.pid_file("edge")
        )

    def all(self) -> dict[str, Daemon]:
        """Every process, in the order in which one would start them by hand."""
        return {
            "postgres": self.postgres.daemon,
            "nats": self.nats.daemon,
            "mailbox": self.mailbox,
            "gateway": self.gateway,
            **self.services,
            "edge": self.edge.daemon,
        }

    def port_names(self, name: str) -> tuple[str, ...]:
        """The ports that a process listens on, by their names in the book. The edge's own is EDGE_PORT."""
        if name in SERVICES:
            return (name, f"{name}-health", f"{name}-metrics")
        return {"mailbox": ("mailbox-smtp", "mailbox-http"), "edge": ("jwks",)}.get(name, (name,))

    def service(self, name: str) -> Daemon:
        daemon = self._python(name, f"services.{name}")
        daemon.environment = {**daemon.environment, **self.service_environment(name)}
        return daemon

    def service_environment(self, name: str) -> dict[str, str]:
        """What `python -m services.<name>` reads, beside what every process inherits."""
        settings = {
            "ENVIRONMENT": "development",
            "DATABASE_URL": self.postgres.url(name),
            "DATABASE_POOL_SIZE": "8",
            "NATS_URL": self.nats.url,
            "GRPC_HOST": LOOPBACK,
            "GRPC_PORT": str(self.ports.port(name)),
            "HEALTH_PORT": str(self.ports.port(f"{name}-health")),
            "METRICS_PORT": str(self.ports.port(f"{name}-metrics")),
            "TLS_DIR": str(self.authority_dir / name),
            "PEERS": self._peers(),
            "FIELD_KEYS": self._secrets.get(f"{name}-field-keys", lambda: f"1:{random_key()}"),
            "INDEX_KEY": self._secrets.get(f"{name}-index-key"),
            "SIGNING_KEY": self._secrets.get(f"{name}-signing-key"),
            "DRAIN_SECONDS": "8",
            "LOG_LEVEL": os.environ.get("LOG_LEVEL", "info"),
            **self._telemetry(),
            **self._own_settings(name),
        }
        return {f"{name.upper()}_{key}": value for key, value in settings.items()}

    @staticmethod
    def _telemetry() -> dict[str, str]:
        """Every request is traced when OTLP_TARGET, host:port, names a collector."""
        target = os.environ.get("OTLP_TARGET")
        return {"OTLP_ENDPOINT": f"http://{target}", "TRACE_RATIO": "1"} if target else {}

    def operator_environment(self, name: str) -> dict[str, str]:
        """What an operator's command line for a service reads: the mesh and a certificate for it, and no secret."""
        mesh = {"TLS_DIR": str(self.authority_dir / "operator"), "PEERS": self._peers()}
        return {f"{name.upper()}_{key}": value for key, value in mesh.items()}

    def _peers(self) -> str:
        return json.dumps({peer: f"dns:///{LOOPBACK}:{self.ports.port(peer)}" for peer in SERVICES})

    def _own_settings(self, name: str) -> dict[str, str]:
        own: dict[str, Callable[[], dict[str, str]]] = {
            "customer": lambda: {
                "TOKEN_ISSUER": TOKEN_ISSUER,
                "TOKEN_AUDIENCE": TOKEN_AUDIENCE,
                # One address stands for everybody here.
                "LOGIN_ATTEMPTS_PER_ADDRESS": _PLENTY,
                "REGISTRATIONS_PER_ADDRESS": _PLENTY,
                "CODE_ATTEMPTS_PER_ADDRESS": _PLENTY,
                "MAILS_PER_ADDRESS": _PLENTY,
            },
            "payment": lambda: {
                "RAZORPAY_URL": self.gateway_url,
                "RAZORPAY_KEY_ID": GATEWAY_KEY_ID,
                "RAZORPAY_KEY_SECRET": self._secrets.get("gateway-key"),
                "RAZORPAY_WEBHOOK_SECRET": self._secrets.get("gateway-webhook"),
            },
            "notification": lambda: {
                "SMTP_HOST": LOOPBACK,
                "SMTP_PORT": str(self.ports.port("mailbox-smtp")),
                "SMTP_TLS": "none",
                "MAIL_FROM": MAIL_FROM,
            },
        }
        return own[name]() if name in own else {}

    def _edge_settings(self) -> dict[str, object]:
        """What differs from the cluster's edge; see `EdgeSettings` in envoy/render.py."""
        settings: dict[str, object] = {
            "node_id": "devstack",
            "listen_address": LOOPBACK,
            "listen_port": self.edge_port,
            "targets": {name: [f"{LOOPBACK}:{self.ports.port(name)}"] for name in SERVICES},
            "tls_dir": str(self.authority_dir / "edge"),
            "jwks_port": self.ports.port("jwks"),
            "token_issuer": TOKEN_ISSUER,
            "token_audience": TOKEN_AUDIENCE,
            "cookies": "loopback",
            "origins": [f"http://localhost:{port}" for port in (3000, 5173, self.edge_port)] + [self.edge_url],
            "health_seconds": 0.5,
            # One address stands for everybody here.
            "guesses_per_minute": 600,
        }
        if target := os.environ.get("OTLP_TARGET"):
            settings |= {"otlp_target": target, "trace_percent": 100}
        limits = ("PUBLIC_PER_MINUTE", "USER_PER_MINUTE", "ADMIN_PER_MINUTE", "GUESSES_PER_MINUTE")
        return settings | {name.lower(): int(os.environ[name]) for name in limits if os.environ.get(name)}

    def _python(self, name: str, module: str, *arguments: str) -> Daemon:
        return Daemon(
            name,
            [sys.executable, "-m", module, *arguments],
            log=self.place.log(name),
            pid_file=self.place.pid_file(name),
            environment={**inherited(), "PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2"},
            directory=ROOT,
        )
