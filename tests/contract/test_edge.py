"""Behaviour of the edge towards clients and services, with the real Envoy and fake services."""

from __future__ import annotations

import datetime
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import httpx
import pytest
from google.api import httpbody_pb2

from devstack.certificates import SERVICES, Authority
from devstack.edge import Edge
from tests.contract.edge_services import (
    JWKS,
    ORIGIN,
    Rpc,
    Services,
    Tokens,
    contracts,
    edge_in_front,
    renderer,
    stream_of,
    until,
)
from tools.generate import write_image

ORDER = "/jainshikanji.order.v1.OrderService"
LIST_ORDERS, CREATE_ORDER, WATCH = f"{ORDER}/ListOrders", f"{ORDER}/CreateOrder", f"{ORDER}/WatchOrder"
LOGIN = "/jainshikanji.customer.v1.AuthService/Login"
LOGOUT = "/jainshikanji.customer.v1.AuthService/Logout"
WEBHOOK = "/jainshikanji.payment.v1.PaymentService/ReceiveWebhook"
CALLERS: dict[str, tuple[str, ...]] = {
    "anonymous": (),
    "customer": ("CUSTOMER",),
    "manager": ("CUSTOMER", "MANAGER"),
    "chef": ("CUSTOMER", "CHEF"),
    "cashier": ("CUSTOMER", "CASHIER"),
    "courier": ("CUSTOMER", "DELIVERY"),
    "support": ("CUSTOMER", "SUPPORT"),
    "admin": ("CUSTOMER", "ADMIN"),
}


class World:
    """The edge with fake services behind it and a client in front of it."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        self.directory = directory
        self.authority = Authority(directory / "certificates")
        self.services, self.tokens = Services(), Tokens()
        self.services.responses[JWKS] = self.tokens.serve
        self.services.start(self.authority)
        self.edge: Edge = edge_in_front(directory, self.services, self.authority, **settings)
        self.rpcs: list[Rpc] = contracts((self.edge.directory / "edge.binpb").read_bytes())
        self.services.streaming = frozenset(rpc.path for rpc in self.rpcs if rpc.streams)
        self.edge.start()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.edge.port}", timeout=20)
        until(lambda: self.client.get("/healthz").status_code == 200)
        until(lambda: self.get("/api/orders", self.tokens.make("CUSTOMER")).status_code == 200)

    def get(self, path: str, token: str | None = None, **headers: str) -> httpx.Response:
        return self.client.get(path, headers=_headers(token, headers))

    def post(self, path: str, body: Any = None, token: str | None = None, **headers: str) -> httpx.Response:
        return self.client.post(path, json={} if body is None else body, headers=_headers(token, headers))

    def close(self) -> None:
        self.client.close()
        self.edge.stop()
        self.services.stop()


def _headers(token: str | None, headers: dict[str, str]) -> dict[str, str]:
    found = {name.replace("_", "-"): value for name, value in headers.items()}
    return found | ({"authorization": f"Bearer {token}"} if token else {})


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("edge"), unary_seconds=2.0)
    yield world
    world.close()


@pytest.fixture
def world(shared_world: World) -> World:
    shared_world.services.reset()
    shared_world.client.cookies.clear()
    return shared_world


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    limits = {"public_per_minute": 30, "user_per_minute": 40, "admin_per_minute": 50, "guesses_per_minute": 5}
    world = World(tmp_path_factory.mktemp("limits"), **limits)
    yield world
    world.close()


def reason_of(response: httpx.Response) -> str:
    """Reason of an error; fails if the response does not have the error format."""
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert set(body) == {"code", "message", "details"}
    assert isinstance(body["code"], int)
    assert body["message"]
    info = next(detail for detail in body["details"] if detail["@type"].endswith("google.rpc.ErrorInfo"))
    assert info["domain"] == "jainshikanji"
    return str(info["reason"])


def fill_path(path: str) -> str:
    """Fills the variables of a path template: ids, except for variables with another format."""
    values = {"tier": "GOLD", "date": "2030-01-31"}
    while "{" in path:
        head, _, rest = path.partition("{")
        name, _, tail = rest.partition("}")
        path = head + values.get(name, str(uuid4())) + tail
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"edge_peers": "edge:8080"},
        {"otlp_target": "collector:4317", "trace_percent": 5},
        {"listener_tls_dir": "tls", "cookies": "secure", "origins": ["https://shop.example"]},
        {"cookies": "loopback", "listen_address": "127.0.0.1"},
        {"targets": {"order": ["10.0.0.1:50051", "10.0.0.2:50051", "[::1]:50051"]}},
    ],
)
def test_envoy_accepts_every_setting(tmp_path: Path, changes: dict[str, Any]) -> None:
    (tmp_path / "tls").mkdir()
    directories = {"config_dir": tmp_path, "tls_dir": tmp_path / "tls"}
    if "listener_tls_dir" in changes:
        directories["listener_tls_dir"] = tmp_path / "tls"
    settings = renderer.EdgeSettings(**changes | directories)
    image = tmp_path / "image.binpb"
    write_image(image, comments=False)
    renderer.validate(renderer.write(tmp_path, settings, image.read_bytes()))


class TestAccess:
    def test_each_method_allows_exactly_the_callers_of_its_contract(self, world: World) -> None:
        tokens = {caller: world.tokens.make(*roles) if roles else None for caller, roles in CALLERS.items()}
        wrong = []
        for rpc in (rpc for rpc in world.rpcs if rpc.bindings and not rpc.streams):
            for caller, roles in CALLERS.items():
                allowed = "PUBLIC" in rpc.callers or bool(rpc.callers & set(roles))
                expected = 200 if allowed else 403 if roles else 401
                for verb, path in rpc.bindings:
                    got = _call(world, verb, fill_path(path), tokens[caller])
                    if got != expected:
                        wrong.append(f"{caller}: {verb} {path} returned {got} instead of {expected}")
        assert not wrong

    def test_internal_rpcs_are_not_reachable_by_their_grpc_path(self, world: World) -> None:
        admin = world.tokens.make("CUSTOMER", "ADMIN")
        internal = [rpc for rpc in world.rpcs if not rpc.bindings]
        assert internal
        for rpc in internal:
            assert world.post(rpc.path, token=admin).status_code == 404
        assert not [call for call in world.services.received if call.path != JWKS]

    def test_native_grpc_is_rejected(self, world: World) -> None:
        headers = {"content-type": "application/grpc", "te": "trailers"}
        assert not world.client.post(LIST_ORDERS, content=b"\0\0\0\0\0", headers=headers).content
        channel = grpc.insecure_channel(f"127.0.0.1:{world.edge.port}")
        with pytest.raises(grpc.RpcError):
            channel.unary_unary(LOGIN, request_serializer=bytes)(b"", timeout=5)
        channel.close()
        assert not [call for call in world.services.received if call.path != JWKS]

    @pytest.mark.parametrize(
        "path",
        [
            "/api/orders/",
            "/api//orders",
            "/api/./orders",
            "/api/x/../orders",
            "/api/%6Frders",
            "/api/orders?",
            "/API/orders",
        ],
    )
    def test_no_spelling_of_a_path_bypasses_authorization(self, world: World, path: str) -> None:
        assert world.get(path).status_code in {401, 404}
        assert not [call for call in world.services.received if call.path != JWKS]


def _call(world: World, verb: str, path: str, token: str | None) -> int:
    body: dict[str, str] | None = {} if verb in {"POST", "PUT", "PATCH"} else None
    return world.client.request(verb, path, json=body, headers=_headers(token, {})).status_code


class TestIdentity:
    def test_a_service_receives_the_verified_payload_and_not_the_token(self, world: World) -> None:
        token = world.tokens.make("CUSTOMER", "MANAGER", grants=[{"store_id": "s", "job": "MANAGER"}])
        assert world.get("/api/orders", token).status_code == 200
        claims = world.services.last.claims
        assert claims is not None
        assert claims["roles"] == ["CUSTOMER", "MANAGER"]
        assert claims["grants"] == [{"store_id": "s", "job": "MANAGER"}]
        assert "authorization" not in world.services.last.metadata

    def test_identity_headers_of_a_client_are_removed(self, world: World) -> None:
        spoofed = {
            "x-jwt-payload": "eyJzdWIiOiAiYWRtaW4ifQ",
            "x-auth-sub": "admin",
            "x-auth-admin": "true",
            "x-envoy-external-address": "10.0.0.1",
            "grpc-timeout": "1n",
        }
        response = world.client.post("/api/auth/login", json={}, headers=spoofed)
        assert response.status_code == 200
        metadata = world.services.last.metadata
        assert world.services.last.claims is None
        assert not {"x-auth-sub", "x-auth-admin"} & set(metadata)
        assert metadata.get("x-envoy-external-address") != "10.0.0.1"

    @pytest.mark.parametrize(
        "defect", ["expired", "not yet", "issuer", "audience", "key", "none", "hmac", "garbage", "endless"]
    )
    def test_an_invalid_token_makes_the_caller_anonymous(self, world: World, defect: str) -> None:
        now = int(time.time())
        makers: dict[str, Callable[[], str]] = {
            "expired": lambda: world.tokens.make("CUSTOMER", exp=now - 60),
            "not yet": lambda: world.tokens.make("CUSTOMER", nbf=now + 600),
            "issuer": lambda: world.tokens.make("CUSTOMER", iss="https://elsewhere.example"),
            "audience": lambda: world.tokens.make("CUSTOMER", aud="another-api"),
            "key": lambda: world.tokens.make("CUSTOMER", key=Tokens().key),
            "none": lambda: world.tokens.make("CUSTOMER", key="", algorithm="none"),
            "hmac": lambda: world.tokens.make("CUSTOMER", key="s" * 64, algorithm="HS256"),
            "garbage": lambda: "not.a.token",
            "endless": lambda: world.tokens.make("CUSTOMER", exp=None),
        }
        bad = makers[defect]()
        response = world.get("/api/orders", bad)
        assert response.status_code == 401
        assert reason_of(response) == "UNAUTHENTICATED"
        assert "www-authenticate" in response.headers
        assert world.get("/api/products", bad).status_code == 200
        assert world.services.last.claims is None

    def test_signing_keys_can_rotate_without_a_restart(self, world: World) -> None:
        old_key, old_id = world.tokens.key, world.tokens.key_id
        old_token = world.tokens.make("CUSTOMER")
        try:
            fresh = Tokens()
            world.tokens.key, world.tokens.key_id = fresh.key, "k2"
            until(lambda: world.get("/api/orders", world.tokens.make("CUSTOMER")).status_code == 200)
            until(lambda: world.get("/api/orders", old_token).status_code == 401)
        finally:
            world.tokens.key, world.tokens.key_id = old_key, old_id
            until(lambda: world.get("/api/orders", world.tokens.make("CUSTOMER")).status_code == 200)


class TestCookies:
    def _session(self, world: World) -> dict[str, str]:
        return {"cookie": f"theme=dark; __Host-at={world.tokens.make('CUSTOMER')}"}

    def test_a_cookie_is_sufficient_for_reads(self, world: World) -> None:
        assert world.client.get("/api/orders", headers=self._session(world)).status_code == 200
        assert "cookie" not in world.services.last.metadata

    def test_a_cookie_needs_origin_and_csrf_token_for_writes(self, world: World) -> None:
        session = self._session(world)
        good = {"origin": ORIGIN, "x-csrf-token": "csrf-of-this-session"}
        responses = {
            "both": world.client.post("/api/orders", json={}, headers=session | good),
            "no origin": world.client.post("/api/orders", json={}, headers=session | good | {"origin": "null"}),
            "foreign": world.client.post(
                "/api/orders", json={}, headers=session | good | {"origin": "http://evil.example"}
            ),
            "no token": world.client.post("/api/orders", json={}, headers=session | {"origin": ORIGIN}),
            "wrong": world.client.post("/api/orders", json={}, headers=session | good | {"x-csrf-token": "guess"}),
        }
        assert {name: response.status_code for name, response in responses.items()} == {
            "both": 200,
            "no origin": 403,
            "foreign": 403,
            "no token": 403,
            "wrong": 403,
        }
        assert reason_of(responses["foreign"]) == "ORIGIN_REFUSED"
        assert reason_of(responses["no token"]) == "CSRF_TOKEN_REQUIRED"
        assert reason_of(responses["wrong"]) == "PERMISSION_DENIED"
        assert [call.path for call in world.services.received if call.path != JWKS] == [CREATE_ORDER]

    def test_login_needs_no_csrf_token_with_a_stale_cookie(self, world: World) -> None:
        stale = {"cookie": "__Host-at=stale", "origin": ORIGIN}
        assert world.client.post("/api/auth/login", json={}, headers=stale).status_code == 200
        assert world.client.post("/api/auth/logout", json={}, headers=stale).status_code in {401, 403}

    def test_only_the_auth_service_receives_cookies(self, world: World) -> None:
        world.client.post("/api/auth/refresh", json={}, headers={"cookie": "__Secure-rt=secret", "origin": ORIGIN})
        assert world.services.last.metadata["cookie"] == "__Secure-rt=secret"

    def test_cors_allows_only_listed_origins(self, world: World) -> None:
        def preflight(origin: str) -> httpx.Response:
            headers = {"origin": origin, "access-control-request-method": "POST"}
            return world.client.options("/api/orders", headers=headers)

        assert preflight(ORIGIN).headers["access-control-allow-origin"] == ORIGIN
        assert "access-control-allow-origin" not in preflight("http://evil.example").headers


class TestRequests:
    def test_responses_have_security_headers(self, world: World) -> None:
        for response in (world.get("/api/products"), world.get("/api/orders"), world.get("/nowhere")):
            assert response.headers["x-content-type-options"] == "nosniff"
            assert response.headers["cache-control"] == "no-store"
            assert response.headers["x-request-id"]
            assert not [name for name in response.headers if name.startswith("grpc-")]

    def test_a_body_must_be_json(self, world: World) -> None:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/xml"):
            response = world.client.post("/api/auth/login", content=b"{}", headers={"content-type": kind})
            assert response.status_code == 415
            assert reason_of(response) == "UNSUPPORTED_MEDIA_TYPE"
        utf8 = {"content-type": "application/json; charset=utf-8"}
        assert world.client.post("/api/auth/login", content=b"{}", headers=utf8).status_code == 200

    def test_an_empty_body_needs_no_content_type(self, world: World) -> None:
        assert (
            world.client.post("/api/auth/logout", headers=_headers(world.tokens.make("CUSTOMER"), {})).status_code
            == 200
        )
        assert world.services.last.path == LOGOUT

    @pytest.mark.parametrize(
        "body", [b"{", b"[]", b'{"email": 1e999}', b'{"email": "\xff"}', b"{} {}", b"nul", b"{" * 5000]
    )
    def test_malformed_json_is_a_400(self, world: World, body: bytes) -> None:
        response = world.client.post("/api/auth/login", content=body, headers={"content-type": "application/json"})
        assert response.status_code == 400
        assert reason_of(response) == "INVALID_ARGUMENT"
        assert not [call for call in world.services.received if call.path != JWKS]

    @pytest.mark.parametrize(
        "query", ["colour=red", "pageSize=many", "pageSize=1.5", "pageSize=99999999999", "status=NEVER"]
    )
    def test_an_invalid_query_parameter_is_a_400(self, world: World, query: str) -> None:
        response = world.get(f"/api/orders?{query}", world.tokens.make("CUSTOMER"))
        assert response.status_code == 400
        assert reason_of(response) == "INVALID_ARGUMENT"

    def test_an_unknown_route_is_a_404_in_the_error_format(self, world: World) -> None:
        for verb, path in (("GET", "/"), ("GET", "/api/nowhere"), ("DELETE", "/api/orders"), ("GET", "/admin")):
            response = world.client.request(verb, path)
            assert response.status_code == 404
            assert reason_of(response) == "ROUTE_NOT_FOUND"

    def test_a_large_body_is_rejected_with_and_without_content_length(self, world: World) -> None:
        large = json.dumps({"email": "x" * 300_000}).encode()
        json_type = {"content-type": "application/json"}
        chunks = iter([large[:100_000], large[100_000:]])
        for content in (large, chunks):
            response = world.client.post("/api/auth/login", content=content, headers=json_type)
            assert response.status_code == 413
            assert reason_of(response) == "BODY_TOO_LARGE"
        assert not [call for call in world.services.received if call.path != JWKS]

    def test_a_webhook_is_forwarded_unchanged_up_to_its_own_limit(self, world: World) -> None:
        for size, expected in ((300_000, 200), (1_100_000, 413)):
            raw = b"\xff\x00{" + b"x" * size
            response = world.client.post(
                "/api/payments/webhook", content=raw, headers={"content-type": "text/odd", "x-razorpay-signature": "s"}
            )
            assert response.status_code == expected
        assert world.services.last.path == WEBHOOK
        assert httpbody_pb2.HttpBody.FromString(world.services.last.request).data == b"\xff\x00{" + b"x" * 300_000
        assert world.services.last.metadata["x-razorpay-signature"] == "s"
        refund = world.client.post("/api/payments/webhook/refund", content=b"x", headers={"content-type": "text/odd"})
        assert refund.status_code in {404, 415}

    def test_a_service_receives_a_deadline(self, world: World) -> None:
        world.get("/api/products")
        assert world.services.last.seconds is not None
        assert 0 < world.services.last.seconds <= 2.0

    def test_a_service_that_does_not_respond_is_a_504(self, world: World) -> None:
        def never(_request: bytes, context: grpc.ServicerContext) -> bytes:
            time.sleep(3)
            return b""

        world.services.responses[LIST_ORDERS] = never
        response = world.get("/api/orders", world.tokens.make("CUSTOMER"))
        assert response.status_code == 504
        assert (
            reason_of(response) == "DEADLINE_EXCEEDED" if response.json()["details"] else response.json()["code"] == 4
        )

    def test_reads_are_retried_and_writes_are_not(self, world: World) -> None:
        def busy(_request: bytes, context: grpc.ServicerContext) -> bytes:
            if len([call for call in world.services.received if call.path == path]) == 1:
                context.abort(grpc.StatusCode.UNAVAILABLE, "restarting")
            return b""

        token = world.tokens.make("CUSTOMER")
        path = LIST_ORDERS
        world.services.responses[path] = busy
        assert world.get("/api/orders", token).status_code == 200
        path = CREATE_ORDER
        world.services.responses[path] = busy
        assert world.post("/api/orders", token=token).status_code == 503
        assert len([call for call in world.services.received if call.path == CREATE_ORDER]) == 1

    def test_the_log_has_no_personal_data(self, world: World) -> None:
        secret = f"asha{uuid4().hex}@example.com"
        world.get(
            f"/api/customers/{uuid4()}?email={secret}", world.tokens.make("CUSTOMER"), user_agent=f"agent {secret}"
        )
        log = world.directory / "edge.log"
        until(lambda: "/api/customers/" in log.read_text())
        text = log.read_text()
        assert secret not in text
        assert "127.0.0.1" not in text
        assert "eyJ" not in text


class TestStreams:
    def test_events_are_streamed_immediately_and_beyond_the_unary_timeout(self, world: World) -> None:
        parts = [f"id: {number}\nevent: status\ndata: {{}}\n\n" for number in range(6)]
        world.services.responses[WATCH] = lambda _request, _context: stream_of(parts, 0.5)
        arrived: list[tuple[float, str]] = []
        path = f"/api/orders/{uuid4()}/watch"
        headers = _headers(world.tokens.make("CUSTOMER"), {"last_event_id": "7"})
        begun = time.monotonic()
        with world.client.stream("GET", path, headers=headers) as response:
            assert response.headers["content-type"] == "text/event-stream"
            arrived.extend((time.monotonic() - begun, text) for text in response.iter_text())
        assert "".join(text for _, text in arrived) == "".join(parts)
        assert arrived[0][0] < 0.5
        assert arrived[-1][0] > 2.2
        assert world.services.last.metadata["last-event-id"] == "7"
        # The service receives the maximum duration as its deadline, and can end the stream before.
        assert world.services.last.seconds is not None
        assert 60 < world.services.last.seconds <= 900


class TestLimits:
    def test_each_class_has_its_own_limit_and_each_caller_its_own_bucket(self, limited: World) -> None:
        def passed(token: str | None, path: str = "/api/products", count: int = 60) -> int:
            responses = [limited.get(path, token) for _ in range(count)]
            limited_responses = [response for response in responses if response.status_code == 429]
            assert all(
                reason_of(response) == "RATE_LIMITED" and response.headers["retry-after"]
                for response in limited_responses
            )
            return count - len(limited_responses)

        # Buckets refill during the test, one token in one or two seconds.
        customer, other = limited.tokens.make("CUSTOMER"), limited.tokens.make("CUSTOMER")
        assert 40 <= passed(customer) <= 44
        assert 40 <= passed(other) <= 44
        assert 50 <= passed(limited.tokens.make("CUSTOMER", "ADMIN")) <= 54
        assert passed(None) <= 34

    def test_brute_force_limited_methods_have_a_low_limit_for_every_spelling(self, limited: World) -> None:
        admin = limited.tokens.make("CUSTOMER", "ADMIN")
        spellings = ["/api/loyalty/coupons/A", "/api/loyalty/coupons/B/", "/api//loyalty/coupons/C"]
        responses = [limited.get(spellings[number % 3], admin).status_code for number in range(12)]
        assert 5 <= responses.count(200) <= 6
        assert responses.count(429) >= 6


class TestMesh:
    def test_healthz_is_200_exactly_while_all_services_are_ready(self, world: World) -> None:
        for service in SERVICES:
            world.services.set_ready(service, ready=False)
            until(lambda: world.client.get("/healthz").status_code == 503)
            assert world.client.get("/livez").status_code == 200
            assert world.client.get("/readyz").status_code == 200
            world.services.set_ready(service, ready=True)
            until(lambda: world.client.get("/healthz").status_code == 200)

    def test_an_unavailable_service_is_a_503_in_the_error_format(self, world: World) -> None:
        world.services.stop_one("review")
        try:
            response = world.get(f"/api/reviews/{uuid4()}")
            assert response.status_code == 503
            assert reason_of(response) == "UNAVAILABLE"
        finally:
            world.services.start_one("review", world.authority, "review")
            until(lambda: world.client.get("/healthz").status_code == 200)

    def test_a_server_with_another_services_certificate_gets_no_request(self, world: World) -> None:
        world.services.stop_one("review")
        world.services.start_one("review", world.authority, "analytics")
        try:
            assert world.get(f"/api/reviews/{uuid4()}").status_code == 503
        finally:
            world.services.stop_one("review")
            world.services.start_one("review", world.authority, "review")
            until(lambda: world.client.get("/healthz").status_code == 200)

    def test_the_edge_presents_its_own_certificate(self, world: World) -> None:
        seen: list[str] = []

        def record_peer(_request: bytes, context: grpc.ServicerContext) -> bytes:
            identities: Any = context.auth_context()["peer_spiffe_id"]
            seen.extend(name.decode() for name in identities)
            return b""

        world.services.responses[LIST_ORDERS] = record_peer
        world.get("/api/orders", world.tokens.make("CUSTOMER"))
        assert seen == ["spiffe://jainshikanji.local/ns/jain-shikanji/sa/edge"]

    def test_slow_headers_time_out(self, world: World) -> None:
        with socket.create_connection(("127.0.0.1", world.edge.port), timeout=15) as connection:
            connection.sendall(b"GET /api/products HTTP/1.1\r\nHost: x\r\n")
            begun = datetime.datetime.now(datetime.UTC)
            response = connection.recv(4096)
            waited = (datetime.datetime.now(datetime.UTC) - begun).total_seconds()
        assert b"408" in response or response == b""
        assert waited < 14
