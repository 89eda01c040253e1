"""The processes of a local stack: command, environment and ports of each."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import cached_property

from devstack.certificates import SERVICES, Authority
from devstack.daemons import Daemon, inherit_environment
from devstack.edge import Edge
from devstack.nats import Nats
from devstack.ports import LOOPBACK, PortStore
from devstack.postgres import Postgres
from devstack.run_directory import ROOT, RunDirectory, make_random_key

TOKEN_ISSUER = "https://auth.jainshikanji.local"  # noqa: S105 - an issuer's name
TOKEN_AUDIENCE = "jainshikanji-api"  # noqa: S105 - an audience's name
GATEWAY_KEY_ID = "rzp_test_devstack"
MAIL_FROM = "Jain Shikanji <orders@jainshikanji.example>"
_UNLIMITED = "100000"


class Processes:
    """All processes of one stack, by name. Creating this object starts none of them."""

    def __init__(self, run_directory: RunDirectory, edge_port: int) -> None:
        self.run_directory = run_directory
        self.edge_port = edge_port
        self.ports: PortStore = run_directory.ports()
        self._secrets = run_directory.secrets()
        self.postgres = Postgres(
            run_directory.path / "postgres",
            port=self.ports.port("postgres"),
            log=run_directory.log("postgres"),
            pid_file=run_directory.pid_file("postgres"),
        )
        self.nats = Nats(
            run_directory.path / "nats",
            port=self.ports.port("nats"),
            log=run_directory.log("nats"),
            pid_file=run_directory.pid_file("nats"),
        )
        self.authority_dir = run_directory.path / "certificates"

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
        return self._make_python_daemon(
            "mailbox",
            "devstack.mailbox",
            f"--smtp-port={self.ports.port('mailbox-smtp')}",
            f"--http-port={self.ports.port('mailbox-http')}",
            f"--dir={self.run_directory.path / 'mailbox'}",
        )

    @cached_property
    def gateway(self) -> Daemon:
        return self._make_python_daemon(
            "gateway",
            "devstack.gateway",
            f"--port={self.ports.port('gateway')}",
            f"--webhook-url={self.edge_url}/api/payments/webhook",
            f"--key-id={GATEWAY_KEY_ID}",
            f"--key-secret={self._secrets.get('gateway-key')}",
            f"--webhook-secret={self._secrets.get('gateway-webhook')}",
            f"--state={self.run_directory.path / 'gateway.sqlite3'}",
        )

    @cached_property
    def services(self) -> dict[str, Daemon]:
        return {name: self.make_service(name) for name in SERVICES}

    @cached_property
    def edge(self) -> Edge:
        run_directory = self.run_directory
        return Edge(
            run_directory.path / "edge",
            self._edge_settings(),
            log=run_directory.log("edge"),
            pid_file=run_directory.pid_file("edge"),
        )

    def all(self) -> dict[str, Daemon]:
        """All processes, in start order."""
        return {
            "postgres": self.postgres.daemon,
            "nats": self.nats.daemon,
            "mailbox": self.mailbox,
            "gateway": self.gateway,
            **self.services,
            "edge": self.edge.daemon,
        }

    def port_names(self, name: str) -> tuple[str, ...]:
        """Names of the stored ports of a process. The edge also listens on EDGE_PORT."""
        if name in SERVICES:
            return (name, f"{name}-health", f"{name}-metrics")
        return {"mailbox": ("mailbox-smtp", "mailbox-http"), "edge": ("jwks",)}.get(name, (name,))

    def make_service(self, name: str) -> Daemon:
        daemon = self._make_python_daemon(name, f"services.{name}")
        daemon.environment = {**daemon.environment, **self.service_environment(name)}
        return daemon

    def service_environment(self, name: str) -> dict[str, str]:
        """Environment variables of `python -m services.<name>`, in addition to the inherited ones."""
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
            "PEERS": self._service_addresses(),
            "FIELD_KEYS": self._secrets.get(f"{name}-field-keys", lambda: f"1:{make_random_key()}"),
            "INDEX_KEY": self._secrets.get(f"{name}-index-key"),
            "SIGNING_KEY": self._secrets.get(f"{name}-signing-key"),
            "DRAIN_SECONDS": "8",
            "LOG_LEVEL": os.environ.get("LOG_LEVEL", "info"),
            **self._tracing_settings(),
            **self._own_settings(name),
        }
        return {f"{name.upper()}_{key}": value for key, value in settings.items()}

    @staticmethod
    def _tracing_settings() -> dict[str, str]:
        """Traces every request when OTLP_TARGET (host:port) names a collector."""
        target = os.environ.get("OTLP_TARGET")
        return {"OTLP_ENDPOINT": f"http://{target}", "TRACE_RATIO": "1"} if target else {}

    def operator_environment(self, name: str) -> dict[str, str]:
        """Environment of an operator's command line for a service: addresses and a certificate, no secrets."""
        mesh = {"TLS_DIR": str(self.authority_dir / "operator"), "PEERS": self._service_addresses()}
        return {f"{name.upper()}_{key}": value for key, value in mesh.items()}

    def _service_addresses(self) -> str:
        return json.dumps({name: f"dns:///{LOOPBACK}:{self.ports.port(name)}" for name in SERVICES})

    def _own_settings(self, name: str) -> dict[str, str]:
        own: dict[str, Callable[[], dict[str, str]]] = {
            "customer": lambda: {
                "TOKEN_ISSUER": TOKEN_ISSUER,
                "TOKEN_AUDIENCE": TOKEN_AUDIENCE,
                # All local clients have one address.
                "LOGIN_ATTEMPTS_PER_ADDRESS": _UNLIMITED,
                "REGISTRATIONS_PER_ADDRESS": _UNLIMITED,
                "CODE_ATTEMPTS_PER_ADDRESS": _UNLIMITED,
                "MAILS_PER_ADDRESS": _UNLIMITED,
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
        """Settings that differ from the edge in a cluster; see `EdgeSettings` in envoy/render.py."""
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
            # All local clients have one address.
            "guesses_per_minute": 600,
        }
        if target := os.environ.get("OTLP_TARGET"):
            settings |= {"otlp_target": target, "trace_percent": 100}
        limits = ("PUBLIC_PER_MINUTE", "USER_PER_MINUTE", "ADMIN_PER_MINUTE", "GUESSES_PER_MINUTE")
        return settings | {name.lower(): int(os.environ[name]) for name in limits if os.environ.get(name)}

    def _make_python_daemon(self, name: str, module: str, *arguments: str) -> Daemon:
        return Daemon(
            name,
            [sys.executable, "-m", module, *arguments],
            log=self.run_directory.log(name),
            pid_file=self.run_directory.pid_file(name),
            environment={**inherit_environment(), "PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2"},
            directory=ROOT,
        )
