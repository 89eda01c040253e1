"""Events out: written with their cause, published in batches, kept until consumers surely have them.

The transaction that causes an event inserts it into `outbox`. One replica of the service, the holder of the relay's
lease, publishes what is unpublished to JetStream with the event's id as `Nats-Msg-Id`, and marks it. A crash between
the two publishes again: consumers know an event by its id. The relay is woken by the commit itself in this process and
by NOTIFY from other replicas; it polls only to repair a wake-up that got lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from time import monotonic
from typing import Any

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

INSERT = sql(
    """
    INSERT INTO outbox (event_id, type, key, version, payload, trace_parent)
    SELECT * FROM unnest(%(event_ids)s::uuid[], %(types)s::text[], %(keys)s::text[], %(versions)s::int[],
                         %(payloads)s::bytea[], %(trace_parents)s::text[])
    """
)
UNPUBLISHED = sql(
    """
    SELECT seq, event_id, type, key, version, payload, trace_parent, occurred_at
    FROM outbox WHERE published_at IS NULL ORDER BY seq LIMIT %(batch)s
    """
)
MARK = sql("UPDATE outbox SET published_at = now() WHERE seq = ANY(%(seqs)s::bigint[])")
OLDEST = sql("SELECT coalesce(extract(epoch FROM now() - min(occurred_at)), 0) FROM outbox WHERE published_at IS NULL")
FORGET = sql("DELETE FROM outbox WHERE published_at < now() - %(keep)s::interval")
NOTIFY = sql("SELECT pg_notify(%(channel)s, '')")


def columns(events: Sequence[tuple[Message, str, int]]) -> dict[str, list[Any]]:
    """Rows of `outbox` for (event, key, version), column by column, as INSERT takes them.

    A statement that writes its own events in a CTE takes them too; whoever runs it calls `Outbox.wake` afterwards.
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
        self._elsewhere: Database | None = None
        self._notifying: asyncio.Task[object] | None = None

    async def write(self, tx: Transaction, events: Sequence[tuple[Message, str, int]]) -> None:
        await tx.run(INSERT, **columns(events))

    def wake(self) -> None:
        """Wakes the relay here, or by NOTIFY where it runs."""
        self.woken.set()
        if self._elsewhere is not None and (self._notifying is None or self._notifying.done()):
            self._notifying = asyncio.create_task(self._elsewhere.run(NOTIFY, channel=CHANNEL))
            self._notifying.add_done_callback(_log_failure)

    def relay_is_here(self) -> None:
        self._elsewhere = None

    def relay_is_elsewhere(self, db: Database) -> None:
        self._elsewhere = db


def _log_failure(task: asyncio.Task[object]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("the relay's wake-up failed; it polls", error=str(error))


class Relay:
    """Publishes the outbox of one service while this replica holds the lease."""

    def __init__(self, service: str, db: Database, bus: Bus, outbox: Outbox, lease: Lease) -> None:
        self._service, self._db, self._bus, self._outbox, self._lease = service, db, bus, outbox, lease

    async def run(self) -> None:
        """Until cancelled. Failures of NATS or PostgreSQL are logged and tried again with a growing delay."""
        delay = 0.1
        while True:
            try:
                self._outbox.relay_is_elsewhere(self._db)
                async with self._lease.held():
                    self._outbox.relay_is_here()
                    await self._publish_while_held()
            except asyncio.CancelledError:
                raise
            except Exception as error:
                log.warning("events wait in the outbox", error=str(error) or type(error).__name__, retry_in=delay)
                await self._measure_lag()
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
            else:
                delay = 0.1

    async def _publish_while_held(self) -> None:
        async with self._bus.listening(CHANNEL, self._outbox.woken):
            while self._lease.is_held():
                self._outbox.woken.clear()
                begun = monotonic()
                while await self.publish_batch() == BATCH:
                    begun = monotonic()
                await pause_after(monotonic() - begun)
                LAG.labels(self._service).set(0)
                try:
                    await asyncio.wait_for(self._outbox.woken.wait(), POLL_SECONDS)
                except TimeoutError:
                    continue

    async def _measure_lag(self) -> None:
        with suppress(Exception):  # without the database there is nothing to measure, and readiness says so
            LAG.labels(self._service).set(await self._db.value(OLDEST))

    async def publish_batch(self) -> int:
        """Publishes up to BATCH events; returns how many."""
        events = await self._db.all(UNPUBLISHED, batch=BATCH)
        if events:
            await self._bus.publish(events)
            await self._db.run(MARK, seqs=[event.seq for event in events])
            PUBLISHED.labels(self._service).inc(len(events))
        return len(events)


async def purge_published(db: Database) -> None:
    """Deletes events that were published longer ago than any consumer may lag."""
    async with db.maintenance() as tx:
        await tx.run(FORGET, keep=KEEP)
