"""Internal methods are not reachable from outside, with any spelling of the path and any protocol."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import grpc
import httpx
import pytest

from chassis.contract import service_methods
from devstack.certificates import SERVICES
from devstack.ports import LOOPBACK
from tests.e2e.hostile.conftest import Victim
from tests.e2e.hostile.forger import Forger
from tests.e2e.hostile.routes import internal_methods, routes
from tests.e2e.hostile.wire import Http2, exchange, in_turn, request_line
from tests.e2e.platform import Platform

GRPC = {"content-type": "application/grpc", "te": "trailers"}
# gRPC services without a contract.
PLUMBING = (
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
)
ADMINISTRATION = (
    "/stats",
    "/config_dump",
    "/clusters",
    "/quitquitquit",
    "/server_info",
    "/metrics",
    "/stats/prometheus",
)


@pytest.fixture(scope="module")
def intruder(forger: Forger, victim: Victim) -> tuple[str, str]:
    """A new account id, to search for in logs, and a token of it with the role ADMIN."""
    account = str(uuid4())
    claims = {"sub": account, "sid": str(uuid4()), "admin": True, "roles": ["CUSTOMER", "ADMIN", "MANAGER"]}
    return account, forger.signed(forger.claims(victim.session.token, **claims))


def spellings(path: str) -> Iterator[str]:
    """Spellings of the path that other routers resolve to it."""
    service, method = path[1:].split("/")
    yield from (path, f"{path}/", f"/{path}", f"//{service}//{method}")
    yield from (f"/{service}/./{method}", f"/{service}/%2e/{method}")
    yield from (f"/{service}%2F{method}", f"/{service}%2f{method}", f"/{service}\\{method}")
    yield from (f"/x/..{path}", f"/api{path}")
    yield from (f"/api/..{path}", f"/api/%2e%2e{path}", f"/api/..%2f{path[1:]}", f"http://order{path}")
    yield from (f"{path}?x=1", f"{path}%00", f"{path}%20", f"{path};a=b", path.lower(), path.upper())


def all_paths() -> list[str]:
    """The gRPC path of every rpc: of internal ones, and of those that are reachable only by their route."""
    return [*internal_methods(), *(route.method.path for route in routes()), *PLUMBING]


def test_there_are_internal_methods() -> None:
    assert len(list(internal_methods())) >= 15
    assert all(service_methods(path.split("/")[1])[path].callers == frozenset() for path in internal_methods())


def test_no_spelling_of_a_grpc_path_reaches_a_method(
    platform: Platform, intruder: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    account, token = intruder
    fields = (f"authorization: Bearer {token}", "content-type: application/json", "content-length: 2")
    forged = ("x-envoy-original-path: /api/orders", "x-envoy-original-method: GET")
    places = [spelling for path in [*internal_methods(), *PLUMBING] for spelling in spellings(path)]

    def send(place: str) -> str:
        request = request_line("POST", place, *fields, *forged, close=False) + b"{}"
        answer = in_turn(platform.edge_port, [request])[0]
        return "" if answer.status in {400, 404} else f"{place}: {answer.status} {answer.body[:200]!r}"

    with ThreadPoolExecutor(max_workers=8) as pool:
        reached = [answer for answer in pool.map(send, places) if answer]
    with capsys.disabled():
        print(f"\n{len(places)} spellings of methods, {len(reached)} of them answered by anything but 400 or 404")
    assert not reached, "\n".join(reached)
    assert not services_that_logged(platform, account)


def services_that_logged(platform: Platform, account: str) -> list[str]:
    """Services whose logs contain the account: a request reached them."""
    logs = {name: platform.processes.services[name].log for name in SERVICES}
    return [name for name, log in logs.items() if account in log.read_text(errors="replace")]


def test_native_grpc_reaches_no_method(platform: Platform, intruder: tuple[str, str]) -> None:
    account, token = intruder
    target = f"{LOOPBACK}:{platform.edge_port}"
    with grpc.insecure_channel(target) as channel:
        for path in all_paths():
            call = channel.unary_unary(path)
            with pytest.raises(grpc.RpcError) as failed:
                call(b"", timeout=10, metadata=(("authorization", f"Bearer {token}"), ("x-jwt-payload", "e30")))
            assert failed.value.code() is not grpc.StatusCode.DEADLINE_EXCEEDED
    assert not services_that_logged(platform, account)


@pytest.mark.parametrize(
    "kind",
    ["application/grpc", "application/grpc+proto", "application/grpc+json", "Application/GRPC", "application/grpc-web",
     "application/grpc-web+proto", "application/grpc-web-text", " application/grpc", "application/connect+proto",
     "application/proto", "application/x-protobuf", "application/json, application/grpc"],
)  # fmt: skip
def test_no_content_type_of_grpc_reaches_a_method(platform: Platform, intruder: tuple[str, str], kind: str) -> None:
    account, token = intruder
    path = "/jainshikanji.order.v1.OrderService/ListOrders"
    fields = [("content-type", kind), ("te", "trailers"), ("authorization", f"Bearer {token}")]
    with Http2(platform.edge_port) as client:
        for verb, place in (("POST", path), ("POST", "/api/orders"), ("GET", path)):
            stream = client.request(verb, place, fields, b"\0\0\0\0\0" if verb == "POST" else None)
            answer = client.answer(stream)
            assert answer == b"" or b'"code":' in answer, answer
    assert not services_that_logged(platform, account)


def test_http2_with_prior_knowledge_reaches_no_internal_path(platform: Platform, intruder: tuple[str, str]) -> None:
    account, token = intruder
    for path in [*internal_methods(), *PLUMBING, *ADMINISTRATION]:
        with Http2(platform.edge_port) as client:
            fields = [("content-type", "application/json"), ("authorization", f"Bearer {token}")]
            streams = [client.request("POST", spelling, fields, b"{}") for spelling in (path, f"{path}/", f"/{path}")]
            for stream in streams:
                assert b"ROUTE_NOT_FOUND" in client.answer(stream), path
    assert not services_that_logged(platform, account)


@pytest.mark.parametrize("path", ADMINISTRATION)
def test_the_admin_interface_of_envoy_is_not_reachable(platform: Platform, path: str) -> None:
    for verb in ("GET", "POST"):
        answer = platform.http.request(verb, path, json={} if verb == "POST" else None)
        assert answer.status_code == httpx.codes.NOT_FOUND
        assert answer.json()["details"][0]["reason"] == "ROUTE_NOT_FOUND"


def test_upgrades_and_tunnels_are_rejected(platform: Platform) -> None:
    for head in (
        request_line("GET", "/api/products", "upgrade: h2c", "http2-settings: AAMAAABkAAQCAAAAAAIAAAAA"),
        request_line("GET", "/api/products", "upgrade: websocket", "sec-websocket-version: 13"),
        b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: 127.0.0.1:22\r\n\r\n",
        request_line("GET", "http://127.0.0.1:22/"),
    ):
        answer = exchange(platform.edge_port, head, 3)
        assert not answer.startswith(b"HTTP/1.1 101")
        assert b"SSH-" not in answer
        assert not (head.startswith(b"CONNECT") and answer.startswith(b"HTTP/1.1 2"))


GET, POST, HOST = b"GET /api/products HTTP/1.1\r\n", b"POST /api/orders HTTP/1.1\r\n", b"host: x\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n"
AMBIGUOUS = {
    "both lengths": POST
    + HOST
    + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    + GET
    + HOST
    + b"\r\n",
    "two lengths": POST + HOST + b"content-length: 2\r\ncontent-length: 40\r\n\r\n{}",
    "an odd coding": POST + HOST + b"transfer-encoding: xchunked\r\n\r\n{}",
    "a blank before the colon": POST + HOST + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
    "a negative length": POST + HOST + b"content-length: -1\r\n\r\n",
    "two hosts": GET + b"host: a\r\nhost: b\r\n\r\n",
    "no host": GET + b"\r\n",
    "no version": b"GET /api/products\r\n\r\n",
    "a folded line": GET + HOST + b" folded: y\r\n\r\n",
    "NUL in a name": GET + HOST + b"x\x00y: z\r\n\r\n",
    "NUL in a value": GET + HOST + b"x: y\x00z\r\n\r\n",
    "an underscore": GET + HOST + b"x_forged: z\r\n\r\n",
    "a control in the path": b"GET /api/pro\x01ducts HTTP/1.1\r\n" + HOST + b"\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "zeros": b"\x00" * 64,
}


@pytest.mark.parametrize("what", AMBIGUOUS)
def test_an_ambiguous_request_is_rejected_and_no_smuggled_request_is_served(platform: Platform, what: str) -> None:
    answer = exchange(platform.edge_port, AMBIGUOUS[what], 2)
    statuses = [line.split(b" ")[1] for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    assert len(statuses) <= 1, answer
    assert all(status.startswith(b"4") for status in statuses), answer
