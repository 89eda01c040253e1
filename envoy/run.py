"""Runs the edge in a container: renders the configuration, starts Envoy, and drains it on SIGTERM.

    python run.py --settings /etc/edge/settings.json --out /run/edge --descriptor-set edge.binpb [--drain-seconds 20]

Envoy aborts requests in flight on SIGTERM. This process handles the signal instead: it makes Envoy fail its readiness
probe and reject new connections, waits until no request is in flight, and then terminates Envoy.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from pydantic import ValidationError
from render import EdgeSettings, RenderError, program, validate, write

_POLL_SECONDS = 0.2
_NO_RESPONSE = (OSError, ValueError, http.client.HTTPException)


class AdminSocket(http.client.HTTPConnection):
    """Envoy's admin interface, which listens on a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("admin", timeout=2.0)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def send_admin_command(path: Path, verb: str, command: str) -> str:
    """Sends a command to the admin interface and returns the response. Raises OSError if there is none."""
    connection = AdminSocket(path)
    try:
        connection.request(verb, command)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def count_in_flight(admin: Path) -> int:
    """Number of requests in flight on the public listener; 0 if Envoy has no such counter yet."""
    text = send_admin_command(admin, "GET", "/stats?filter=^http\\.edge\\.downstream_rq_active$")
    return int(text.rpartition(":")[2] or 0)


def may_be_busy(admin: Path) -> bool:
    """Whether requests may be in flight. True if Envoy responds too slowly; False if it has not started."""
    try:
        return count_in_flight(admin) > 0
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    except _NO_RESPONSE:
        return True


def drain(envoy: subprocess.Popen[bytes], admin: Path, seconds: float) -> None:
    """Rejects new requests, waits at most `seconds` for those in flight, then terminates Envoy."""
    deadline = time.monotonic() + seconds
    for path in ("/healthcheck/fail", "/drain_listeners?graceful&skip_exit"):
        with contextlib.suppress(*_NO_RESPONSE):
            send_admin_command(admin, "POST", path)
    while time.monotonic() < deadline and may_be_busy(admin) and envoy.poll() is None:
        time.sleep(_POLL_SECONDS)
    envoy.terminate()


def envoy_command(config: Path) -> list[str]:
    workers = str(max(1, len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    arguments = ["--config-path", str(config), "--disable-hot-restart", "--log-level", "warn"]
    return [str(program()), *arguments, "--concurrency", os.environ.get("EDGE_WORKERS", workers)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--descriptor-set", type=Path, required=True)
    parser.add_argument("--drain-seconds", type=float, default=20.0)
    options = parser.parse_args()
    try:
        given = json.loads(options.settings.read_text())
        settings = EdgeSettings.model_validate({"config_dir": options.out.resolve(), **given})
        config = write(options.out, settings, options.descriptor_set.read_bytes())
        validate(config)
    except (RenderError, ValidationError, json.JSONDecodeError, OSError) as error:
        raise SystemExit(f"edge configuration: {error}") from error

    # The path of the admin socket may be relative to the working directory of Envoy.
    admin = options.out.resolve() / settings.admin_socket
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    # In its own session, because Ctrl-C in a terminal must not reach Envoy before it has drained.
    envoy = subprocess.Popen(envoy_command(config), cwd=options.out, start_new_session=True)
    threading.Thread(target=lambda: (envoy.wait(), stopping.set()), daemon=True).start()
    stopping.wait()
    if envoy.poll() is None:
        drain(envoy, admin, options.drain_seconds)
        sys.exit(0 if envoy.wait() in {0, -signal.SIGTERM} else 1)
    sys.exit(envoy.returncode or 1)


if __name__ == "__main__":
    main()
