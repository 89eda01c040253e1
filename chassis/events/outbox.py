"""Transactional outbox: events are written with their cause and published to JetStream in batches.

The transaction that causes an event inserts it into `outbox`. The relay runs in one replica of the service, the holder
of its lease: it publishes unpublished events with the event's id as `Nats-Msg-Id` and then marks them. After a crash
between the two steps it publishes them again; consumers skip an id that they have handled. A commit in the same process
wakes the relay directly, a commit in another replica by NOTIFY; polling only covers a lost wake-up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from google.protobuf.message import Message
from opentelemetry.propagate import inject
from prometheus_client import Counter, Gauge

from chassis import ids
from chassis.database import Database, Transaction, sql
from chassis.database.lease import Lease
from chassis.events.bus import Bus
from chassis.events.throttling import pause_after

log = structlog.get_logger(__name__)

BATCH = 500
POLL_SECONDS = 5.0
KEEP = timedelta(days=7)
CHANNEL = "outbox"

PUBLISHED = Counter("outbox_published_events_total", "Events published to JetStream", ["service"])
LAG = Gauge("outbox_oldest_unpublished_seconds", "Age of the oldest unpublished event", ["service"])


class OutboxRow(NamedTuple):
    """An event that is not published yet."""

    seq: int
    event_id: UUID
    type: str
    key: str
    version: int
    payload: bytes
    trace_parent: str | None
    occurred_at: datetime


INSERT = sql(
    """
    INSERT INTO outbox (event_id, type, key, version, payload, trace_parent)
    SELECT event_id, type, key, version, payload, trace_parent FROM
        unnest(%(event_ids)s::uuid[], %(types)s::text[], %(keys)s::text[], %(versions)s::int[],
               %(payloads)s::bytea[], %(trace_parents)s::text[])
            AS new(event_id, type, key, version, payload, trace_parent)
    """
)
UNPUBLISHED = sql(
    """
    SELECT seq, event_id, type, key, version, payload, trace_parent, occurred_at
    FROM outbox WHERE published_at IS NULL ORDER BY seq LIMIT %(batch)s
    """,
    row=OutboxRow,
)
MARK = sql("UPDATE outbox SET published_at = now() WHERE seq = ANY(%(seqs)s::bigint[])")
OLDEST = sql(
    "SELECT coalesce(extract(epoch FROM now() - min(occurred_at)), 0)::float8 FROM outbox WHERE published_at IS NULL",
    value=float,
)
DELETE_PUBLISHED = sql("DELETE FROM outbox WHERE published_at < now() - %(keep)s::interval")
NOTIFY = sql("SELECT pg_notify(%(channel)s, '')", value=object)


def columns(events: Sequence[tuple[Message, str, int]]) -> dict[str, list[Any]]:
    """The columns of new outbox rows for (event, key, version), as INSERT takes them.

    A statement that writes events in a CTE of its own takes them too; its caller then calls `Outbox.wake`.
    """
    carrier: dict[str, str] = {}
    inject(carrier)
    return {
        "event_ids": [ids.new_id() for _ in events],
        "types": [event.DESCRIPTOR.full_name for event, _, _ in events],
        "keys": [key for _, key, _ in events],
        "versions": [version for _, _, version in events],
        "payloads": [event.SerializeToString() for event, _, _ in events],
        "trace_parents": [carrier.get("traceparent")] * len(events),
    }


class Outbox:
    """Writes events with their transaction and wakes the relay."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self._notify_db: Database | None = None
        self._notifying: asyncio.Task[object] | None = None

    async def write(self, tx: Transaction, events: Sequence[tuple[Message, str, int]]) -> None:
        await tx.run(INSERT, **columns(events))

    def wake(self) -> None:
        """Wakes the relay: directly in this process, by NOTIFY in another replica."""
        self.woken.set()
        if self._notify_db is not None and (self._notifying is None or self._notifying.done()):
            self._notifying = asyncio.create_task(self._notify_db.one(NOTIFY, channel=CHANNEL))
            self._notifying.add_done_callback(_log_failure)

    def set_local_relay(self) -> None:
        self._notify_db = None

    def set_remote_relay(self, db: Database) -> None:
        self._notify_db = db


def _log_failure(task: asyncio.Task[object]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("waking the relay failed; it polls", error=str(error))


class Relay:
    """Publishes the outbox of one service while this replica holds the lease."""

    def __init__(self, service: str, db: Database, bus: Bus, outbox: Outbox, lease: Lease) -> None:
        self._service, self._db, self._bus, self._outbox, self._lease = service, db, bus, outbox, lease

    async def run(self) -> None:
        """Until cancelled. Failures of NATS or PostgreSQL are logged and retried with a growing delay."""
        delay = 0.1
        while True:
            try:
                self._outbox.set_remote_relay(self._db)
                async with self._lease.held():
                    self._outbox.set_local_relay()
                    await self._publish_while_held()
            except asyncio.CancelledError:
                raise
            except Exception as error:
                log.warning("publishing events failed", error=str(error) or type(error).__name__, retry_in=delay)
                await self._measure_lag()
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
            else:
                delay = 0.1

    async def _publish_while_held(self) -> None:
        async with self._bus.listening(CHANNEL, self._outbox.woken):
            while self._lease.is_held():
                self._outbox.woken.clear()
                started = monotonic()
                while await self.publish_batch() == BATCH:
                    started = monotonic()
                await pause_after(monotonic() - started)
                LAG.labels(self._service).set(0)
                try:
                    await asyncio.wait_for(self._outbox.woken.wait(), POLL_SECONDS)
                except TimeoutError:
                    continue

    async def _measure_lag(self) -> None:
        with suppress(Exception):  # without the database there is no lag to measure; readiness reports it
            LAG.labels(self._service).set(await self._db.one(OLDEST) or 0.0)

    async def publish_batch(self) -> int:
        """Publishes up to BATCH events; returns their number."""
        events = await self._db.all(UNPUBLISHED, batch=BATCH)
        if events:
            await self._bus.publish(events)
            await self._db.run(MARK, seqs=[event.seq for event in events])
            PUBLISHED.labels(self._service).inc(len(events))
        return len(events)


async def purge_published(db: Database) -> None:
    """Deletes events that were published more than 7 days ago, longer than any consumer may lag."""
    async with db.maintenance() as tx:
        await tx.run(DELETE_PUBLISHED, keep=KEEP)
