"""NATS JetStream: one stream per service, one durable consumer per (consumer, stream), CloudEvents headers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import nats
import psycopg
import psycopg.sql
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import BadRequestError, NotFoundError

from chassis import tasks

log = structlog.get_logger(__name__)

MAX_AGE_SECONDS = 14 * 24 * 3600.0
DUPLICATE_WINDOW_SECONDS = 120.0
# A message that a dying replica did not acknowledge is delivered again after this.
ACK_WAIT_SECONDS = 10.0
MAX_ACK_PENDING = 2000
PUBLISH_TIMEOUT_SECONDS = 5.0
PACKAGE = "jainshikanji"


@dataclass(frozen=True, slots=True)
class EventMeta:
    """The CloudEvents attributes of an event."""

    id: UUID
    type: str
    source: str
    key: str
    version: int
    occurred_at: datetime
    trace_parent: str | None = None


def stream_name(service: str) -> str:
    return service.upper()


def subjects(service: str) -> str:
    """All subjects of the service: the full names of its event messages."""
    return f"{PACKAGE}.{service}.v1.>"


def publisher(event_type: str) -> str:
    """The service that publishes events of this type."""
    return event_type.split(".")[1]


def inbox(service: str) -> str:
    """Prefix of the reply subjects of a service; each login may read only its own."""
    return f"_INBOX.{service}"


def stream_config(service: str, replicas: int) -> StreamConfig:
    """The service's own stream."""
    return StreamConfig(
        name=stream_name(service),
        subjects=[subjects(service)],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        max_age=MAX_AGE_SECONDS,
        duplicate_window=DUPLICATE_WINDOW_SECONDS,
        num_replicas=replicas,
    )


def consumer_config(service: str, stream: str, types: Iterable[str]) -> ConsumerConfig:
    """The durable consumer of a service for these event types of a stream."""
    return ConsumerConfig(
        durable_name=service,
        deliver_subject=f"deliver.{service}.{stream}",
        deliver_group=service,
        filter_subjects=sorted(types),
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACK_WAIT_SECONDS,
        max_ack_pending=MAX_ACK_PENDING,
    )


def read_meta(message: Msg) -> EventMeta:
    """The CloudEvents attributes of a message. Raises KeyError or ValueError for missing or malformed ones."""
    headers = message.headers or {}
    return EventMeta(
        id=UUID(headers["ce-id"]),
        type=headers["ce-type"],
        source=headers["ce-source"],
        key=headers["ce-subject"],
        version=int(headers["ce-version"]),
        occurred_at=datetime.fromisoformat(headers["ce-time"]),
        trace_parent=headers.get("traceparent"),
    )


class Bus:
    """The connection of one service to NATS. It reconnects for ever; readiness does not depend on it."""

    def __init__(
        self,
        service: str,
        url: str,
        *,
        user: str | None = None,
        password: str | None = None,
        replicas: int = 1,
        listen_url: str,
        on_gap: Callable[[], None] = lambda: None,
    ) -> None:
        self._service, self._url, self._user, self._password = service, url, user, password
        self._replicas, self._listen_url, self._on_gap = replicas, listen_url, on_gap
        self._client = Client()
        self._js: JetStreamContext | None = None
        self._connected = asyncio.Event()

    async def connect(self) -> None:
        """Connects, retrying until it succeeds, and creates the service's own stream when it does not exist."""

        async def reconnected() -> None:
            self._on_gap()

        async def failed(error: Exception) -> None:
            log.warning("NATS error", error=str(error) or type(error).__name__)

        credentials: dict[str, Any] = {"user": self._user, "password": self._password} if self._user else {}
        while True:
            try:
                self._client = await nats.connect(
                    servers=self._url.split(","),
                    name=self._service,
                    inbox_prefix=inbox(self._service),
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=0.5,
                    reconnected_cb=reconnected,
                    error_cb=failed,
                    **credentials,
                )
                self._js = self._client.jetstream(timeout=PUBLISH_TIMEOUT_SECONDS, publish_async_max_pending=4000)
                await self.ensure_stream()
            except Exception as error:
                log.warning("NATS is not reachable", error=str(error) or type(error).__name__)
                with suppress(Exception):
                    await self._client.close()
                await asyncio.sleep(0.5)
            else:
                self._connected.set()
                return

    async def close(self) -> None:
        if self._client.is_connected:
            await self._client.close()

    async def ensure_stream(self) -> None:
        """Creates the service's stream. Leaves an existing one unchanged: its limits are the operator's choice.

        Where an operator declares streams (chassis.events.streams), this login may only read its configuration.
        """
        assert self._js is not None
        try:
            await self._js.stream_info(stream_name(self._service))
        except NotFoundError:
            with suppress(BadRequestError):  # another replica created it
                await self._js.add_stream(stream_config(self._service, self._replicas))

    async def publish(self, events: Sequence[Any]) -> None:
        """Publishes outbox rows; returns when JetStream has stored all of them, raises when it has not stored one."""
        await self._connected.wait()
        assert self._js is not None
        async with asyncio.timeout(PUBLISH_TIMEOUT_SECONDS):
            # No wait_stall: a limit on each message would cost a turn of the event loop and a write for each.
            acks = [
                await self._js.publish_async(
                    event.type,
                    event.payload,
                    headers={
                        "Nats-Msg-Id": str(event.event_id),
                        "ce-specversion": "1.0",
                        "ce-id": str(event.event_id),
                        "ce-source": self._service,
                        "ce-type": event.type,
                        "ce-subject": event.key,
                        "ce-time": event.occurred_at.isoformat(),
                        "ce-version": str(event.version),
                        **({"traceparent": event.trace_parent} if event.trace_parent else {}),
                    },
                )
                for event in events
            ]
            await asyncio.gather(*acks)

    async def consume(self, stream: str, types: Iterable[str], receive: Callable[[Msg], Awaitable[None]]) -> None:
        """Receives events of these types from the stream through this service's durable consumer.

        Replicas share the consumer. Raises when the stream does not exist yet; the caller retries.
        """
        await self._connected.wait()
        assert self._js is not None
        config = await self._ensure_consumer(stream, types)
        await self._js.subscribe_bind(
            stream=stream_name(stream), config=config, consumer=self._service, cb=receive, manual_ack=True
        )

    async def _ensure_consumer(self, stream: str, types: Iterable[str]) -> ConsumerConfig:
        """The durable consumer when it delivers all of these types; otherwise it is created or extended."""
        assert self._js is not None
        wanted = consumer_config(self._service, stream, types)
        with suppress(NotFoundError):
            found: ConsumerConfig = (await self._js.consumer_info(stream_name(stream), self._service)).config
            if set(wanted.filter_subjects or ()) <= set(found.filter_subjects or ()):
                return found
        made: ConsumerConfig = (await self._js.add_consumer(stream_name(stream), wanted)).config
        return made

    async def subscribe(self, event_type: str, receive: Callable[[Msg], Awaitable[None]]) -> None:
        """Ephemeral subscription: every replica receives the events published from now on, without a guarantee."""
        await self._connected.wait()
        await self._client.subscribe(event_type, cb=receive)

    @asynccontextmanager
    async def listening(self, channel: str, woken: asyncio.Event) -> AsyncIterator[None]:
        """Sets `woken` at each NOTIFY on the channel during the block, over a direct connection to PostgreSQL."""

        listener = asyncio.create_task(self._listen(channel, woken))
        try:
            yield
        finally:
            await tasks.cancel(listener)

    async def _listen(self, channel: str, woken: asyncio.Event) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._listen_url, autocommit=True, application_name=f"{self._service}-listen"
                ) as connection:
                    await connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(channel)))
                    async for _ in connection.notifies():
                        woken.set()
            except psycopg.Error as error:
                log.warning("LISTEN failed", channel=channel, error=str(error))
                await asyncio.sleep(1.0)
