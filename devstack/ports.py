"""Free ports of this machine, remembered so that a stack that comes back keeps its addresses."""

from __future__ import annotations

import contextlib
import errno
import json
import secrets
import socket
from pathlib import Path

from devstack.files import write_private

LOOPBACK = "127.0.0.1"
# Below what kernels hand out to outgoing connections (32768 and up): a port that rests between two runs stays free. Two
# ranges, because who looks for a free port cannot see that a name has it and nobody listens on it yet.
_KEPT = range(15_000, 24_000)
_PASSING = range(24_000, 32_000)
_ATTEMPTS = 500

_given: set[int] = set()


class NoFreePort(RuntimeError):
    """Hundreds of random ports were all taken."""


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on the port now. False too for a privileged port that this user may not open."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Servers set it too: a connection in TIME_WAIT does not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def accepts(port: int, host: str = LOOPBACK, timeout: float = 0.2) -> bool:
    """Whether somebody listens on the port."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=timeout):
        return True
    return False


def free_port() -> int:
    """A loopback port that nobody listens on and that this process has not given out before."""
    return _free_one_of(_PASSING)


def _free_one_of(ports: range) -> int:
    for _ in range(_ATTEMPTS):
        port = secrets.choice(ports)
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise NoFreePort(f"no free port between {ports.start} and {ports.stop} on {LOOPBACK}")


class PortBook:
    """Ports by name, kept in a JSON file. A name keeps its port for the life of the run directory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ports: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        _given.update(self._ports.values())

    def port(self, name: str) -> int:
        """The port of a name; a new one when the name is new."""
        if name not in self._ports:
            self._ports[name] = _free_one_of(_KEPT)
            self._save()
        return self._ports[name]

    def replace(self, name: str) -> int:
        """Another port for a name whose port somebody took while the stack was down."""
        self._ports.pop(name, None)
        return self.port(name)

    def known(self, name: str) -> int | None:
        return self._ports.get(name)

    def _save(self) -> None:
        write_private(self._path, json.dumps(self._ports, indent=1, sort_keys=True))
