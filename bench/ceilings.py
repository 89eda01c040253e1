"""Maximum rates of single components: Envoy with a static response, and PostgreSQL under pgbench."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from bench.context import BenchContext
from bench.order_script import record_order_scripts
from bench.stack import StackFailed
from devstack.daemons import Daemon, inherit_environment
from devstack.edge import find_envoy
from devstack.ports import LOOPBACK, accepts, free_port

_START_SECONDS = 60.0


def make_static_envoy(context: BenchContext, body: bytes) -> tuple[Daemon, str]:
    """An Envoy, not yet started, that answers every request with these bytes; and its URL."""
    port = free_port()
    directory = context.directory / "direct"
    directory.mkdir(exist_ok=True)
    (directory / "body.json").write_bytes(body)
    config = directory / "envoy.yaml"
    config.write_text(json.dumps(_make_envoy_config(port, directory / "body.json")))  # JSON is YAML
    arguments = ["--config-path", str(config), "--disable-hot-restart", "--log-level", "error"]
    daemon = Daemon(
        "direct",
        [str(find_envoy()), *arguments, "--concurrency", str(os.cpu_count() or 1)],
        log=context.stack.run_directory.log("direct"),
        pid_file=context.stack.run_directory.pid_file("direct"),
        environment=inherit_environment(),
    )
    return daemon, f"http://{LOOPBACK}:{port}"


def wait_until_listening(daemon: Daemon, url: str) -> None:
    port = urlsplit(url).port or 0
    daemon.wait_ready(lambda: accepts(port), _START_SECONDS)


def _make_envoy_config(port: int, body: Path) -> dict[str, object]:
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


def run_pgbench(context: BenchContext, url: str, script: str, *, clients: int, seconds: float) -> float:
    """Transactions per second of a script on one database. Repeats with twice the time when none finished."""
    path = context.directory / "pgbench.sql"
    path.write_text(script)
    program = context.stack.processes.postgres.program("pgbench")
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
        return run_pgbench(context, url, script, clients=clients, seconds=2 * seconds)
    return float(found[1])


def measure_order_ceiling(context: BenchContext, *, clients: int, seconds: float) -> float:
    """Orders per second that PostgreSQL alone can do with the statements of the platform.

    pgbench uses one database at a time; the times per order in each database add up.
    """
    postgres = context.stack.processes.postgres
    rates = [
        run_pgbench(context, postgres.url(service), script, clients=clients, seconds=seconds)
        for service, script in record_order_scripts(context).items()
    ]
    return 1 / sum(1 / rate for rate in rates)
