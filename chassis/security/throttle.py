"""Limits on attempts, counted in the service's database before the attempt, so that all replicas share them.

The service has the table: a blind index of the key, the attempts in the open window, and the end of the window.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from chassis.database import Database, Statement, sql
from chassis.errors import ResourceExhausted
from chassis.security.encryption import FieldCipher

QUARTER = 15 * 60
HOUR = 60 * 60

# Rows are locked in the order of their keys, so that two calls never wait for each other.
_COUNT = """
    INSERT INTO {table} AS t ({key}, {attempts}, {ends})
    SELECT key, 1, now() + seconds * interval '1 second'
    FROM unnest(%(keys)s::bytea[], %(seconds)s::int[]) AS new (key, seconds) ORDER BY key
    ON CONFLICT ({key}) DO UPDATE SET
        {attempts} = CASE WHEN t.{ends} <= now() THEN 1 ELSE t.{attempts} + 1 END,
        {ends} = CASE WHEN t.{ends} <= now() THEN excluded.{ends} ELSE t.{ends} END
    RETURNING {key} AS key, {attempts} AS attempts, extract(epoch FROM {ends} - now())::float8 AS seconds_left
"""
_SECONDS_LEFT = """
    SELECT extract(epoch FROM {ends} - now())::float8 FROM {table}
    WHERE {key} = %(key)s AND {ends} > now() AND {attempts} >= %(attempts)s
"""
_SUBTRACT = """
    UPDATE {table} SET {attempts} = {attempts} - 1 WHERE {key} IN (
        SELECT {key} FROM {table} WHERE {key} = ANY(%(keys)s::bytea[]) AND {attempts} > 0
        ORDER BY {key} FOR UPDATE
    )
"""
_RESET = "DELETE FROM {table} WHERE {key} = %(key)s"
_PURGE = "DELETE FROM {table} WHERE {ends} < now()"


class _CountRow(NamedTuple):
    key: bytes
    attempts: int
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `attempts` of `what` by `whom` within `seconds`. The table keeps only a blind index of `whom`."""

    what: str
    whom: str
    attempts: int
    seconds: int

    def key(self, cipher: FieldCipher) -> bytes:
        return cipher.blind(f"throttle\0{self.what}\0{self.whom}")


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements of a throttle."""

    count: Statement[_CountRow]
    seconds_left: Statement[float]
    subtract: Statement[None]
    reset: Statement[None]
    purge: Statement[None]


def statements(table: str, *, key: str, attempts: str, ends: str) -> Statements:
    """The statements on `table`, by the names of its columns: BYTEA primary key, INT, TIMESTAMP WITH TIME ZONE."""
    names = {"table": table, "key": key, "attempts": attempts, "ends": ends}
    return Statements(
        count=sql(_COUNT.format_map(names), row=_CountRow),
        seconds_left=sql(_SECONDS_LEFT.format_map(names), value=float),
        subtract=sql(_SUBTRACT.format_map(names)),
        reset=sql(_RESET.format_map(names)),
        purge=sql(_PURGE.format_map(names)),
    )


class Throttle:
    """Counts attempts against limits; raises the service's error, made of the seconds until the window ends."""

    def __init__(
        self, db: Database, cipher: FieldCipher, on: Statements, error: Callable[[float], ResourceExhausted]
    ) -> None:
        self._db, self._cipher, self._on, self._error = db, cipher, on, error

    async def count_attempt(self, *limits: Limit) -> None:
        """Counts one attempt against each limit. Raises the service's error when one is exceeded.

        Called before the attempt, so that concurrent attempts are counted too.
        """
        by_key = {limit.key(self._cipher): limit for limit in limits}
        rows = await self._db.all(
            self._on.count, keys=list(by_key), seconds=[limit.seconds for limit in by_key.values()]
        )
        exceeded = [row.seconds_left for row in rows if row.attempts > by_key[row.key].attempts]
        if exceeded:
            raise self._error(max(exceeded))

    async def check(self, limit: Limit) -> None:
        """Counts nothing. Raises the service's error when one more attempt would exceed the limit."""
        seconds = await self._db.one(self._on.seconds_left, key=limit.key(self._cipher), attempts=limit.attempts)
        if seconds is not None:
            raise self._error(seconds)

    async def subtract_attempt(self, *limits: Limit) -> None:
        """Subtracts one attempt from each limit, after an attempt that was not a guess."""
        await self._db.run(self._on.subtract, keys=[limit.key(self._cipher) for limit in limits])

    async def reset(self, limit: Limit) -> None:
        """Resets the count after a successful attempt."""
        await self._db.run(self._on.reset, key=limit.key(self._cipher))

    async def purge(self) -> None:
        """Deletes counts whose window has ended."""
        async with self._db.maintenance() as tx:
            await tx.run(self._on.purge)
