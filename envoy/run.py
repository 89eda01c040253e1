"""Runs the edge in a container: renders its configuration, starts Envoy, and drains it before it goes.

    python run.py --settings /etc/edge/settings.json --out /run/edge --descriptor-set edge.binpb [--drain-seconds 20]

Envoy ends requests in flight at SIGTERM. So this process takes the signal, makes Envoy fail its readiness and refuse
new connections, waits until nothing is in flight, and only then ends Envoy.
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
_UNANSWERED = (OSError, ValueError, http.client.HTTPException)


class AdminSocket(http.client.HTTPConnection):
    """Envoy's admin interface, which listens on a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("admin", timeout=2.0)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(path: Path, verb: str, command: str) -> str:
    """The admin interface's answer. OSError when it does not answer."""
    connection = AdminSocket(path)
    try:
        connection.request(verb, command)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def in_flight(admin: Path) -> int:
    """Requests that the public listener is still answering; 0 when Envoy does not say."""
    text = ask(admin, "GET", "/stats?filter=^http\\.edge\\.downstream_rq_active$")
    return int(text.rpartition(":")[2] or 0)


def may_be_busy(admin: Path) -> bool:
    """Whether requests may be in flight: an Envoy that is slow to answer has some; one that has not started, none."""
    try:
        return in_flight(admin) > 0
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    except _UNANSWERED:
        return True


def drain(envoy: subprocess.Popen[bytes], admin: Path, seconds: float) -> None:
    """Stops taking work, waits for what is under way at most so many seconds, ends Envoy."""
    deadline = time.monotonic() + seconds
    for order in ("/healthcheck/fail", "/drain_listeners?graceful&skip_exit"):
        with contextlib.suppress(*_UNANSWERED):
            ask(admin, "POST", order)
    while time.monotonic() < deadline and may_be_busy(admin) and envoy.poll() is None:
        time.sleep(_POLL_SECONDS)
    envoy.terminate()


def command(config: Path) -> list[str]:
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

    # The admin socket's path may be relative to Envoy's directory.
    admin = options.out.resolve() / settings.admin_socket
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    # A session of its own: a terminal's Ctrl-C must not reach Envoy before it has drained.
    envoy = subprocess.Popen(command(config), cwd=options.out, start_new_session=True)
    threading.Thread(target=lambda: (envoy.wait(), stopping.set()), daemon=True).start()
    stopping.wait()
    if envoy.poll() is None:
        drain(envoy, admin, options.drain_seconds)
        sys.exit(0 if envoy.wait() in {0, -signal.SIGTERM} else 1)
    sys.exit(envoy.returncode or 1)


if __name__ == "__main__":
    main()
