"""Stands in for a kubelet: starts containers of the rendered laptop set as processes, against real servers.

What a process is given is what its container would be given: the entry point of the Containerfile, the arguments, the
environment and the files of the render. Only addresses and mounts differ, and all differences are in `replaced`.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.security.provisioning import Data, Plan, provision
from devstack.ports import LOOPBACK, free_port
from devstack.postgres import Postgres
from tests.deploy.chart import Object, Pod, environment, of_kind, pods, rendered
from tools.deploy import ROOT, architecture

ENTRY_POINTS = {
    "services": [sys.executable, "-m", "services"],
    "edge": [sys.executable, "run.py", "--descriptor-set", "edge.binpb"],
}
_SECONDS = 60.0


class DirectoryOfSecrets:
    """Secrets as directories of files, as a kubelet mounts them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.writes: list[str] = []

    def read(self, name: str) -> Data | None:
        place = self.directory / name
        return {path.name: path.read_bytes() for path in place.iterdir()} if place.is_dir() else None

    def write(self, name: str, kind: str, data: Data, labels: dict[str, str]) -> None:
        assert kind in {"Opaque", "kubernetes.io/tls", "kubernetes.io/basic-auth"}
        place = self.directory / name
        place.mkdir(parents=True, exist_ok=True)
        for key, value in data.items():
            (place / key).write_bytes(value)
        self.writes.append(name)


class Cluster:
    """One directory, one PostgreSQL, one NATS with the chart's logins, and the containers that a test starts."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.found = rendered("laptop")
        self.secrets = DirectoryOfSecrets(directory / "secrets")
        self.configs = of_kind(self.found, "ConfigMap")
        self.pods = {str(pod).partition("/")[2]: pod for pod in pods(self.found)}
        self.ports = {
            **{f"{name}:{kind}": free_port() for name in architecture() for kind in ("grpc", "health", "metrics")},
            **{f"edge:{kind}": free_port() for kind in ("http", "metrics", "jwks")},
            "nats": free_port(),
            "nats-monitor": free_port(),
        }
        self.postgres = Postgres(directory / "postgres", durable=False)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    # The one list of what differs from a cluster.

    def replaced(self, name: str) -> dict[str, str]:
        """Variable -> value, for what names an address or a mount."""
        prefix = name.upper()
        peers = {peer: f"dns:///{LOOPBACK}:{self.ports[f'{peer}:grpc']}" for peer in architecture()}
        return {
            f"{prefix}_GRPC_HOST": LOOPBACK,
            f"{prefix}_GRPC_PORT": str(self.ports.get(f"{name}:grpc", 0)),
            f"{prefix}_HEALTH_PORT": str(self.ports.get(f"{name}:health", 0)),
            f"{prefix}_METRICS_PORT": str(self.ports.get(f"{name}:metrics", 0)),
            f"{prefix}_TLS_DIR": str(self.directory / "tls" / name),
            f"{prefix}_PEERS": json.dumps(peers),
            f"{prefix}_NATS_URL": f"nats://{LOOPBACK}:{self.ports['nats']}",
            "CHECK_EDGE_URL": f"http://{LOOPBACK}:{self.ports['edge:http']}",
        }

    def address(self, text: str) -> str:
        """The address of the database inside a URL."""
        return text.replace("@postgres:5432/", f"@{LOOPBACK}:{self.postgres.port}/")

    def edge_settings(self) -> Object:
        settings: Object = json.loads(self.configs["edge"]["data"]["settings.json"])
        home = self.directory / "run-edge"
        return settings | {
            "config_dir": str(home),
            "admin_socket": "admin.sock",
            "listen_address": LOOPBACK,
            "listen_port": self.ports["edge:http"],
            "metrics_port": self.ports["edge:metrics"],
            "jwks_port": self.ports["edge:jwks"],
            "tls_dir": str(self.directory / "tls" / "edge"),
            "edge_peers": f"{LOOPBACK}:{self.ports['edge:http']}",
            "targets": {name: [f"{LOOPBACK}:{self.ports[f'{name}:grpc']}"] for name in architecture()},
        }

    # What the chart's hooks and StatefulSets do.

    def make_secrets(self) -> None:
        provision(Plan.model_validate_json(self.configs["secrets-plan"]["data"]["plan.json"]), self.secrets)
        for name in (*architecture(), "edge", "operator"):
            self._mount_tls(name)

    def _mount_tls(self, name: str) -> None:
        """The volume `tls` of a pod, with the names that it gives to the keys."""
        pod = self.pods[name]
        volume = next(one["secret"] for one in pod.spec["volumes"] if one["name"] == "tls")
        place = self.directory / "tls" / name
        place.mkdir(parents=True, exist_ok=True)
        for item in volume["items"]:
            content = (self.secrets.directory / volume["secretName"] / item["key"]).read_bytes()
            (place / item["path"]).write_bytes(content)

    def start_postgres(self) -> None:
        """A server with nothing in it, and then the chart's own script for logins and databases."""
        self.postgres.start()
        script = self.configs["postgres"]["data"]["logins.sh"].replace("/etc/logins", str(self.directory / "logins"))
        for name in architecture():
            place = self.directory / "logins" / name
            place.mkdir(parents=True, exist_ok=True)
            (place / "password").write_bytes((self.secrets.directory / f"{name}-database" / "password").read_bytes())
        listed = environment(self.pods["postgres"].containers[0])["DATABASES"]["value"]
        programs = self.postgres.program("psql").parent
        subprocess.run(
            ["/bin/sh", "-c", script],
            check=True,
            env={
                "PATH": f"{programs}:/usr/bin:/bin",
                "DATABASES": listed,
                "PGHOST": LOOPBACK,
                "PGPORT": str(self.postgres.port),
                "PGPASSWORD": self.postgres.password("postgres"),
            },
        )

    def start_nats(self) -> None:
        config = self.configs["nats"]["data"]["nats.conf"]
        config = config.replace("0.0.0.0:4222", f"{LOOPBACK}:{self.ports['nats']}")
        config = config.replace("0.0.0.0:8222", f"{LOOPBACK}:{self.ports['nats-monitor']}")
        config = config.replace("/data", str(self.directory / "nats"))
        path = self.directory / "nats.conf"
        path.write_text(config)
        program = Path(sys.executable).with_name("nats-server")
        self._spawn(
            "nats",
            [str(program), "--config", str(path)],
            self.variables(self.pods["nats"], self.pods["nats"].containers[0], "nats"),
            self.directory,
        )
        url = f"http://{LOOPBACK}:{self.ports['nats-monitor']}"
        self._until("nats", lambda: http_status(f"{url}/healthz") == 200)

    def start_edge(self) -> None:
        home = self.directory / "edge-image"
        home.mkdir(exist_ok=True)
        for name in ("render.py", "edge.yaml.j2", "run.py", "descriptors.py"):
            (home / name).write_bytes((ROOT / "envoy" / name).read_bytes())
        paths = {"PYTHONPATH": str(ROOT / "gen")}
        subprocess.run(
            [sys.executable, "descriptors.py", "edge.binpb"], check=True, cwd=home, env={**_plain(), **paths}
        )
        (self.directory / "settings.json").write_text(json.dumps(self.edge_settings()))
        [container] = self.pods["edge"].containers
        arguments = [
            {
                "/etc/edge/settings.json": str(self.directory / "settings.json"),
                "/run/edge": str(self.directory / "run-edge"),
            }.get(argument, argument)
            for argument in container["args"]
        ]
        self._spawn("edge", [*ENTRY_POINTS["edge"], *arguments], {**paths, "EDGE_WORKERS": "1"}, home)
        self._until("edge", lambda: http_status(self.edge_url + "/readyz") == 200)

    @property
    def edge_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports['edge:http']}"

    # Containers.

    def variables(self, pod: Pod, container: Object, name: str) -> dict[str, str]:
        """The container's environment, addresses and mounts replaced."""
        found: dict[str, str] = {}
        for key, variable in environment(container).items():
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                found[key] = (self.secrets.directory / reference["name"] / reference["key"]).read_text()
            else:
                found[key] = self.address(variable["value"])
        replaced = self.replaced(name)
        has_peers = f"{name.upper()}_PEER_TARGET" in found
        return found | {
            key: value for key, value in replaced.items() if key in found or (has_peers and key.endswith("_PEERS"))
        }

    def run(self, pod_name: str, container_name: str, *, as_service: str = "") -> subprocess.CompletedProcess[str]:
        """A container that comes to an end."""
        command, variables = self._start(pod_name, container_name, as_service or container_name)
        return subprocess.run(
            command,
            env={**_plain(), **variables},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )

    def begin(self, pod_name: str, container_name: str) -> subprocess.Popen[str]:
        """The same, not waited for."""
        command, variables = self._start(pod_name, container_name, container_name)
        return subprocess.Popen(
            command,
            env={**_plain(), **variables},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def serve(self, name: str) -> None:
        """A service's container; it is ready when the kubelet's own probe says so."""
        command, variables = self._start(name, name, name)
        self._spawn(name, command, variables, ROOT)

    def wait_ready(self, name: str) -> None:
        self._until(name, partial(self.probe, name))

    def probe(self, name: str, service: str = "") -> bool:
        """The answer of a gRPC probe on the health port."""
        with grpc.insecure_channel(f"{LOOPBACK}:{self.ports[f'{name}:health']}") as channel:
            try:
                request = health_pb2.HealthCheckRequest(service=service)
                answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=2.0)
            except grpc.RpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def _start(self, pod_name: str, container_name: str, name: str) -> tuple[list[str], dict[str, str]]:
        pod = self.pods[pod_name]
        container = next(one for one in pod.containers if one["name"] == container_name)
        variables = self.variables(pod, container, name)
        arguments = [
            re.sub(r"\$\(([A-Z_]+)\)", lambda found: variables[found[1]], str(one)) for one in container["args"]
        ]
        return [*ENTRY_POINTS["services"], *arguments], variables

    def _spawn(self, name: str, command: list[str], variables: dict[str, str], home: Path) -> None:
        with (self.directory / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                command, env={**_plain(), **variables}, cwd=home, stdout=log, stderr=subprocess.STDOUT
            )

    def _until(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _SECONDS
        while not ready():
            if time.monotonic() > deadline or self.processes[name].poll() is not None:
                log = (self.directory / f"{name}.log").read_text()
                raise AssertionError(f"{name} is not ready:\n{log[-4000:]}")
            time.sleep(0.1)

    def stop(self, name: str) -> int:
        """SIGTERM; the exit code."""
        process = self.processes.pop(name)
        process.terminate()
        return process.wait(timeout=_SECONDS)

    def close(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(timeout=_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        self.postgres.remove()


def _plain() -> dict[str, str]:
    """What every process has: nothing of the shell that started the tests. The image's own variables, and a path."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MALLOC_ARENA_MAX": "2",
    }


def http_status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - loopback
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def decode(secret: dict[str, Any], key: str) -> bytes:
    return base64.b64decode(secret["data"][key])
