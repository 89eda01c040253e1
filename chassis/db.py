"""The service's own database: SQLAlchemy Core says what, psycopg does it.

Statements are built and compiled once, at import, and run as prepared statements on a pool of psycopg connections;
see docs/adr for why there is no ORM session. Single reads run in autocommit; everything that belongs together runs in
one `Transaction`, which also carries the events that its commit publishes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from chassis import bounds

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["AWAY", "CUT", "Database", "Jsonb", "Row", "Statement", "Transaction", "sql", "statement"]

# Rows are named tuples whose shape is that of the SELECT; the columns' types are PostgreSQL's.
Row = Any
Connection = AsyncConnection[Row]

# A bound of the login (see `bounds`) ended the statement or the transaction. It says nothing of what was asked.
CUT: Final = (psycopg.errors.QueryCanceled, psycopg.errors.IdleInTransactionSessionTimeout)
# The database did not answer in time, or not at all; the next attempt may succeed.
AWAY: Final = (psycopg.OperationalError, PoolTimeout, TooManyRequests, *CUT)

_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]


class Statement:
    """SQL with `%(name)s` parameters, ready to run."""

    __slots__ = ("_constants", "_processors", "text")

    def __init__(self, text: str, constants: Mapping[str, Any], processors: Mapping[str, Callable[[Any], Any]]) -> None:
        self.text = text.encode()
        self._constants = dict(constants)
        self._processors = tuple(processors.items())

    def bind(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """The parameters as psycopg takes them: constants of the statement added, JSON wrapped."""
        if self._constants:
            parameters = {**self._constants, **parameters}
        for name, process in self._processors:
            parameters[name] = process(parameters[name])
        return parameters


def statement(clause: ClauseElement, columns: Sequence[str] | None = None) -> Statement:
    """Compiles a Core statement. `columns` names the columns that an insert or update sets from parameters.

    Lists are compared with `== any_(bindparam(...))`: an IN that expands per call cannot be compiled once.
    """
    compiled = clause.compile(dialect=_DIALECT, column_keys=list(columns) if columns is not None else None)
    assert isinstance(compiled, SQLCompiler)
    if compiled.post_compile_params:
        raise ValueError(f"compare lists with any_(), not IN: {compiled}")
    constants: dict[str, Any] = {}
    processors: dict[str, Callable[[Any], Any]] = {}
    for bind, name in compiled.bind_names.items():
        if not bind.required and bind.value is not None:
            constants[name] = bind.value
        process = bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
        if process is not None:
            processors[name] = process
    return Statement(str(compiled), constants, processors)


def sql(text: str) -> Statement:
    """Plain SQL, for statements whose meaning Core would hide. `%` that is no parameter is written `%%`."""
    return Statement(text, {}, {})


_PATIENT = sql(
    f"SELECT set_config('statement_timeout', '{bounds.UPKEEP}', true) AS work, "
    f"set_config('lock_timeout', '{bounds.LOCK}', true) AS wait"
)


class Transaction:
    """What is done here is committed together, with the events that announce it, or not at all."""

    def __init__(self, connection: Connection, outbox: OutboxWriter) -> None:
        self._connection = connection
        self._outbox = outbox
        self._events: list[tuple[Message, str, int]] = []
        self._after: list[Callable[[], None]] = []

    async def run(self, what: Statement, **parameters: Any) -> int:
        """Runs the statement; returns how many rows it touched."""
        cursor = await self._connection.execute(what.text, what.bind(parameters), prepare=True)
        return cursor.rowcount

    async def one(self, what: Statement, **parameters: Any) -> Row | None:
        """The first row, or None."""
        cursor = await self._connection.execute(what.text, what.bind(parameters), prepare=True)
        return await cursor.fetchone()

    async def all(self, what: Statement, **parameters: Any) -> list[Row]:
        """All rows. Statements that can have many carry a LIMIT."""
        cursor = await self._connection.execute(what.text, what.bind(parameters), prepare=True)
        return await cursor.fetchall()

    async def value(self, what: Statement, **parameters: Any) -> Any:
        """The first column of the first row, or None."""
        row = await self.one(what, **parameters)
        return row[0] if row is not None else None

    async def many(self, what: Statement, rows: Iterable[Mapping[str, Any]]) -> None:
        """Runs the statement once a row, in one round trip."""
        parameters = [what.bind(dict(row)) for row in rows]
        if parameters:
            async with self._connection.cursor() as cursor:
                await cursor.executemany(what.text, parameters)

    def publish(self, event: Message, *, key: object, version: int = 0) -> None:
        """Announces the event once this transaction has committed.

        `key` is the id of the aggregate; `version` its version, so that consumers can tell stale from new.
        """
        self._events.append((event, str(key), version))

    def after_commit(self, act: Callable[[], None]) -> None:
        """Calls `act` after the commit: wake-ups and caches, nothing that may be lost."""
        self._after.append(act)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A part that may fail alone: an exception that leaves the block undoes its writes and its events."""
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
    """Where a transaction leaves its events; the outbox module has the one implementation."""

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
            # Attempts grow apart until then and begin anew: a database that was away is found within seconds.
            reconnect_timeout=5.0,
            max_lifetime=1800.0,
            open=False,
            name=application,
            kwargs={"autocommit": True, "row_factory": namedtuple_row, "application_name": application},
        )

    async def open(self) -> None:
        """Opens the pool without waiting for the database: a service starts and becomes ready when it is there."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        await self._pool.close(timeout=5.0)

    async def one(self, what: Statement, **parameters: Any) -> Row | None:
        """The first row, or None; its own transaction."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(what.text, what.bind(parameters), prepare=True)
            return await cursor.fetchone()

    async def all(self, what: Statement, **parameters: Any) -> list[Row]:
        """All rows; its own transaction. Statements that can have many carry a LIMIT."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(what.text, what.bind(parameters), prepare=True)
            return await cursor.fetchall()

    async def value(self, what: Statement, **parameters: Any) -> Any:
        """The first column of the first row, or None."""
        row = await self.one(what, **parameters)
        return row[0] if row is not None else None

    async def run(self, what: Statement, **parameters: Any) -> int:
        """One statement that is its own transaction and publishes nothing; returns how many rows it touched."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(what.text, what.bind(parameters), prepare=True)
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
    async def upkeep(self) -> AsyncIterator[Transaction]:
        """A transaction of periodic work over whole tables: may take longer, and waits for no lock for long."""
        async with self.transaction() as tx:
            await tx.run(_PATIENT)
            yield tx
