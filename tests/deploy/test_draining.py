"""The edge's end, with an Envoy that is too busy to say how busy it is."""

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
    """envoy/run.py, which finds render.py beside itself."""
    monkeypatch.syspath_prepend(str(ROOT / "envoy"))
    spec = importlib.util.spec_from_file_location("edge_runner", ROOT / "envoy" / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Admin(socketserver.UnixStreamServer):
    """Envoy's admin interface: says nothing so many times, and then how many requests are in flight."""

    def __init__(self, path: Path, silences: int, in_flight: list[int]) -> None:
        super().__init__(str(path), Answer)
        self.silences, self.in_flight = silences, in_flight


class Answer(socketserver.StreamRequestHandler):
    server: Admin

    def handle(self) -> None:
        request = self.rfile.readline()
        if self.server.silences:
            self.server.silences -= 1
            return
        count = 0
        if b"/stats" in request:
            count = self.server.in_flight.pop(0) if self.server.in_flight else 0
        text = f"http.edge.downstream_rq_active: {count}\n".encode()
        self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (len(text), text))


class Envoy:
    def __init__(self) -> None:
        self.ended_at = 0.0

    def poll(self) -> int | None:
        return None

    def terminate(self) -> None:
        self.ended_at = time.monotonic()


@pytest.fixture
def place() -> Iterator[Path]:
    # A socket's path is short.
    with tempfile.TemporaryDirectory(prefix="edge-") as directory:
        yield Path(directory) / "admin.sock"


def test_an_envoy_that_does_not_answer_is_not_ended_before_its_requests(runner: Any, place: Path) -> None:
    admin, envoy = Admin(place, silences=5, in_flight=[2, 1, 1]), Envoy()
    threading.Thread(target=admin.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    runner.drain(envoy, place, 30.0)
    admin.shutdown()
    admin.server_close()
    assert admin.silences == 0
    assert admin.in_flight == [], "it was ended while requests were in flight"
    assert envoy.ended_at


def test_an_envoy_that_has_not_started_is_not_waited_for(runner: Any, place: Path) -> None:
    envoy, begun = Envoy(), time.monotonic()
    runner.drain(envoy, place, 30.0)
    assert envoy.ended_at - begun < 10.0
