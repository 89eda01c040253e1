"""Durable consumers of one service replica. Each event is handled once, in the transaction that records its id.

Messages that arrive while a batch is handled form the next batch: one transaction, one inbox statement, and one
acknowledgement each after the commit. When a batch fails, its events are handled one by one, so that a poison message
does not block the others. An event that keeps failing is stored in `dead_letters` with its error, where operators can
replay it. A statement timeout is no fault of the event: it is delivered again and never becomes a dead letter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any, Final
from uuid import UUID

import structlog
from google.protobuf.message import DecodeError, Message
from nats.aio.msg import Msg
from prometheus_client import Counter, Histogram

from chassis.clock import now
from chassis.database import TIMEOUT_ERRORS, Database, Transaction, sql
from chassis.events.bus import Bus, EventMeta, publisher, read_meta
from chassis.events.throttling import pause_after

log = structlog.get_logger(__name__)

BATCH: Final = 500
DELIVERIES: Final = 8
BACKOFF_SECONDS: Final = (0.2, 1, 5, 15, 30, 60, 120)
# The delay of an event type that only a newer replica of this service handles.
UNKNOWN_TYPE_SECONDS: Final = 5.0
# An event may be delivered again while its publisher's outbox or JetStream keeps it.
KEEP: Final = timedelta(days=30)

HANDLED = Counter("consumer_handled_events_total", "Events handled", ["service", "type"])
FAILED = Counter("consumer_failed_events_total", "Deliveries whose handler failed", ["service", "type"])
DEAD = Counter("consumer_dead_events_total", "Events stored as dead letters", ["service", "type"])
DELAY = Histogram(
    "consumer_delay_seconds",
    "Time from the event to the commit of its effect",
    ["service"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 60),
)

Handler = Callable[..., Awaitable[None]]
Handlers = Mapping[type[Message], Handler]
Received = tuple[Message, EventMeta]

INSERT_INTO_INBOX = sql(
    "INSERT INTO inbox (event_id) SELECT unnest(%(event_ids)s::uuid[]) ON CONFLICT DO NOTHING RETURNING event_id",
    value=UUID,
)
DELETE_HANDLED = sql("DELETE FROM inbox WHERE handled_at < now() - %(keep)s::interval")
INSERT_DEAD_LETTER = sql(
    """
    INSERT INTO dead_letters (event_id, type, key, version, payload, occurred_at, attempts, error)
    VALUES (%(event_id)s, %(type)s, %(key)s, %(version)s, %(payload)s, %(occurred_at)s, %(attempts)s, %(error)s)
    ON CONFLICT (event_id) DO UPDATE SET attempts = excluded.attempts, error = excluded.error, dead_at = now()
    """
)


def batch(handler: Handler) -> Handler:
    """Marks a handler that takes neighbouring events of its type in one call: `(app, tx, [(event, meta), ...])`."""
    handler.takes_batch = True  # type: ignore[attr-defined]
    return handler


@dataclass(frozen=True, slots=True)
class Delivery:
    """One decoded message of JetStream."""

    message: Msg
    event: Message
    meta: EventMeta


class Consumer:
    """All durable consumers of one replica of a service."""

    def __init__(self, service: str, app: Any, db: Database, bus: Bus, handlers: Handlers) -> None:
        self._service, self._app, self._db, self._bus = service, app, db, bus
        self._handlers = {event.DESCRIPTOR.full_name: (event, handler) for event, handler in handlers.items()}
        # An alert sees an increase only of a series that exists before it.
        for event_type in self._handlers:
            for counter in (HANDLED, FAILED, DEAD):
                counter.labels(service, event_type)

    async def run(self) -> None:
        """Until cancelled: handles the messages of all streams in one loop.

        Events of several streams share a transaction: fewer commits, and no lock waits between them.
        """
        streams: dict[str, list[str]] = {}
        for event_type in self._handlers:
            streams.setdefault(publisher(event_type), []).append(event_type)
        arrived: asyncio.Queue[Msg] = asyncio.Queue()
        async with asyncio.TaskGroup() as tasks:
            for stream, types in streams.items():
                tasks.create_task(self._subscribe(stream, types, arrived))
            tasks.create_task(self._handle_messages(arrived))

    async def _subscribe(self, stream: str, types: list[str], arrived: asyncio.Queue[Msg]) -> None:
        while True:
            try:
                await self._bus.consume(stream, types, arrived.put)
                break
            except Exception as error:  # the publisher's stream does not exist yet, or NATS is unreachable
                _end_if_cancelled()
                log.info("waiting for a stream", stream=stream, error=str(error) or type(error).__name__)
                await asyncio.sleep(0.25)

    async def _handle_messages(self, arrived: asyncio.Queue[Msg]) -> None:
        while True:
            messages = [await arrived.get()]
            while len(messages) < BATCH and not arrived.empty():
                messages.append(arrived.get_nowait())
            started = monotonic()
            try:
                await self.handle(messages)
            except Exception as error:  # the events are delivered again; the inbox skips them
                log.warning("batch acknowledgement failed", error=str(error) or type(error).__name__)
            if len(messages) < BATCH:
                await pause_after(monotonic() - started)

    async def handle(self, messages: Sequence[Msg]) -> None:
        """Handles a batch and acknowledges its messages. Raises only when an acknowledgement cannot be sent."""
        deliveries = [delivery for message in messages if (delivery := await self._decode(message)) is not None]
        if not deliveries:
            return
        try:
            await self.apply([(delivery.event, delivery.meta) for delivery in deliveries])
        except Exception as error:
            if len(deliveries) == 1:
                await self._failed(deliveries[0], error)
                return
            for delivery in deliveries:
                await self.handle([delivery.message])
            return
        for delivery in deliveries:
            await delivery.message.ack()
            HANDLED.labels(self._service, delivery.meta.type).inc()
        DELAY.labels(self._service).observe((now() - deliveries[-1].meta.occurred_at).total_seconds())

    async def apply(self, received: Sequence[Received]) -> None:
        """Handles the events that are not in the inbox yet, in one transaction with the inbox."""
        async with self._db.transaction() as tx:
            fresh = set(await tx.all(INSERT_INTO_INBOX, event_ids=[meta.id for _, meta in received]))
            unseen: list[Received] = []
            for event, meta in received:
                if meta.id in fresh:
                    fresh.discard(meta.id)
                    unseen.append((event, meta))
            await self._dispatch(tx, unseen)

    async def _dispatch(self, tx: Transaction, received: Sequence[Received]) -> None:
        """In order of arrival; a batch handler gets neighbouring events of its type in one call."""
        at = 0
        while at < len(received):
            event, meta = received[at]
            _, handler = self._handlers[meta.type]
            if not getattr(handler, "takes_batch", False):
                await handler(self._app, tx, event, meta)
                at += 1
                continue
            end = at
            while end < len(received) and self._handlers[received[end][1].type][1] is handler:
                end += 1
            await handler(self._app, tx, list(received[at:end]))
            at = end

    async def _decode(self, message: Msg) -> Delivery | None:
        try:
            meta = read_meta(message)
            event_class, _ = self._handlers[meta.type]
            return Delivery(message, event_class.FromString(message.data), meta)
        except (KeyError, ValueError, DecodeError) as error:
            if isinstance(error, KeyError) and message.subject not in self._handlers:
                # A newer replica subscribed to this type and handles it.
                await message.nak(delay=UNKNOWN_TYPE_SECONDS)
                return None
            # Not published by a service of this platform; the stream keeps it.
            log.error(  # noqa: TRY400 - its origin is outside of this platform
                "malformed event", subject=message.subject, error=str(error)
            )
            DEAD.labels(self._service, message.subject).inc()
            await message.term()
            return None

    async def _failed(self, delivery: Delivery, error: Exception) -> None:
        attempts = delivery.message.metadata.num_delivered or 1
        FAILED.labels(self._service, delivery.meta.type).inc()
        log.warning(
            "event handler failed",
            event_id=str(delivery.meta.id),
            type=delivery.meta.type,
            attempt=attempts,
            error=f"{type(error).__name__}: {error}",
            exc_info=error,
        )
        if attempts < DELIVERIES or isinstance(error, TIMEOUT_ERRORS):
            await delivery.message.nak(delay=BACKOFF_SECONDS[min(attempts, len(BACKOFF_SECONDS)) - 1])
            return
        try:
            await self._store_dead_letter(delivery, attempts, error)
        except Exception as failure:
            log.warning("storing a dead letter failed; the event is delivered again", error=str(failure))
            await delivery.message.nak(delay=BACKOFF_SECONDS[-1])
            return
        await delivery.message.term()

    async def _store_dead_letter(self, delivery: Delivery, attempts: int, error: Exception) -> None:
        meta = delivery.meta
        await self._db.run(
            INSERT_DEAD_LETTER,
            event_id=meta.id,
            type=meta.type,
            key=meta.key,
            version=meta.version,
            payload=delivery.message.data,
            occurred_at=meta.occurred_at,
            attempts=attempts,
            error=f"{type(error).__name__}: {error}"[:2000],
        )
        DEAD.labels(self._service, meta.type).inc()
        log.error("event stored as dead letter", event_id=str(meta.id), type=meta.type)

    def decode(self, event_type: str, payload: bytes) -> Message:
        """The event of the bytes. Raises KeyError for a type that this service does not consume."""
        event_class, _ = self._handlers[event_type]
        return event_class.FromString(payload)


def _end_if_cancelled() -> None:
    """Python 3.11's `wait_for`, which nats-py uses, may swallow a cancellation that arrives with its result."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def purge_handled(db: Database) -> None:
    """Deletes inbox rows of events that are not delivered again: after 30 days."""
    async with db.maintenance() as tx:
        await tx.run(DELETE_HANDLED, keep=KEEP)
