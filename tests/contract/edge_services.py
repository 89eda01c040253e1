"""Nine services that speak every contract and know nothing: what stands behind the real edge in its tests.

Each listens with its own certificate, notes what reached it, and answers an empty message unless a test says otherwise.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.api import annotations_pb2, httpbody_pb2
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from chassis.security.tls import IdentityFiles
from devstack.certificates import SERVICES, Authority
from devstack.edge import Edge
from devstack.ports import LOOPBACK, free_port
from tools.edge import renderer

ISSUER = "https://auth.jainshikanji.local"
AUDIENCE = "jainshikanji-api"
ORIGIN = "http://shop.example:3000"
JWKS = "/jainshikanji.customer.v1.AuthService/GetJwks"


@dataclass(frozen=True)
class Rpc:
    """One rpc of the contracts with its REST bindings as (verb, path)."""

    path: str
    callers: frozenset[str]
    bindings: tuple[tuple[str, str], ...]
    streams: bool
    safe: bool


def contracts(descriptor_set: bytes) -> list[Rpc]:
    """Every rpc of the nine services, those that the edge must not show too."""
    found = []
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptor_set).file:
        if renderer.PACKAGE.match(file.package) is None:
            continue
        for service in file.service:
            found += [_rpc(f"{file.package}.{service.name}", method) for method in service.method]
    return found


def _rpc(service: str, method: descriptor_pb2.MethodDescriptorProto) -> Rpc:
    access = method.options.Extensions[renderer.access_pb2.access]
    rule = method.options.Extensions[annotations_pb2.http]
    verbs = [(binding.WhichOneof("pattern"), binding) for binding in (rule, *rule.additional_bindings)]
    return Rpc(
        path=f"/{service}/{method.name}",
        callers=frozenset(renderer.access_pb2.Access.Caller.Value.Name(caller) for caller in access.callers),
        bindings=tuple((verb.upper(), getattr(binding, verb)) for verb, binding in verbs if verb),
        streams=method.server_streaming,
        safe=method.options.idempotency_level == descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS,
    )


@dataclass(frozen=True)
class Received:
    """A call as a service saw it. `seconds` is what its deadline leaves; None without one."""

    path: str
    metadata: dict[str, str]
    request: bytes
    seconds: float | None

    @property
    def claims(self) -> dict[str, Any] | None:
        """The token's payload that the edge vouches for."""
        payload = self.metadata.get("x-jwt-payload")
        if payload is None:
            return None
        found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return found


Answer = Callable[[bytes, grpc.ServicerContext], Any]


@dataclass
class Services:
    """The nine servers, what they received, and how single methods answer."""

    received: list[Received] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    streaming: frozenset[str] = frozenset()
    ports: dict[str, int] = field(default_factory=dict)
    health: dict[str, health.HealthServicer] = field(default_factory=dict)
    _servers: dict[str, grpc.Server] = field(default_factory=dict)

    def start(self, authority: Authority, identities: dict[str, str] | None = None) -> None:
        """Starts all; `identities` lets a service show another's certificate."""
        for service in SERVICES:
            self.start_one(service, authority, (identities or {}).get(service, service))

    def start_one(self, service: str, authority: Authority, identity: str) -> None:
        files = IdentityFiles(authority.issue(identity)).read()
        credentials = grpc.ssl_server_credentials([(files.key, files.certificate)], files.authority, True)
        server = grpc.server(ThreadPoolExecutor(max_workers=8))
        server.add_generic_rpc_handlers((_Everything(self),))
        self.health[service] = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self.health[service], server)
        port = self.ports.setdefault(service, free_port())
        server.add_secure_port(f"{LOOPBACK}:{port}", credentials)
        server.start()
        self._servers[service] = server

    def stop_one(self, service: str) -> None:
        self._servers.pop(service).stop(grace=None).wait()

    def stop(self) -> None:
        for service in list(self._servers):
            self.stop_one(service)

    def set_ready(self, service: str, ready: bool) -> None:
        word = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        self.health[service].set("", word)

    def forget(self) -> None:
        self.received.clear()
        for path in [path for path in self.answers if path != JWKS]:
            del self.answers[path]

    @property
    def last(self) -> Received:
        """The newest call that was no fetch of the edge's own."""
        return next(call for call in reversed(self.received) if call.path != JWKS)


class _Everything(grpc.GenericRpcHandler):
    def __init__(self, services: Services) -> None:
        self._services = services

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        path = handler_call_details.method
        if path.startswith("/grpc.health."):
            return None
        metadata = {str(key): str(value) for key, value in handler_call_details.invocation_metadata}

        def answer(request: bytes, context: grpc.ServicerContext) -> Any:
            self._services.received.append(Received(path, metadata, request, _left(context)))
            script = self._services.answers.get(path)
            if script is not None:
                return script(request, context)
            return iter([b""]) if path in self._services.streaming else b""

        if path in self._services.streaming:
            return grpc.unary_stream_rpc_method_handler(answer)
        return grpc.unary_unary_rpc_method_handler(answer)


def _left(context: grpc.ServicerContext) -> float | None:
    seconds: float | None = context.time_remaining()
    # Without a deadline grpc says a time beyond all calendars.
    return None if seconds is None or seconds > 1e9 else seconds


class Tokens:
    """Signs access tokens as customer does, and those that must not pass."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.key_id = "k1"

    def key_set(self) -> bytes:
        x = base64.urlsafe_b64encode(self.key.public_key().public_bytes_raw()).rstrip(b"=").decode()
        key = {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.key_id, "use": "sig", "alg": "EdDSA"}
        return json.dumps({"keys": [key]}).encode()

    def serve(self, _request: bytes, _context: grpc.ServicerContext) -> bytes:
        body = httpbody_pb2.HttpBody(content_type="application/jwk-set+json", data=self.key_set())
        return bytes(body.SerializeToString())

    def make(self, *roles: str, key: Any = None, algorithm: str = "EdDSA", **claims: Any) -> str:
        """A token of somebody new; `claims` replace what it would hold, None leaves one out."""
        now = int(time.time())
        payload = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(uuid4()),
            "sid": str(uuid4()),
            "admin": "ADMIN" in roles,
            "roles": list(roles),
            "grants": [],
            "csrf": "csrf-of-this-session",
            "iat": now,
            "exp": now + 900,
            **claims,
        }
        payload = {name: value for name, value in payload.items() if value is not None}
        return jwt.encode(payload, self.key if key is None else key, algorithm, headers={"kid": self.key_id})


def edge_in_front(directory: Path, services: Services, authority: Authority, **settings: Any) -> Edge:
    """A rendered edge, not started. Its limits are out of the way unless a test sets them."""
    everything: dict[str, object] = {
        "listen_address": LOOPBACK,
        "listen_port": free_port(),
        "targets": {name: [f"{LOOPBACK}:{port}"] for name, port in services.ports.items()},
        "tls_dir": str(authority.issue("edge")),
        "jwks_port": free_port(),
        "jwks_cache_seconds": 1,
        "origins": [ORIGIN],
        "health_seconds": 0.2,
        "public_per_minute": 1_000_000,
        "user_per_minute": 1_000_000,
        "admin_per_minute": 1_000_000,
        "webhook_per_minute": 1_000_000,
        "guesses_per_minute": 1_000_000,
        **settings,
    }
    edge = Edge(directory, everything, log=directory / "edge.log", pid_file=directory / "edge.pid")
    edge.render()
    return edge


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Returns as soon as the condition holds. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the condition did not come true")
        time.sleep(0.02)


def stream_of(parts: list[str], pause: float) -> Iterator[bytes]:
    """Server-sent events with pauses between them."""
    for part in parts:
        body = httpbody_pb2.HttpBody(content_type="text/event-stream", data=part.encode())
        yield body.SerializeToString()
        time.sleep(pause)
