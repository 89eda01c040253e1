"""Who watches which order in this replica, and what wakes them.

A change wakes its watchers here at once, and those of other replicas by the order's events. Positions and notes have no
event, and an event can be missed: so all watched orders are also looked at once a second, in one statement.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog

from chassis.database import Database
from chassis.errors import ResourceExhausted
from services.order.queries import changing

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0


class Watchers:
    """Wake-ups of the streams of one replica."""

    def __init__(self, db: Database, limit: int) -> None:
        self._db, self._limit = db, limit
        self._woken: dict[UUID, set[asyncio.Event]] = {}
        self._seen: dict[UUID, tuple[int, UUID | None]] = {}
        self._count = 0
        self._looking: asyncio.Task[None] | None = None
        self.closing = False

    @contextmanager
    def watching(self, order_id: UUID) -> Iterator[asyncio.Event]:
        """An event that is set whenever the order may have changed. Raises ResourceExhausted beyond the limit."""
        if self._count >= self._limit:
            raise ResourceExhausted("too many orders are being watched", retry_after=5)
        woken = asyncio.Event()
        self._count += 1
        self._woken.setdefault(order_id, set()).add(woken)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            yield woken
        finally:
            self._count -= 1
            watching = self._woken[order_id]
            watching.discard(woken)
            if not watching:
                del self._woken[order_id]
                self._seen.pop(order_id, None)

    def wake(self, order_id: UUID) -> None:
        """The order has changed."""
        for woken in self._woken.get(order_id, ()):
            woken.set()

    def wake_all(self) -> None:
        """Anything may have changed: events were missed, or the replica closes."""
        for order_id in self._woken:
            self.wake(order_id)

    def close(self) -> None:
        """Lets every stream end itself, so that its client goes to another replica."""
        self.closing = True
        self.wake_all()

    async def _look(self) -> None:
        while self._woken and not self.closing:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                rows = await self._db.all(changing.WATCHED, ids=list(self._woken))
            except Exception as error:
                log.warning("watched orders could not be looked at", error=str(error) or type(error).__name__)
                continue
            for row in rows:
                now = (row.version, row.position_id)
                if self._seen.get(row.id) != now:
                    self._seen[row.id] = now
                    self.wake(row.id)
