"""Shutdown of the edge while the admin interface of Envoy is slow to respond."""

from __future__ import annotations

import importlib.util
import socketserver
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.deploy import ROOT


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Any:
    """envoy/run.py as a module; it imports render.py from its own folder."""
    monkeypatch.syspath_prepend(str(ROOT / "envoy"))
    spec = importlib.util.spec_from_file_location("edge_runner", ROOT / "envoy" / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Admin(socketserver.UnixStreamServer):
    """Admin interface of Envoy that drops a number of requests, then reports how many requests are in flight."""

    def __init__(self, path: Path, dropped: int, in_flight: list[int]) -> None:
        super().__init__(str(path), AdminHandler)
        self.dropped, self.in_flight = dropped, in_flight


class AdminHandler(socketserver.StreamRequestHandler):
    server: Admin

    def handle(self) -> None:
        request = self.rfile.readline()
        if self.server.dropped:
            self.server.dropped -= 1
            return
        count = 0
        if b"/stats" in request:
            count = self.server.in_flight.pop(0) if self.server.in_flight else 0
        text = f"http.edge.downstream_rq_active: {count}\n".encode()
        self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (len(text), text))


class Envoy:
    def __init__(self) -> None:
        self.terminated_at = 0.0

    def poll(self) -> int | None:
        return None

    def terminate(self) -> None:
        self.terminated_at = time.monotonic()


@pytest.fixture
def socket_path() -> Iterator[Path]:
    # The path of a unix socket has a maximum length.
    with tempfile.TemporaryDirectory(prefix="edge-") as directory:
        yield Path(directory) / "admin.sock"


def test_an_unresponsive_envoy_is_not_terminated_before_its_requests_finish(runner: Any, socket_path: Path) -> None:
    admin, envoy = Admin(socket_path, dropped=5, in_flight=[2, 1, 1]), Envoy()
    threading.Thread(target=admin.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    runner.drain(envoy, socket_path, 30.0)
    admin.shutdown()
    admin.server_close()
    assert admin.dropped == 0
    assert admin.in_flight == [], "terminated while requests were in flight"
    assert envoy.terminated_at


def test_draining_does_not_wait_for_an_envoy_that_has_not_started(runner: Any, socket_path: Path) -> None:
    envoy, begun = Envoy(), time.monotonic()
    runner.drain(envoy, socket_path, 30.0)
    assert envoy.terminated_at - begun < 10.0
