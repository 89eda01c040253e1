"""Leases: of all replicas of a service one does a thing at a time, and another takes over when it dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog

from chassis import ids, tasks
from chassis.database import Database, sql

log = structlog.get_logger(__name__)

TTL_SECONDS = 5.0

TAKE = sql(
    """
    INSERT INTO leases (name, holder, expires_at) VALUES (%(name)s, %(holder)s, now() + %(ttl)s::interval)
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
    WHERE leases.holder = excluded.holder OR leases.expires_at < now()
    RETURNING name
    """
)
GIVE_UP = sql("DELETE FROM leases WHERE name = %(name)s AND holder = %(holder)s")


class Lease:
    """One named lease, as seen by one replica."""

    def __init__(self, db: Database, name: str, ttl: float = TTL_SECONDS) -> None:
        self._db, self._name, self._ttl = db, name, ttl
        self._holder = ids.new_id()
        self._good_until = 0.0

    def is_held(self) -> bool:
        """Whether this replica may act. False once renewing has failed for the lease's life."""
        return asyncio.get_running_loop().time() < self._good_until

    async def take(self) -> bool:
        """Takes or renews the lease; False when another replica holds it."""
        asked = asyncio.get_running_loop().time()
        taken = await self._db.value(TAKE, name=self._name, holder=self._holder, ttl=timedelta(seconds=self._ttl))
        if taken is None:
            return False
        self._good_until = asked + self._ttl
        return True

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Waits until the lease is this replica's, renews it during the block, and gives it up at the end."""
        while not await self.take():  # noqa: ASYNC110 - another process holds it
            await asyncio.sleep(self._ttl / 5)
        renewing = asyncio.create_task(self._renew())
        try:
            yield
        finally:
            await tasks.end(renewing)
            self._good_until = 0.0
            await self._give_up()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._ttl / 3)
            try:
                await self.take()
            except Exception as error:  # the lease runs out by itself when this goes on
                log.warning("a lease was not renewed", lease=self._name, error=str(error))

    async def _give_up(self) -> None:
        try:
            await self._db.run(GIVE_UP, name=self._name, holder=self._holder)
        except Exception as error:  # it expires
            log.debug("a lease was not given up", lease=self._name, error=str(error))
