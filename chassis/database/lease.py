"""Leases: one replica of a service does a job at a time; another takes over when it dies."""

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
    """,
    value=str,
)
RELEASE = sql("DELETE FROM leases WHERE name = %(name)s AND holder = %(holder)s")


class Lease:
    """One named lease, as seen by one replica."""

    def __init__(self, db: Database, name: str, ttl: float = TTL_SECONDS) -> None:
        self._db, self._name, self._ttl = db, name, ttl
        self._holder = ids.new_id()
        self._good_until = 0.0

    def is_held(self) -> bool:
        """Whether this replica may act. False once renewal has failed for the time to live."""
        return asyncio.get_running_loop().time() < self._good_until

    async def take(self) -> bool:
        """Takes or renews the lease; False when another replica holds it."""
        started = asyncio.get_running_loop().time()
        taken = await self._db.one(TAKE, name=self._name, holder=self._holder, ttl=timedelta(seconds=self._ttl))
        if taken is None:
            return False
        self._good_until = started + self._ttl
        return True

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Waits for the lease, renews it during the block, and releases it at the end."""
        while not await self.take():  # noqa: ASYNC110 - another process holds it
            await asyncio.sleep(self._ttl / 5)
        renewing = asyncio.create_task(self._renew())
        try:
            yield
        finally:
            await tasks.end(renewing)
            self._good_until = 0.0
            await self._release()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._ttl / 3)
            try:
                await self.take()
            except Exception as error:  # the lease expires when renewal keeps failing
                log.warning("lease renewal failed", lease=self._name, error=str(error))

    async def _release(self) -> None:
        try:
            await self._db.run(RELEASE, name=self._name, holder=self._holder)
        except Exception as error:  # it expires
            log.debug("lease release failed", lease=self._name, error=str(error))
