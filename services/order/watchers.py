"""Wake-ups of the streams of watched orders.

A change wakes the streams of this replica directly, and those of other replicas through the order's events. Positions
and notes have no event, and events can be missed, so each replica also polls its watched orders once a second, with one
statement.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog

from chassis.database import Database
from chassis.errors import ResourceExhausted
from services.order import queries

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0


class Watchers:
    """The streams of one replica."""

    def __init__(self, db: Database, limit: int) -> None:
        self._db, self._limit = db, limit
        self._wakeups: dict[UUID, set[asyncio.Event]] = {}
        self._seen: dict[UUID, tuple[int, UUID | None]] = {}
        self._count = 0
        self._polling: asyncio.Task[None] | None = None
        self.is_closing = False

    @contextmanager
    def watch(self, order_id: UUID) -> Iterator[asyncio.Event]:
        """An event that is set when the order may have changed. Raises ResourceExhausted beyond the limit."""
        if self._count >= self._limit:
            raise ResourceExhausted("too many orders are being watched", retry_after=5)
        wakeup = asyncio.Event()
        self._count += 1
        self._wakeups.setdefault(order_id, set()).add(wakeup)
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll())
        try:
            yield wakeup
        finally:
            self._count -= 1
            wakeups = self._wakeups[order_id]
            wakeups.discard(wakeup)
            if not wakeups:
                del self._wakeups[order_id]
                self._seen.pop(order_id, None)

    def wake(self, order_id: UUID) -> None:
        """The order may have changed."""
        for wakeup in self._wakeups.get(order_id, ()):
            wakeup.set()

    def wake_all(self) -> None:
        """Any order may have changed: events were missed, or the replica shuts down."""
        for order_id in self._wakeups:
            self.wake(order_id)

    def close(self) -> None:
        """Ends all streams; their clients reconnect to another replica."""
        self.is_closing = True
        self.wake_all()

    async def _poll(self) -> None:
        while self._wakeups and not self.is_closing:
            await asyncio.sleep(POLL_SECONDS)
            try:
                rows = await self._db.all(queries.changes.LIST_VERSIONS, ids=list(self._wakeups))
            except Exception as error:
                log.warning("polling watched orders failed", error=str(error) or type(error).__name__)
                continue
            for row in rows:
                version = (row.version, row.position_id)
                if self._seen.get(row.id) != version:
                    self._seen[row.id] = version
                    self.wake(row.id)
