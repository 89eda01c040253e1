"""Connections and transactions.

Single reads run in autocommit; everything that belongs together runs in one `Transaction`, which also carries the
events that its commit publishes. Statements run prepared; see docs/adr for why there is no ORM session.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import psycopg
from psycopg import AsyncConnection, AsyncCursor
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from chassis.database import timeouts
from chassis.database.statements import Statement, sql

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["Jsonb"]

T = TypeVar("T")
Connection = AsyncConnection[Any]

# A timeout of the login (see `timeouts`) ended the statement or the transaction. It says nothing about the request.
TIMEOUT_ERRORS: Final = (psycopg.errors.QueryCanceled, psycopg.errors.IdleInTransactionSessionTimeout)
# The database did not answer in time, or not at all; the next attempt may succeed.
UNAVAILABLE_ERRORS: Final = (psycopg.OperationalError, PoolTimeout, TooManyRequests, *TIMEOUT_ERRORS)


async def _execute(connection: Connection, what: Statement[T], parameters: dict[str, Any]) -> AsyncCursor[T]:
    cursor = connection.cursor(row_factory=what.make_row)
    return await cursor.execute(what.text, what.bind(parameters), prepare=True)


_MAINTENANCE_TIMEOUTS = sql(
    f"SELECT set_config('statement_timeout', '{timeouts.MAINTENANCE}', true)"
    f" || set_config('lock_timeout', '{timeouts.LOCK}', true)",
    value=str,
)


class Transaction:
    """Statements and events that are committed together or not at all."""

    def __init__(self, connection: Connection, outbox: OutboxWriter) -> None:
        self._connection = connection
        self._outbox = outbox
        self._events: list[tuple[Message, str, int]] = []
        self._after: list[Callable[[], None]] = []

    async def run(self, what: Statement[Any], **parameters: Any) -> int:
        """Runs the statement; returns the number of affected rows."""
        cursor = await _execute(self._connection, what, parameters)
        return cursor.rowcount

    async def one(self, what: Statement[T], **parameters: Any) -> T | None:
        """The first row, or None."""
        cursor = await _execute(self._connection, what, parameters)
        return await cursor.fetchone()

    async def all(self, what: Statement[T], **parameters: Any) -> list[T]:
        """All rows. Statements without a small result carry a LIMIT."""
        cursor = await _execute(self._connection, what, parameters)
        return await cursor.fetchall()

    async def many(self, what: Statement[Any], rows: Iterable[Mapping[str, Any]]) -> None:
        """Runs the statement once for each row, in one round trip."""
        parameters = [what.bind(dict(row)) for row in rows]
        if parameters:
            async with self._connection.cursor() as cursor:
                await cursor.executemany(what.text, parameters)

    def publish(self, event: Message, *, key: object, version: int = 0) -> None:
        """Publishes the event after the commit of this transaction.

        `key` is the id of the aggregate, `version` its version, by which consumers recognise stale events.
        """
        self._events.append((event, str(key), version))

    def after_commit(self, act: Callable[[], None]) -> None:
        """Calls `act` after the commit, to wake a job or to update a cache; a crash loses the call."""
        self._after.append(act)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A savepoint: an exception that leaves the block undoes the writes and events of the block."""
        events, after = len(self._events), len(self._after)
        try:
            async with self._connection.transaction():
                yield
        except BaseException:
            del self._events[events:], self._after[after:]
            raise

    async def _flush(self) -> None:
        if self._events:
            await self._outbox.write(self, self._events)
            self._after.append(self._outbox.wake)


class OutboxWriter(Protocol):
    """Stores the events of a transaction; implemented by the outbox."""

    async def write(self, tx: Transaction, events: Sequence[tuple[Message, str, int]]) -> None: ...

    def wake(self) -> None: ...


class Database:
    """A bounded pool of connections to one database."""

    def __init__(self, url: str, *, size: int, application: str, outbox: OutboxWriter) -> None:
        self._outbox = outbox
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            connection_class=AsyncConnection,
            min_size=1,
            max_size=size,
            timeout=5.0,
            # The delay between attempts grows up to this: the pool finds a restarted database within seconds.
            reconnect_timeout=5.0,
            max_lifetime=1800.0,
            open=False,
            name=application,
            kwargs={"autocommit": True, "application_name": application},
        )

    async def open(self) -> None:
        """Opens the pool without waiting for the database; readiness follows when the database answers."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        await self._pool.close(timeout=5.0)

    async def one(self, what: Statement[T], **parameters: Any) -> T | None:
        """The first row, or None; in its own transaction."""
        async with self._pool.connection() as connection:
            cursor = await _execute(connection, what, parameters)
            return await cursor.fetchone()

    async def all(self, what: Statement[T], **parameters: Any) -> list[T]:
        """All rows; in its own transaction. Statements without a small result carry a LIMIT."""
        async with self._pool.connection() as connection:
            cursor = await _execute(connection, what, parameters)
            return await cursor.fetchall()

    async def run(self, what: Statement[Any], **parameters: Any) -> int:
        """One statement in its own transaction; returns the number of affected rows. Publishes no event."""
        async with self._pool.connection() as connection:
            cursor = await _execute(connection, what, parameters)
            return cursor.rowcount

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commits at the end of the block and rolls back when an exception leaves it."""
        async with self._pool.connection() as connection, connection.transaction():
            tx = Transaction(connection, self._outbox)
            yield tx
            await tx._flush()
        for act in tx._after:
            act()

    @asynccontextmanager
    async def maintenance(self) -> AsyncIterator[Transaction]:
        """A transaction of maintenance over whole tables: with a longer timeout, and a short one for locks."""
        async with self.transaction() as tx:
            await tx.one(_MAINTENANCE_TIMEOUTS)
            yield tx
