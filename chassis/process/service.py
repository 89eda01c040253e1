"""A service: what its composition root declares, and the process that runs it.

python -m services.<name>                 serve until SIGTERM, then drain
python -m services.<name> migrate         upgrade the database to this build's schema
python -m services.<name> dead-letters …  list and settle dead letters
python -m services.<name> rotate-keys     with encrypted columns: re-encrypt and re-index with the newest keys
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import structlog
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from jainshikanji.operations.v1.dead_letter_service_pb2_grpc import add_DeadLetterServiceServicer_to_server
from nats.aio.msg import Msg
from sqlalchemy import MetaData

from chassis import contract, tasks, tracing
from chassis.database import migrations, sql
from chassis.database.lease import Lease
from chassis.events import consumer, outbox
from chassis.events.bus import Bus
from chassis.events.consumer import Consumer, Handlers
from chassis.events.dead_letters import DeadLetterServicer
from chassis.events.outbox import Relay
from chassis.process import logs
from chassis.process.app import App
from chassis.process.loops import Loop
from chassis.rpc import idempotency, interceptors
from chassis.rpc.batch_calls import install_batch_methods
from chassis.rpc.sessions import Identity, RevokedSessions
from chassis.security import tls

log = structlog.get_logger(__name__)

GET_SCHEMA_VERSION = sql("SELECT version_num FROM alembic_version", value=str)
READY_CHECK_SECONDS = 2.0
NOT_READY_CHECK_SECONDS = 0.2
# Health service of liveness probes: the process itself, since a restart repairs no database. Readiness is "".
LIVE = "live"
HOUR = 3600.0
# New objects between two garbage collections; requests leave few reference cycles.
GARBAGE_OBJECTS = 20_000

SERVER_OPTIONS = [
    ("grpc.max_connection_age_ms", 300_000),
    ("grpc.max_connection_age_grace_ms", 30_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    # The edge accepts 32 kB of headers and adds the token's payload; grpc rejects at random above the first limit.
    ("grpc.max_metadata_size", 64 * 1024),
    ("grpc.absolute_max_metadata_size", 128 * 1024),
    ("grpc.so_reuseport", 0),
]


class IncompleteService(Exception):
    """An rpc of the contract has no implementation, or a gRPC service of the contract no servicer."""


Listeners = Mapping[type[Message], Callable[[Any, Any], None]]


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of a service. Its composition root creates one and runs it."""

    name: str
    identity: Identity
    servicers: Sequence[Callable[[Any], Any]]
    app: type[App] = App
    handlers: Handlers = field(default_factory=dict)
    loops: Sequence[Loop] = ()
    # Ephemeral subscriptions of every replica, without a guarantee: cache invalidation and wake-ups.
    listeners: Listeners = field(default_factory=dict)
    # Further typer commands of `python -m services.<name>`.
    commands: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    # The model's tables when some of their columns are encrypted, for `rotate-keys`.
    tables: MetaData | None = None

    def run(self) -> None:
        """The process: serves without arguments, else runs a command."""
        if len(sys.argv) > 1:
            from chassis.process.cli import command_line

            command_line(self)()
            return
        import uvloop

        settings = self.app.settings_class.load(self.name)
        logs.configure(self.name, settings.log_level)
        if settings.otlp_endpoint:
            tracing.configure(self.name, settings.otlp_endpoint, settings.trace_ratio)
        uvloop.run(Process(self, self.app(self.name, settings)).run())


class Process:
    """One replica of a service."""

    def __init__(self, service: Service, app: App) -> None:
        self.service, self.app, self.settings = service, app, app.settings
        self.stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[Any]] = []
        self._health = HealthServicer()
        self._revoked = RevokedSessions(service.identity)
        direct = self.settings.listen_url or self.settings.database_url
        self.bus = Bus(
            service.name,
            self.settings.nats_url,
            user=self.settings.nats_user,
            password=self.settings.nats_password and self.settings.nats_password.get_secret_value(),
            replicas=self.settings.stream_replicas,
            listen_url=direct.get_secret_value(),
            on_gap=app.on_missed_events,
        )
        self.consumer = Consumer(service.name, app, app.db, self.bus, service.handlers)
        self.mesh_port = 0
        self.health_port = 0

    async def run(self) -> None:
        """Serves until SIGTERM or SIGINT, then drains."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        await self.start()
        _freeze_garbage_collector()
        log.info("serving", port=self.mesh_port, health_port=self.health_port)
        await self.stopping.wait()
        log.info("draining", seconds=self.settings.drain_seconds)
        await self.stop()

    async def start(self) -> None:
        """Starts everything. Readiness follows when the database responds with a suitable schema."""
        await self.app.open()
        await self._health.set(LIVE, health_pb2.HealthCheckResponse.SERVING)
        self._mesh = await self._start_mesh_server()
        self._plain = await self._start_health_server()
        self._start_metrics()
        self._spawn(
            self._start_events(), self._watch_readiness(), self._revoked.refresh_periodically(self.app.channels)
        )
        for loop in [*self.service.loops, *_HOUSEKEEPING]:
            self._spawn(loop.keep_running(self.service.name, self.app, self.app.db))

    async def stop(self) -> None:
        """Drains: rejects new requests, waits for those in progress and for background work, then closes everything."""
        await self._health.enter_graceful_shutdown()
        await self.app.drain()
        await self._mesh.stop(self.settings.drain_seconds)
        await self.app.wait_for_background_work(self.settings.drain_seconds)
        await tasks.cancel(*self._tasks)
        await self.bus.close()
        await self.app.close()
        await self._plain.stop(None)
        tracing.shutdown()

    async def _start_mesh_server(self) -> grpc.aio.Server:
        chain = interceptors.chain(
            self.service.name,
            self.service.identity,
            trust_domain=self.settings.trust_domain,
            is_revoked=self._revoked.__contains__,
        )
        server = grpc.aio.server(interceptors=[chain], options=SERVER_OPTIONS)
        served = {add_to_server(make(self.app), server) for make in self.service.servicers}
        contract.load(self.service.name)
        if unserved := sorted(set(contract.services_of(self.service.name)) - served):
            raise IncompleteService(f"no servicer is registered for {', '.join(unserved)}")
        add_DeadLetterServiceServicer_to_server(DeadLetterServicer(self.app.db, self.app.pages, self.consumer), server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if self.settings.environment == "development":
            _enable_reflection(server, contract.services_of(self.service.name))
        address = f"{self.settings.grpc_host}:{self.settings.grpc_port}"
        self.mesh_port = server.add_secure_port(address, tls.server_credentials(self.app.files))
        await server.start()
        return server

    async def _start_health_server(self) -> grpc.aio.Server:
        """Serves health in plain text too, since the kubelet has no client certificate."""
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        self.health_port = server.add_insecure_port(f"{self.settings.grpc_host}:{self.settings.health_port}")
        await server.start()
        return server

    def _start_metrics(self) -> None:
        if self.settings.metrics_port is not None:
            from prometheus_client import start_http_server

            start_http_server(self.settings.metrics_port, addr=self.settings.grpc_host.strip("[]"))

    def _spawn(self, *work: Any) -> None:
        for coroutine in work:
            task = asyncio.create_task(coroutine)
            task.add_done_callback(self._on_task_done)
            self._tasks.append(task)

    def _on_task_done(self, task: asyncio.Task[Any]) -> None:
        """Stops the process when a background task failed: only a restart can repair it."""
        if not task.cancelled() and task.exception() is not None and not self.stopping.is_set():
            log.error("background task failed; stopping", exc_info=task.exception())
            self.stopping.set()

    async def _start_events(self) -> None:
        await self.bus.connect()
        relay = Relay(self.service.name, self.app.db, self.bus, self.app.outbox, Lease(self.app.db, "relay"))
        self._spawn(relay.run(), self.consumer.run())
        for event_class, listener in self.service.listeners.items():
            await self.bus.subscribe(event_class.DESCRIPTOR.full_name, _subscriber(self.app, event_class, listener))
        ended = self.service.identity.revoked_event
        receive = _subscriber(self.app, ended, lambda _, event: self._revoked.on_event(event))
        await self.bus.subscribe(ended.DESCRIPTOR.full_name, receive)

    async def _watch_readiness(self) -> None:
        """Ready: the database responds with at least this build's schema. NATS and other services do not matter."""
        wanted = migrations.head(self.service.name)
        known: bool | None = None
        while True:
            ready = await self._is_ready(wanted)
            if ready != known:
                log.info("ready" if ready else "not ready")
                state = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
                await self._health.set("", state)
                known = ready
            await asyncio.sleep(READY_CHECK_SECONDS if ready else NOT_READY_CHECK_SECONDS)

    async def is_ready(self) -> bool:
        """Whether this replica can serve requests."""
        return await self._is_ready(migrations.head(self.service.name))

    async def _is_ready(self, wanted: str) -> bool:
        try:
            async with asyncio.timeout(READY_CHECK_SECONDS):
                version = await self.app.db.one(GET_SCHEMA_VERSION)
        except Exception as error:
            log.debug("the database does not respond", error=str(error) or type(error).__name__)
            return False
        return version is not None and version >= wanted


_HOUSEKEEPING = [
    Loop("purge-idempotency-keys", HOUR, lambda app: idempotency.purge_expired(app.db)),
    Loop("purge-published-events", HOUR, lambda app: outbox.purge_published(app.db)),
    Loop("purge-handled-events", HOUR, lambda app: consumer.purge_handled(app.db)),
]


def _freeze_garbage_collector() -> None:
    """Excludes imported modules from garbage collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)


def add_to_server(servicer: Any, server: grpc.aio.Server) -> str:
    """Registers a servicer with the generated function of its base class; returns the full name of its gRPC service.

    Raises IncompleteService when a method of the contract has no implementation: it would answer UNIMPLEMENTED.
    """
    for base in type(servicer).__mro__:
        adder = getattr(sys.modules[base.__module__], f"add_{base.__name__}_to_server", None)
        if adder is not None:
            full_name = _full_name(base)
            if missing := missing_methods(type(servicer), full_name):
                raise IncompleteService(f"{type(servicer).__name__} does not implement {', '.join(missing)}")
            install_batch_methods(servicer, full_name)
            adder(servicer, server)
            return full_name
    raise IncompleteService(f"{type(servicer).__name__} extends no generated servicer")


def missing_methods(servicer: type, full_name: str) -> list[str]:
    """The methods of the contract that the servicer only inherits from its generated base class."""
    implemented = {name for base in servicer.__mro__ if not _is_generated(base) for name in vars(base)}
    methods = contract.service_methods(full_name).values()
    return [method.path for method in methods if method.method_name not in implemented and not method.batch_of]


def _is_generated(base: type) -> bool:
    return base is object or base.__module__.endswith("_pb2_grpc")


def _full_name(base: type) -> str:
    """`jainshikanji.order.v1.OrderService` of the generated class `OrderServiceServicer`."""
    package = base.__module__.rpartition(".")[0]
    return f"{package}.{base.__name__.removesuffix('Servicer')}"


def _subscriber(app: App, event_class: type[Message], listener: Callable[[Any, Any], None]) -> Any:
    async def receive(message: Msg) -> None:
        try:
            listener(app, event_class.FromString(message.data))
        except Exception as error:
            log.warning("subscriber failed", type=message.subject, error=str(error), exc_info=error)

    return receive


def _enable_reflection(server: grpc.aio.Server, names: list[str]) -> None:
    from grpc_reflection.v1alpha import reflection

    reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], server)
