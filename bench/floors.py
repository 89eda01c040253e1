"""What the parts can do at most: an Envoy that answers by itself, and PostgreSQL asked by pgbench alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from bench.arena import Arena
from bench.recording import order_scripts
from bench.stack import StackFailed
from devstack.daemons import Daemon, inherited
from devstack.edge import envoy_program
from devstack.ports import LOOPBACK, accepts, free_port

_START_SECONDS = 60.0


def direct_response(arena: Arena, body: bytes) -> tuple[Daemon, str]:
    """An Envoy that answers every request with these bytes, not yet started; and its URL."""
    port = free_port()
    directory = arena.directory / "direct"
    directory.mkdir(exist_ok=True)
    (directory / "body.json").write_bytes(body)
    config = directory / "envoy.yaml"
    config.write_text(json.dumps(_answering(port, directory / "body.json")))  # JSON is YAML
    arguments = ["--config-path", str(config), "--disable-hot-restart", "--log-level", "error"]
    daemon = Daemon(
        "direct",
        [str(envoy_program()), *arguments, "--concurrency", str(os.cpu_count() or 1)],
        log=arena.stack.place.log("direct"),
        pid_file=arena.stack.place.pid_file("direct"),
        environment=inherited(),
    )
    return daemon, f"http://{LOOPBACK}:{port}"


def wait_listening(daemon: Daemon, url: str) -> None:
    port = urlsplit(url).port or 0
    daemon.wait_ready(lambda: accepts(port), _START_SECONDS)


def _answering(port: int, body: Path) -> dict[str, object]:
    kind = "type.googleapis.com/envoy.extensions.filters."
    router = {"name": "router", "typed_config": {"@type": f"{kind}http.router.v3.Router"}}
    answer = {"status": 200, "body": {"filename": str(body)}}
    header = {"header": {"key": "content-type", "value": "application/json"}}
    hosts = [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "direct_response": answer}]}]
    manager = {
        "@type": f"{kind}network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "direct",
        "route_config": {"virtual_hosts": hosts, "response_headers_to_add": [header]},
        "http_filters": [router],
    }
    listener = {
        "address": {"socket_address": {"address": LOOPBACK, "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    return {"static_resources": {"listeners": [listener]}}


def pgbench(arena: Arena, url: str, script: str, *, clients: int, seconds: float) -> float:
    """Transactions a second of a script, prepared, on one database. A time in which nothing was done is doubled."""
    path = arena.directory / "pgbench.sql"
    path.write_text(script)
    program = arena.stack.processes.postgres.program("pgbench")
    command = [
        str(program),
        "--no-vacuum",
        "--protocol=prepared",
        f"--client={clients}",
        "--jobs=1",
        f"--time={max(1, round(seconds))}",
        f"--file={path}",
        url,
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"^tps = ([0-9.]+)", run.stdout, re.MULTILINE)
    if run.returncode != 0:
        raise StackFailed(f"pgbench failed: {run.stderr[-2000:]}\n{script}")
    if found is None:
        return pgbench(arena, url, script, clients=clients, seconds=2 * seconds)
    return float(found[1])


def pgbench_orders(arena: Arena, *, clients: int, seconds: float) -> float:
    """Orders a second that PostgreSQL alone can do: what the platform asks for one, a database after the other.

    pgbench knows one database; the times that an order takes in each add up.
    """
    postgres = arena.stack.processes.postgres
    rates = [
        pgbench(arena, postgres.url(service), script, clients=clients, seconds=seconds)
        for service, script in order_scripts(arena).items()
    ]
    return 1 / sum(1 / rate for rate in rates)
