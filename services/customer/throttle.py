"""How often somebody may guess: counted per account and per client network in the database, so for all replicas."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from chassis.crypto import FieldCipher
from chassis.db import Database
from chassis.errors import Refusal
from services.customer.model import TooManyAttempts
from services.customer.queries import throttles as q

QUARTER = 15 * 60
HOUR = 60 * 60


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `attempts` of `what` by `whom` within `seconds`. Whom is kept blinded: it is an email or an address."""

    what: str
    whom: str
    attempts: int
    seconds: int

    def key(self, cipher: FieldCipher) -> bytes:
        return cipher.blind(f"throttle\0{self.what}\0{self.whom}")


class Throttle:
    """Counts before the attempt is made, so that attempts in parallel are counted too."""

    def __init__(self, db: Database, cipher: FieldCipher) -> None:
        self._db, self._cipher = db, cipher

    async def count(self, *limits: Limit) -> None:
        """Counts one attempt against each limit. Raises TooManyAttempts when one of them is exceeded."""
        by_key = {limit.key(self._cipher): limit for limit in limits}
        rows = await self._db.all(
            q.COUNT_ATTEMPTS, keys=list(by_key), seconds=[limit.seconds for limit in by_key.values()]
        )
        exceeded = [row.seconds_left for row in rows if row.attempts > by_key[bytes(row.key)].attempts]
        if exceeded:
            raise TooManyAttempts(max(exceeded))

    async def forget(self, limit: Limit) -> None:
        """The account's owner has shown up: the count starts anew."""
        await self._db.run(q.FORGET_ATTEMPTS, key=limit.key(self._cipher))

    async def forgive(self, limit: Limit) -> None:
        """The attempt was no guess: one is taken off."""
        await self._db.run(q.FORGIVE_ATTEMPT, key=limit.key(self._cipher))


@asynccontextmanager
async def no_sooner_than(seconds: float) -> AsyncIterator[None]:
    """Hides in the time of the answer, also of a refusal, whether there was an account to work for."""
    loop = asyncio.get_running_loop()
    ready = loop.time() + seconds
    try:
        yield
    except Refusal:
        await asyncio.sleep(ready - loop.time())
        raise
    await asyncio.sleep(ready - loop.time())
