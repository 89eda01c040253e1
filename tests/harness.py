"""Real services in this process for integration tests: real PostgreSQL, real NATS, real mutual TLS, no edge.

    order = await platform.start("order")                        # once per session; migrated, ready
    stub = platform.stub("order", OrderServiceStub, customer(account_id))
    await platform.settled()                                     # all events are handled

Services share one database server and one NATS; each has its own database. Tests use fresh ids, never a clean slate.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import grpc
import nats
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from chassis import ids
from chassis.clock import now
from chassis.database import migrations, sql
from chassis.errors import STATUS_HEADER
from chassis.events.bus import Bus, stream_name
from chassis.events.outbox import OutboxRow
from chassis.process.service import Process, Service
from chassis.rpc.interceptors.identity import HEADER
from chassis.security import tls
from devstack.certificates import SERVICES, Authority
from devstack.nats import Nats
from devstack.ports import free_port
from devstack.postgres import Postgres

Stub = TypeVar("Stub")

READY_SECONDS = 20.0
SETTLE_SECONDS = 15.0
COUNT_UNPUBLISHED = sql("SELECT count(*) FROM outbox WHERE published_at IS NULL", value=int)


@dataclass(frozen=True)
class Identity:
    """The caller of an rpc: a peer by its certificate, and for the edge the account of the request."""

    peer: str
    metadata: tuple[tuple[str, str], ...] = ()

    def sending(self, **headers: str) -> Identity:
        """The same caller with further request headers; underscores stand for dashes."""
        more = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return Identity(self.peer, self.metadata + more)


def service(name: str) -> Identity:
    """A service that calls as itself."""
    return Identity(name)


def anonymous() -> Identity:
    """An external caller without a token."""
    return Identity("edge")


def account(account_id: UUID, *, roles: list[str], grants: list[tuple[UUID, str]] | None = None) -> Identity:
    """An external caller with a verified token."""
    claims = {
        "sub": str(account_id),
        "sid": str(ids.new_id()),
        "admin": "ADMIN" in roles,
        "roles": roles,
        "grants": [{"store_id": str(store_id), "job": job} for store_id, job in grants or []],
    }
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return Identity("edge", ((HEADER, payload),))


def customer(account_id: UUID) -> Identity:
    return account(account_id, roles=["CUSTOMER"])


def staff(account_id: UUID, store_id: UUID, job: str) -> Identity:
    """Staff of one store; `job` as in the token: manager, chef, cashier, delivery, support."""
    return account(account_id, roles=["CUSTOMER", job.upper()], grants=[(store_id, job)])


def admin(account_id: UUID | None = None) -> Identity:
    return account(account_id or ids.new_id(), roles=["CUSTOMER", "ADMIN"])


@dataclass(frozen=True)
class RpcFailure:
    """The error of a failed call, as a client reads it."""

    code: grpc.StatusCode
    reason: str
    message: str
    metadata: dict[str, str]
    violations: dict[str, str]


def rpc_error(error: grpc.aio.AioRpcError) -> RpcFailure:
    """Reads the google.rpc.Status of a failed call."""
    status = status_pb2.Status()
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_HEADER:
            status = status_pb2.Status.FromString(value)  # type: ignore[arg-type]
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        for message in (info, bad):
            if detail.Is(message.DESCRIPTOR):
                detail.Unpack(message)
    violations = {violation.field: violation.description for violation in bad.field_violations}
    return RpcFailure(
        error.code(), info.reason, status.message or str(error.details()), dict(info.metadata), violations
    )


async def catch_error(call: Awaitable[Any]) -> RpcFailure:
    """Awaits a call that must fail; returns its error."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return rpc_error(error)
    raise AssertionError("the call succeeded")


class _Metadata:
    def __init__(self, metadata: tuple[tuple[str, str], ...]) -> None:
        self._metadata = metadata

    def _details(self, details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
        metadata = grpc.aio.Metadata(*(details.metadata or ()), *self._metadata)
        return grpc.aio.ClientCallDetails(details.method, details.timeout or 20.0, metadata, None, True)


# A channel takes an interceptor for one kind of call only.
class _UnaryMetadata(_Metadata, grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc]
    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(self._details(client_call_details), request)


class _StreamMetadata(_Metadata, grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[misc]
    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(self._details(client_call_details), request)


class Platform:
    """The servers of one test session and the services started on them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.postgres = Postgres(directory / "postgres", durable=False)
        self.nats = Nats(directory / "nats")
        self.certificates = directory / "certificates"
        self.ports = {name: free_port() for name in SERVICES}
        self.processes: dict[str, Process] = {}
        # Settings of a test module for a service; set them before the first start of the service.
        self.settings: dict[str, dict[str, Any]] = {}
        self._channels: list[grpc.aio.Channel] = []
        self._nats_client: Client | None = None

    def start_servers(self) -> None:
        Authority(self.certificates).issue_all()
        self.postgres.start()
        self.nats.start()
        self.postgres.create_service_databases()

    async def start(self, name: str, **settings: Any) -> Process:
        """The running service, migrated and started on first use. `settings` apply only then."""
        if name not in self.processes:
            url = self.postgres.url(name)
            await asyncio.to_thread(migrations.migrate, name, url)
            self.processes[name] = await self.launch(name, self.ports[name], **settings)
        return self.processes[name]

    async def launch(self, name: str, port: int = 0, **settings: Any) -> Process:
        """One more replica of a service; the caller stops it. Returns when it is ready."""
        declared: Service = importlib.import_module(f"services.{name}.__main__").SERVICE
        values = {
            "environment": "development",
            "database_url": self.postgres.url(name),
            "nats_url": self.nats.url,
            "grpc_host": "127.0.0.1",
            "grpc_port": port,
            "health_port": 0,
            "metrics_port": None,
            "tls_dir": self.certificates / name,
            "peers": {peer: f"127.0.0.1:{number}" for peer, number in self.ports.items()},
            "field_keys": "t1:" + base64.b64encode(b"f" * 32).decode(),
            "index_key": base64.b64encode(b"i" * 32).decode(),
            "signing_key": base64.b64encode(b"s" * 32).decode(),
            "drain_seconds": 5.0,
        }
        values.update(self.settings.get(name, {}), **settings)
        process = Process(declared, declared.app(name, declared.app.settings_class(**values)))
        await process.start()
        async with asyncio.timeout(READY_SECONDS):
            while not await process.is_ready():
                await asyncio.sleep(0.02)
        return process

    def stub(self, name: str, stub: Callable[[grpc.aio.Channel], Stub], caller: Identity) -> Stub:
        """A client of a started service, as that caller."""
        return self.stub_at(self.ports[name], name, stub, caller)

    def stub_at(self, port: int, name: str, stub: Callable[[grpc.aio.Channel], Stub], caller: Identity) -> Stub:
        """A client of one replica, by its port."""
        return stub(self.channel_at(port, name, caller))

    def channel_at(self, port: int, name: str, caller: Identity) -> grpc.aio.Channel:
        """A connection to one replica, as that caller."""
        channel = grpc.aio.secure_channel(
            f"127.0.0.1:{port}",
            tls.channel_credentials(tls.IdentityFiles(self.certificates / caller.peer)),
            options=[("grpc.ssl_target_name_override", name), ("grpc.use_local_subchannel_pool", 1)],
            interceptors=[_UnaryMetadata(caller.metadata), _StreamMetadata(caller.metadata)],
        )
        self._channels.append(channel)
        return channel

    async def settled(self, *names: str) -> None:
        """Returns when every outbox is published and every consumer of a started service has handled all of it.

        With names: only of these services, for tests whose events no other service needs.
        """
        processes = [self.processes[name] for name in names or self.processes]
        async with asyncio.timeout(SETTLE_SECONDS):
            while not await self._are_settled(processes):
                await asyncio.sleep(0.02)

    async def _are_settled(self, processes: Sequence[Process]) -> bool:
        # The second check of the outboxes covers events that handlers have published.
        return (
            not await _has_unpublished_events(processes)
            and not any([await self._has_pending_events(process) for process in processes])
            and not await _has_unpublished_events(processes)
        )

    async def _has_pending_events(self, process: Process) -> bool:
        """Whether a consumer of the service has events that are not delivered or not acknowledged."""
        if self._nats_client is None:
            self._nats_client = await nats.connect(self.nats.url)
        jetstream = self._nats_client.jetstream()
        for source in {event.DESCRIPTOR.full_name.split(".")[1] for event in process.service.handlers}:
            try:
                info = await jetstream.consumer_info(stream_name(source), process.service.name)
            except NotFoundError:  # the publisher of this stream is not started
                continue
            if info.num_pending or info.num_ack_pending:
                return True
        return False

    async def publish(
        self, *events: Message, event_ids: Sequence[UUID] | None = None, key: str = "", version: int = 1
    ) -> None:
        """Publishes events as the service of their contract does."""
        publisher = events[0].DESCRIPTOR.full_name.split(".")[1]
        bus = Bus(publisher, self.nats.url, listen_url="")
        await bus.connect()
        await bus.publish(
            [
                OutboxRow(
                    seq=place,
                    event_id=event_id,
                    type=event.DESCRIPTOR.full_name,
                    key=key,
                    version=version,
                    payload=event.SerializeToString(),
                    trace_parent=None,
                    occurred_at=now(),
                )
                for place, (event_id, event) in enumerate(
                    zip(event_ids or [ids.new_id() for _ in events], events, strict=True)
                )
            ]
        )
        await bus.close()

    async def stop(self) -> None:
        for channel in self._channels:
            await channel.close(None)
        if self._nats_client is not None:
            await self._nats_client.close()
        for process in self.processes.values():
            await process.stop()

    def stop_servers(self) -> None:
        self.nats.stop()
        self.postgres.remove()


async def _has_unpublished_events(processes: Sequence[Process]) -> bool:
    return any([await process.app.db.one(COUNT_UNPUBLISHED) for process in processes])
