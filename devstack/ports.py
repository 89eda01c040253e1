"""Free ports of this machine, stored so that a restarted stack keeps its addresses."""

from __future__ import annotations

import contextlib
import errno
import json
import secrets
import socket
from pathlib import Path

from devstack.files import write_private

LOOPBACK = "127.0.0.1"
# Below the range of outgoing connections (32768 and up), so that a port stays free while the stack is down.
# Two ranges: a stored port whose process is not running looks free to free_port().
_STORED = range(15_000, 24_000)
_TEMPORARY = range(24_000, 32_000)
_ATTEMPTS = 500

_assigned: set[int] = set()


class NoFreePort(RuntimeError):
    """Hundreds of random ports were all in use."""


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server can bind the port now. False for a privileged port without permission."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a connection in TIME_WAIT does not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def accepts(port: int, host: str = LOOPBACK, timeout: float = 0.2) -> bool:
    """Whether a server accepts connections on the port."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=timeout):
        return True
    return False


def free_port() -> int:
    """A loopback port that is free and that this process has not returned before."""
    return _find_free_port_in(_TEMPORARY)


def _find_free_port_in(ports: range) -> int:
    for _ in range(_ATTEMPTS):
        port = secrets.choice(ports)
        if port not in _assigned and is_free(port):
            _assigned.add(port)
            return port
    raise NoFreePort(f"no free port between {ports.start} and {ports.stop} on {LOOPBACK}")


class PortStore:
    """Ports by name, stored in a JSON file. A name keeps its port as long as the run directory exists."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ports: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        _assigned.update(self._ports.values())

    def port(self, name: str) -> int:
        """The port of a name; assigns a free one to a new name."""
        if name not in self._ports:
            self._ports[name] = _find_free_port_in(_STORED)
            self._save()
        return self._ports[name]

    def replace(self, name: str) -> int:
        """Assigns another port to a name whose port is in use by another program."""
        self._ports.pop(name, None)
        return self.port(name)

    def known(self, name: str) -> int | None:
        return self._ports.get(name)

    def _save(self) -> None:
        write_private(self._path, json.dumps(self._ports, indent=1, sort_keys=True))
