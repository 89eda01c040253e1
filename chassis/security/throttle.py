"""How often somebody may try: counted in the service's database before the attempt, so for all replicas.

The service has the table: a blinded key, the attempts in the window that is open, and when that window ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chassis.database import Database, Statement, sql
from chassis.errors import ResourceExhausted
from chassis.security.encryption import FieldCipher

QUARTER = 15 * 60
HOUR = 60 * 60

# Rows are locked in the order of their keys, so that two calls never wait for each other.
_COUNT = """
    INSERT INTO {table} AS t ({key}, {attempts}, {ends})
    SELECT key, 1, now() + seconds * interval '1 second'
    FROM unnest(%(keys)s::bytea[], %(seconds)s::int[]) AS counted (key, seconds) ORDER BY key
    ON CONFLICT ({key}) DO UPDATE SET
        {attempts} = CASE WHEN t.{ends} <= now() THEN 1 ELSE t.{attempts} + 1 END,
        {ends} = CASE WHEN t.{ends} <= now() THEN excluded.{ends} ELSE t.{ends} END
    RETURNING {key} AS key, {attempts} AS attempts, extract(epoch FROM {ends} - now())::float8 AS seconds_left
"""
_SECONDS_LEFT = """
    SELECT extract(epoch FROM {ends} - now())::float8 FROM {table}
    WHERE {key} = %(key)s AND {ends} > now() AND {attempts} >= %(attempts)s
"""
_FORGIVE = """
    UPDATE {table} SET {attempts} = {attempts} - 1 WHERE {key} IN (
        SELECT {key} FROM {table} WHERE {key} = ANY(%(keys)s::bytea[]) AND {attempts} > 0
        ORDER BY {key} FOR UPDATE
    )
"""
_FORGET = "DELETE FROM {table} WHERE {key} = %(key)s"
_FORGET_CLOSED = "DELETE FROM {table} WHERE {ends} < now()"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `attempts` of `what` by `whom` within `seconds`. Whom is kept blinded: it tells a person."""

    what: str
    whom: str
    attempts: int
    seconds: int

    def key(self, cipher: FieldCipher) -> bytes:
        return cipher.blind(f"throttle\0{self.what}\0{self.whom}")


@dataclass(frozen=True, slots=True)
class Statements:
    """What a throttle asks of its table."""

    count: Statement[Any]
    seconds_left: Statement[Any]
    forgive: Statement[Any]
    forget: Statement[Any]
    forget_closed: Statement[Any]


def statements(table: str, *, key: str, attempts: str, ends: str) -> Statements:
    """The statements on `table`, by the names of its columns: BYTEA primary key, INT, TIMESTAMP WITH TIME ZONE."""
    names = {"table": table, "key": key, "attempts": attempts, "ends": ends}
    texts = (_COUNT, _SECONDS_LEFT, _FORGIVE, _FORGET, _FORGET_CLOSED)
    return Statements(*(sql(text.format_map(names)) for text in texts))


class Throttle:
    """Counts attempts against limits; raises the service's refusal, made of the seconds until the window ends."""

    def __init__(
        self, db: Database, cipher: FieldCipher, on: Statements, refusal: Callable[[float], ResourceExhausted]
    ) -> None:
        self._db, self._cipher, self._on, self._refusal = db, cipher, on, refusal

    async def count(self, *limits: Limit) -> None:
        """Counts one attempt against each limit. Refuses when one of them is exceeded.

        Before the attempt is made, so that attempts in parallel are counted too.
        """
        by_key = {limit.key(self._cipher): limit for limit in limits}
        rows = await self._db.all(
            self._on.count, keys=list(by_key), seconds=[limit.seconds for limit in by_key.values()]
        )
        exceeded = [row.seconds_left for row in rows if row.attempts > by_key[bytes(row.key)].attempts]
        if exceeded:
            raise self._refusal(max(exceeded))

    async def look(self, limit: Limit) -> None:
        """Counts nothing. Refuses when the limit is reached, so that one more attempt would exceed it."""
        seconds = await self._db.value(self._on.seconds_left, key=limit.key(self._cipher), attempts=limit.attempts)
        if seconds is not None:
            raise self._refusal(seconds)

    async def forgive(self, *limits: Limit) -> None:
        """The attempt was no guess: one is taken off each limit."""
        await self._db.run(self._on.forgive, keys=[limit.key(self._cipher) for limit in limits])

    async def forget(self, limit: Limit) -> None:
        """Whoever may try has shown up: the count starts anew."""
        await self._db.run(self._on.forget, key=limit.key(self._cipher))

    async def forget_closed(self) -> None:
        """Deletes counts whose window is over."""
        async with self._db.maintenance() as tx:
            await tx.run(self._on.forget_closed)
