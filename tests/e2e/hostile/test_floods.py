"""Large, deeply nested and slow requests are rejected, use little memory, and do not block other clients."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import httpx
import psutil
import pytest

from devstack.rest import Session
from tests.e2e.hostile.wire import (
    CONTINUATION,
    GET_HEADERS,
    LOOPBACK,
    PING,
    SETTINGS,
    Http2,
    exchange,
    frame,
    in_turn,
    read_all,
    request_line,
)
from tests.e2e.platform import Platform

KILO = 1024
BODY, WEBHOOK_BODY = 256 * KILO, 1024 * KILO
JSON = "content-type: application/json"
WEBHOOK = "/api/payments/webhook"
# Memory that allocators retain and caches fill; retained floods would exceed it by far.
EDGE_GROWTH, SERVICE_GROWTH = 96_000_000, 48_000_000
HEADER_SECONDS, REQUEST_SECONDS = 10.0, 30.0
SLOW = 100
KIND = {"content-type": "application/json"}
BOMB = gzip.compress(b" " * 100_000_000, compresslevel=9)


@dataclass
class Measurements:
    """Durations and failures of the requests of a well-behaved client."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@contextmanager
def regular_traffic(platform: Platform, who: Session) -> Iterator[Measurements]:
    """A customer who reads the menu and the own profile in a loop; every request must succeed."""
    found, end = Measurements(), threading.Event()

    def visit() -> None:
        headers = {"authorization": f"Bearer {who.token}"}
        with httpx.Client(base_url=platform.processes.edge_url, timeout=10) as client:
            while not end.is_set():
                for path in ("/api/products?pageSize=5", f"/api/customers/{who.customer_id}"):
                    begun = time.monotonic()
                    try:
                        answer = client.get(path, headers=headers)
                        if answer.status_code != httpx.codes.OK:
                            found.failures.append(f"{path}: {answer.status_code} {answer.text[:200]}")
                    except httpx.HTTPError as error:
                        found.failures.append(f"{path}: {error!r}")
                    found.seconds.append(time.monotonic() - begun)
                end.wait(0.05)

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        yield found
    finally:
        end.set()
        visitor.join()


@pytest.fixture(scope="module", autouse=True)
def others_are_served(running: Platform, mallory: Session) -> Iterator[None]:
    """A well-behaved client is served during every test of this module."""
    running.make_whole()
    with regular_traffic(running, mallory) as measured:
        yield
    assert measured.failures == []
    assert len(measured.seconds) > 10
    assert sorted(measured.seconds)[len(measured.seconds) // 2] < 1.0


def memory(platform: Platform) -> dict[str, int]:
    """Resident bytes by process."""
    found = {}
    for name, daemon in platform.processes.all().items():
        process = daemon.process()
        if process is not None and name not in {"postgres", "nats", "mailbox", "gateway"}:
            found[name] = psutil.Process(process.pid).memory_info().rss
    return found


@pytest.fixture(scope="module", autouse=True)
def memory_stays_flat(running: Platform, mallory: Session) -> Iterator[None]:
    running.make_whole()
    for _ in range(50):
        running.http.get("/api/products")
    before = memory(running)
    yield
    after = memory(running)
    print("growth in MB:", {name: round((after[name] - before[name]) / 1e6, 1) for name in before if name in after})
    assert after.keys() == before.keys(), "a process is gone"
    growth = {name: after[name] - before[name] for name in before}
    too_much = {
        name: size for name, size in growth.items() if size > (EDGE_GROWTH if name == "edge" else SERVICE_GROWTH)
    }
    assert not too_much, growth


@dataclass(frozen=True)
class SlowConnections:
    """Connections that send one byte per second, and the time of their start."""

    headers: list[socket.socket]
    bodies: list[socket.socket]
    begun: float

    def trickle(self) -> None:
        """Sends one more byte on each."""
        for connection in (*self.headers, *self.bodies):
            with suppress(OSError):
                connection.sendall(b"x")


@pytest.fixture(scope="module", autouse=True)
def slow(running: Platform) -> Iterator[SlowConnections]:
    def connect(begin: bytes) -> socket.socket:
        connection = socket.create_connection((LOOPBACK, running.edge_port), timeout=REQUEST_SECONDS + 10)
        connection.sendall(begin)
        return connection

    headers = b"GET /api/products HTTP/1.1\r\nhost: edge.example\r\nx-slow: "
    bodies = request_line("POST", "/api/auth/login", JSON, "content-length: 100000", close=False) + b'{"email": "'
    found = SlowConnections(
        [connect(headers) for _ in range(SLOW)], [connect(bodies) for _ in range(SLOW)], time.monotonic()
    )
    end = threading.Event()

    def trickle() -> None:
        while not end.wait(1.0):
            found.trickle()

    trickler = threading.Thread(target=trickle)
    trickler.start()
    yield found
    end.set()
    trickler.join()
    for connection in (*found.headers, *found.bodies):
        connection.close()


def status(answer: bytes) -> int:
    """The status of a response; 0 without a response."""
    return int(answer.split(b" ")[1]) if answer.startswith(b"HTTP/1.1 ") else 0


class TestBodies:
    @pytest.mark.parametrize("path", ["/api/auth/login", "/api/orders", f"{WEBHOOK}/", f"{WEBHOOK}/x", "/api/nowhere"])
    def test_a_body_of_more_than_256_kilobytes_is_rejected(self, platform: Platform, path: str) -> None:
        head = request_line("POST", path, JSON, f"content-length: {BODY + 1}")
        assert status(exchange(platform.edge_port, head + b"x" * (BODY + 1), 5)) in {413, 404}

    def test_a_body_of_exactly_the_limit_is_accepted(self, platform: Platform) -> None:
        def send(path: str, size: int, kind: str = "application/json") -> httpx.Response:
            return platform.http.post(path, content=b" " * size, headers={"content-type": kind})

        assert send("/api/auth/login", BODY).status_code == 400
        assert send("/api/auth/login", BODY + 1).status_code == 413
        assert send(WEBHOOK, WEBHOOK_BODY, "text/plain").status_code in {400, 401}
        assert send(WEBHOOK, WEBHOOK_BODY + 1, "text/plain").status_code == 413

    def test_an_endless_chunked_body_is_aborted(self, platform: Platform) -> None:
        head = request_line("POST", "/api/auth/login", JSON, "transfer-encoding: chunked")
        sent, answer = 0, b""
        with socket.create_connection((LOOPBACK, platform.edge_port), timeout=5) as connection:
            connection.sendall(head)
            with suppress(OSError):
                while sent < 20 * BODY:
                    connection.sendall(b"4000\r\n" + b"[" * 0x4000 + b"\r\n")
                    sent += 0x4000
            answer = read_all(connection)
        assert status(answer) in {413, 0}
        assert sent < 20 * BODY, "the edge accepted the whole body"

    def test_an_endless_body_of_http2_frames_is_aborted(self, platform: Platform) -> None:
        with Http2(platform.edge_port, seconds=5) as client:
            fields = [("content-type", "application/json")]
            stream = client.open("POST", "/api/auth/login", fields, ends=False)
            with suppress(OSError):
                for _ in range(5):
                    client.send(0, 0, stream, b"[" * 16_000)
            # The flow-control window of a stream is 64 kB; these frames exceed it.
            for _ in range(12):
                with suppress(OSError):
                    client.send(0, 0, stream, b"[" * 16_000)
            assert b'"code":0' not in client.answer(stream)

    def test_many_large_incomplete_bodies_use_no_more_memory_than_was_sent(self, platform: Platform) -> None:
        begun = memory(platform)["edge"]
        connections = []
        for _ in range(200):
            connection = socket.create_connection((LOOPBACK, platform.edge_port), timeout=10)
            head = request_line("POST", "/api/auth/login", JSON, f"content-length: {BODY}", close=False)
            connection.setblocking(False)
            with suppress(OSError):
                connection.send(head + b"x" * (BODY - 1))
            connections.append(connection)
        used = memory(platform)["edge"] - begun
        for connection in connections:
            connection.close()
        assert used < 200 * BODY, "more memory than was sent"

    @pytest.mark.parametrize("deep", [b"[", b'{"a":', b'{"lines":[', b'[{"a":[', b'{"a":{"b":['])
    @pytest.mark.parametrize("path", ["/api/auth/login", "/api/analytics/event", "/api/auth/refresh"])
    def test_json_nested_ten_thousand_levels_is_a_400_within_seconds(
        self, platform: Platform, path: str, deep: bytes
    ) -> None:
        begun = time.monotonic()
        for closing in (b"", b"1" + {b"[": b"]"}.get(deep, b"}") * 10_000):
            body = (deep * 10_000)[: BODY - 20_000] + closing
            answer = platform.http.post(path, content=body[:BODY], headers=KIND)
            assert answer.status_code == 400, answer.text
        assert time.monotonic() - begun < 5

    @pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "identity, gzip"])
    def test_a_compressed_body_is_not_decompressed(self, platform: Platform, coding: str) -> None:
        bomb = BOMB
        assert len(bomb) < BODY
        headers = {"content-type": "application/json", "content-encoding": coding}
        before = memory(platform)
        answer = platform.http.post("/api/auth/login", content=bomb, headers=headers)
        assert answer.status_code in {400, 415}
        assert memory(platform)["edge"] - before["edge"] < 30_000_000

    @pytest.mark.parametrize("marks", ["\u0344\u0316", "\u0316\u0301", "\u0301\u0315\u0316", "\u094d\u093c"])
    def test_thousands_of_combining_marks_on_one_letter_are_a_400_within_seconds(
        self, platform: Platform, marks: str
    ) -> None:
        text = "a" + marks * (20_000 // len(marks))
        for path, body in (
            ("/api/auth/register", {"email": f"{text}@x.example", "password": text, "firstName": text}),
            ("/api/auth/login", {"email": "a@x.example", "password": text}),
        ):
            begun = time.monotonic()
            content = json.dumps(body, ensure_ascii=False).encode()
            answer = platform.http.post(path, content=content, headers=KIND)
            assert answer.status_code == 400, answer.text[:300]
            assert time.monotonic() - begun < 3

    def test_bodies_with_many_keys_or_items_are_rejected_within_seconds(
        self, platform: Platform, mallory: Session
    ) -> None:
        headers = {"authorization": f"Bearer {mallory.token}"}
        bodies: list[object] = [
            {f"key{number}": number for number in range(15_000)},
            {"lines": [{"quantity": 1}] * 10_000},
            {"email": "a" * 200_000, "password": "b" * 50_000},
            {"email": "\\" * 60_000, "password": '"' * 60_000},
        ]
        for path in ("/api/auth/login", "/api/orders", "/api/orders/quote"):
            for body in bodies:
                begun = time.monotonic()
                answer = platform.http.post(path, json=body, headers=headers | {"idempotency-key": "wide"})
                assert answer.status_code in {400, 413}, answer.text[:300]
                assert time.monotonic() - begun < 5


class TestHeaders:
    @pytest.mark.parametrize(
        "fields",
        [
            [f"x-header-{number}: x" for number in range(80)],
            ["x-large: " + "x" * 33 * KILO],
            [f"cookie: a{number}={'b' * 600}" for number in range(60)],
        ],
        ids=["many", "large", "cookies"],
    )
    def test_too_many_or_too_large_headers_are_rejected(self, platform: Platform, fields: list[str]) -> None:
        answer = exchange(platform.edge_port, request_line("GET", "/api/products", *fields), 5)
        assert status(answer) in {431, 400}, answer[:300]

    def test_a_path_of_forty_kilobytes_is_rejected(self, platform: Platform) -> None:
        for path in ("/api/products?query=" + "x" * 40 * KILO, "/api/products/" + "x" * 40 * KILO):
            assert status(exchange(platform.edge_port, request_line("GET", path), 5)) in {400, 414, 431}

    def test_headers_up_to_the_limit_of_the_edge_reach_the_service(self, platform: Platform) -> None:
        long = platform.http.get("/api/products/search?query=" + "x" * 28 * KILO)
        assert (long.status_code, long.json()["details"][1]["fieldViolations"][0]["field"]) == (400, "query")
        cookie = "; ".join(f"theme{number}={'b' * 900}" for number in range(20))
        answer = platform.http.post("/api/auth/refresh", json={"refreshToken": "x"}, headers={"cookie": cookie})
        assert (answer.status_code, answer.json()["details"][0]["reason"]) == (401, "INVALID_REFRESH_TOKEN")

    @pytest.mark.parametrize(
        "path",
        ["/api/products/%00", "/api/orders/%ff%fe", "/api/products?query=%00", "/api/products?query=%ff%fe",
         "/api/stores?city=%c0%af", "/api/products/%c0%ae%c0%ae", "/api/products/%ed%a0%80", "/api/products?slug=%f8",
         "/api/products/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/api/products?query=%", "/api/products?query=%zz"],
    )  # fmt: skip
    def test_nul_and_invalid_utf_8_in_a_path_are_rejected(self, platform: Platform, path: str) -> None:
        request = request_line("GET", path, close=False)
        answer = in_turn(platform.edge_port, [request])[0]
        assert answer.status in {200, 400, 401, 404}, answer
        assert b"Decode" not in answer.body
        if b"query=%" not in path.encode()[-9:]:
            assert answer.status != 200, answer


class TestFrames:
    """HTTP/2 floods. The edge closes the connection, possibly while the client is still sending."""

    def test_a_flood_of_stream_resets_closes_the_connection(self, platform: Platform) -> None:
        with Http2(platform.edge_port) as client:
            with suppress(ConnectionError):
                for _ in range(3000):
                    client.reset(client.open("GET", "/api/products"))
            assert client.is_closed()

    def test_endless_continuation_frames_close_the_connection(self, platform: Platform) -> None:
        with Http2(platform.edge_port) as client:
            with suppress(ConnectionError):
                client.send(1, 0, 1, GET_HEADERS)
                for _ in range(20_000):
                    client.send(CONTINUATION, 0, 1, b"\x10\x01x\x7f\x81\x01" + b"y" * 256)
            assert client.is_closed()

    @pytest.mark.parametrize(("kind", "payload"), [(SETTINGS, b""), (PING, b"x" * 8)], ids=["settings", "pings"])
    def test_a_flood_of_settings_or_pings_closes_the_connection(
        self, platform: Platform, kind: int, payload: bytes
    ) -> None:
        with Http2(platform.edge_port) as client:
            client.socket.settimeout(5)
            with suppress(ConnectionError, TimeoutError):
                many = frame(kind, 0, 0, payload) * 1000
                for _ in range(200):
                    client.socket.sendall(many)
            assert client.is_closed()

    def test_streams_above_the_limit_get_no_response(self, platform: Platform) -> None:
        with Http2(platform.edge_port) as client:
            fields = [("content-type", "application/json")]
            with suppress(ConnectionError):
                streams = [client.open("POST", "/api/auth/login", fields, ends=False) for _ in range(500)]
                assert client.answer(streams[-1]) == b""


class TestSlowness:
    def test_headers_sent_byte_by_byte_time_out(self, slow: SlowConnections) -> None:
        for connection in slow.headers:
            connection.settimeout(max(0.5, slow.begun + HEADER_SECONDS + 5 - time.monotonic()))
            assert status(read_all(connection)) == 408

    def test_bodies_sent_byte_by_byte_time_out(self, slow: SlowConnections) -> None:
        ended = 0
        for connection in slow.bodies:
            connection.settimeout(max(0.5, slow.begun + REQUEST_SECONDS + 8 - time.monotonic()))
            answer = read_all(connection)
            ended += status(answer) == 408
        assert ended == len(slow.bodies)
