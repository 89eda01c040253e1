"""Too much, too deep, too slow: refused, forgotten at once, and others are served meanwhile."""

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
# What allocators keep for the next request, and caches that fill; a flood that stayed in memory would be far more.
EDGE_GROWTH, SERVICE_GROWTH = 96_000_000, 48_000_000
HEADER_SECONDS, REQUEST_SECONDS = 10.0, 30.0
SLOW = 100
KIND = {"content-type": "application/json"}
BOMB = gzip.compress(b" " * 100_000_000, compresslevel=9)


@dataclass
class Honest:
    """What somebody who does nothing wrong got in the meantime."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@contextmanager
def honest_customer(platform: Platform, who: Session) -> Iterator[Honest]:
    """Reads the menu and its own profile all the while, and must always be answered."""
    found, over = Honest(), threading.Event()

    def visit() -> None:
        headers = {"authorization": f"Bearer {who.token}"}
        with httpx.Client(base_url=platform.processes.edge_url, timeout=10) as client:
            while not over.is_set():
                for path in ("/api/products?pageSize=5", f"/api/customers/{who.customer_id}"):
                    begun = time.monotonic()
                    try:
                        answer = client.get(path, headers=headers)
                        if answer.status_code != httpx.codes.OK:
                            found.failures.append(f"{path}: {answer.status_code} {answer.text[:200]}")
                    except httpx.HTTPError as error:
                        found.failures.append(f"{path}: {error!r}")
                    found.seconds.append(time.monotonic() - begun)
                over.wait(0.05)

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        yield found
    finally:
        over.set()
        visitor.join()


@pytest.fixture(scope="module", autouse=True)
def others_are_served(running: Platform, mallory: Session) -> Iterator[None]:
    """During every test of this module somebody honest is there."""
    running.make_whole()
    with honest_customer(running, mallory) as honest:
        yield
    assert honest.failures == []
    assert len(honest.seconds) > 10
    assert sorted(honest.seconds)[len(honest.seconds) // 2] < 1.0


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
    print("grown by MB:", {name: round((after[name] - before[name]) / 1e6, 1) for name in before if name in after})
    assert after.keys() == before.keys(), "a process is gone"
    grown = {name: after[name] - before[name] for name in before}
    too_much = {
        name: size for name, size in grown.items() if size > (EDGE_GROWTH if name == "edge" else SERVICE_GROWTH)
    }
    assert not too_much, grown


@dataclass(frozen=True)
class Slow:
    """Connections that are kept busy with almost nothing, and since when."""

    headers: list[socket.socket]
    bodies: list[socket.socket]
    begun: float

    def trickle(self) -> None:
        """One more byte on each."""
        for connection in (*self.headers, *self.bodies):
            with suppress(OSError):
                connection.sendall(b"x")


@pytest.fixture(scope="module", autouse=True)
def slow(running: Platform) -> Iterator[Slow]:
    def connect(begin: bytes) -> socket.socket:
        connection = socket.create_connection((LOOPBACK, running.edge_port), timeout=REQUEST_SECONDS + 10)
        connection.sendall(begin)
        return connection

    headers = b"GET /api/products HTTP/1.1\r\nhost: edge.example\r\nx-slow: "
    bodies = request_line("POST", "/api/auth/login", JSON, "content-length: 100000", close=False) + b'{"email": "'
    found = Slow([connect(headers) for _ in range(SLOW)], [connect(bodies) for _ in range(SLOW)], time.monotonic())
    over = threading.Event()

    def trickle() -> None:
        while not over.wait(1.0):
            found.trickle()

    trickler = threading.Thread(target=trickle)
    trickler.start()
    yield found
    over.set()
    trickler.join()
    for connection in (*found.headers, *found.bodies):
        connection.close()


def status(answer: bytes) -> int:
    """Of an answer that may never have come: 0."""
    return int(answer.split(b" ")[1]) if answer.startswith(b"HTTP/1.1 ") else 0


class TestBodies:
    @pytest.mark.parametrize("path", ["/api/auth/login", "/api/orders", f"{WEBHOOK}/", f"{WEBHOOK}/x", "/api/nowhere"])
    def test_a_body_beyond_256_kilobytes_is_refused(self, platform: Platform, path: str) -> None:
        head = request_line("POST", path, JSON, f"content-length: {BODY + 1}")
        assert status(exchange(platform.edge_port, head + b"x" * (BODY + 1), 5)) in {413, 404}

    def test_the_limit_is_where_it_is_said_to_be(self, platform: Platform) -> None:
        def send(path: str, size: int, kind: str = "application/json") -> httpx.Response:
            return platform.http.post(path, content=b" " * size, headers={"content-type": kind})

        assert send("/api/auth/login", BODY).status_code == 400
        assert send("/api/auth/login", BODY + 1).status_code == 413
        assert send(WEBHOOK, WEBHOOK_BODY, "text/plain").status_code in {400, 401}
        assert send(WEBHOOK, WEBHOOK_BODY + 1, "text/plain").status_code == 413

    def test_chunks_without_end_are_cut_off(self, platform: Platform) -> None:
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
        assert sent < 20 * BODY, "all of it was taken"

    def test_frames_without_end_are_cut_off(self, platform: Platform) -> None:
        with Http2(platform.edge_port, seconds=5) as client:
            fields = [("content-type", "application/json")]
            stream = client.open("POST", "/api/auth/login", fields, ends=False)
            with suppress(OSError):
                for _ in range(5):
                    client.send(0, 0, stream, b"[" * 16_000)
            # The window of a stream is 64 kB: what lies beyond was never asked for.
            for _ in range(12):
                with suppress(OSError):
                    client.send(0, 0, stream, b"[" * 16_000)
            assert b'"code":0' not in client.answer(stream)

    def test_many_large_bodies_at_once_are_refused_and_forgotten(self, platform: Platform) -> None:
        begun = memory(platform)["edge"]
        connections = []
        for _ in range(200):
            connection = socket.create_connection((LOOPBACK, platform.edge_port), timeout=10)
            head = request_line("POST", "/api/auth/login", JSON, f"content-length: {BODY}", close=False)
            connection.setblocking(False)
            with suppress(OSError):
                connection.send(head + b"x" * (BODY - 1))
            connections.append(connection)
        held = memory(platform)["edge"] - begun
        for connection in connections:
            connection.close()
        assert held < 200 * BODY, "more is held than was sent"

    @pytest.mark.parametrize("deep", [b"[", b'{"a":', b'{"lines":[', b'[{"a":[', b'{"a":{"b":['])
    @pytest.mark.parametrize("path", ["/api/auth/login", "/api/analytics/event", "/api/auth/refresh"])
    def test_json_ten_thousand_deep_is_a_400_at_once(self, platform: Platform, path: str, deep: bytes) -> None:
        begun = time.monotonic()
        for closing in (b"", b"1" + {b"[": b"]"}.get(deep, b"}") * 10_000):
            body = (deep * 10_000)[: BODY - 20_000] + closing
            answer = platform.http.post(path, content=body[:BODY], headers=KIND)
            assert answer.status_code == 400, answer.text
        assert time.monotonic() - begun < 5

    @pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "identity, gzip"])
    def test_a_compressed_body_is_never_unpacked(self, platform: Platform, coding: str) -> None:
        bomb = BOMB
        assert len(bomb) < BODY
        headers = {"content-type": "application/json", "content-encoding": coding}
        before = memory(platform)
        answer = platform.http.post("/api/auth/login", content=bomb, headers=headers)
        assert answer.status_code in {400, 415}
        assert memory(platform)["edge"] - before["edge"] < 30_000_000

    @pytest.mark.parametrize("marks", ["\u0344\u0316", "\u0316\u0301", "\u0301\u0315\u0316", "\u094d\u093c"])
    def test_a_heap_of_marks_on_one_letter_is_a_400_at_once(self, platform: Platform, marks: str) -> None:
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

    def test_wide_bodies_are_answered_in_time(self, platform: Platform, mallory: Session) -> None:
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
    def test_too_many_or_too_large_headers_are_refused(self, platform: Platform, fields: list[str]) -> None:
        answer = exchange(platform.edge_port, request_line("GET", "/api/products", *fields), 5)
        assert status(answer) in {431, 400}, answer[:300]

    def test_a_path_of_forty_kilobytes_is_refused(self, platform: Platform) -> None:
        for path in ("/api/products?query=" + "x" * 40 * KILO, "/api/products/" + "x" * 40 * KILO):
            assert status(exchange(platform.edge_port, request_line("GET", path), 5)) in {400, 414, 431}

    def test_headers_that_the_edge_admits_reach_the_service(self, platform: Platform) -> None:
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
    def test_nul_and_bad_utf_8_are_a_clear_refusal(self, platform: Platform, path: str) -> None:
        request = request_line("GET", path, close=False)
        answer = in_turn(platform.edge_port, [request])[0]
        assert answer.status in {200, 400, 401, 404}, answer
        assert b"Decode" not in answer.body
        if b"query=%" not in path.encode()[-9:]:
            assert answer.status != 200, answer


class TestFrames:
    """HTTP/2 as a weapon. The edge ends the connection, which may break off what is still being sent."""

    def test_streams_that_are_reset_at_once_end_the_connection(self, platform: Platform) -> None:
        with Http2(platform.edge_port) as client:
            with suppress(ConnectionError):
                for _ in range(3000):
                    client.reset(client.open("GET", "/api/products"))
            assert client.goes_away()

    def test_headers_that_never_end_end_the_connection(self, platform: Platform) -> None:
        with Http2(platform.edge_port) as client:
            with suppress(ConnectionError):
                client.send(1, 0, 1, GET_HEADERS)
                for _ in range(20_000):
                    client.send(CONTINUATION, 0, 1, b"\x10\x01x\x7f\x81\x01" + b"y" * 256)
            assert client.goes_away()

    @pytest.mark.parametrize(("kind", "payload"), [(SETTINGS, b""), (PING, b"x" * 8)], ids=["settings", "pings"])
    def test_frames_that_ask_for_answers_for_ever_end_the_connection(
        self, platform: Platform, kind: int, payload: bytes
    ) -> None:
        with Http2(platform.edge_port) as client:
            client.socket.settimeout(5)
            with suppress(ConnectionError, TimeoutError):
                many = frame(kind, 0, 0, payload) * 1000
                for _ in range(200):
                    client.socket.sendall(many)
            assert client.goes_away()

    def test_more_streams_than_are_allowed_are_refused(self, platform: Platform) -> None:
        with Http2(platform.edge_port) as client:
            fields = [("content-type", "application/json")]
            with suppress(ConnectionError):
                streams = [client.open("POST", "/api/auth/login", fields, ends=False) for _ in range(500)]
                assert client.answer(streams[-1]) == b""


class TestSlowness:
    def test_headers_that_come_byte_by_byte_are_given_up(self, slow: Slow) -> None:
        for connection in slow.headers:
            connection.settimeout(max(0.5, slow.begun + HEADER_SECONDS + 5 - time.monotonic()))
            assert status(read_all(connection)) == 408

    def test_bodies_that_come_byte_by_byte_are_given_up(self, slow: Slow) -> None:
        ended = 0
        for connection in slow.bodies:
            connection.settimeout(max(0.5, slow.begun + REQUEST_SECONDS + 8 - time.monotonic()))
            answer = read_all(connection)
            ended += status(answer) == 408
        assert ended == len(slow.bodies)
