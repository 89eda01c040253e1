"""Timeouts of a database login: statements without a deadline are cancelled, and events are delivered again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any, cast

import grpc
import psycopg
import pytest
import pytest_asyncio
from jainshikanji.review.v1.events_pb2 import ReviewPosted

from chassis import ids
from chassis.database import TIMEOUT_ERRORS, UNAVAILABLE_ERRORS, Database, migrations, sql, timeouts
from chassis.events import consumer
from chassis.events.outbox import Outbox
from chassis.rpc.call import Call
from chassis.rpc.interceptors.errors import to_domain_error
from devstack.nats import Nats
from tests.harness import Platform
from tests.integration.chassis.participants import Participant, cancel, eventually, publish

SETTING = "SELECT current_setting(%s)"
LONG_LOCK_WAIT = """
    SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()
      AND waitstart < clock_timestamp() - interval '500 ms'
"""
SLEEP = sql("SELECT pg_sleep(%(seconds)s)")
COUNT_DEAD_LETTERS = sql("SELECT count(*) FROM dead_letters", value=int)
COUNT_EVENT = sql("UPDATE seen SET times = times + 1")
CALL = cast("Call", SimpleNamespace(method=SimpleNamespace(name="Wait"), request_id=""))


@pytest.fixture
def login(servers: Platform) -> Iterator[str]:
    """A login and a database of that name, without timeouts."""
    name = f"timeouts_{ids.new_id().hex}"
    servers.postgres.create_database(name, owner=name)
    yield name
    servers.postgres.drop_database(name)


def set_timeouts(url: str, *, statement: str = "300ms", idle: str = "60s") -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for command in timeouts.login_statements(statement, idle):
            connection.execute(command.encode())


@pytest_asyncio.fixture
async def db(servers: Platform, login: str) -> AsyncIterator[Database]:
    """A database whose login has short timeouts."""
    url = servers.postgres.url(login, login)
    set_timeouts(url, idle="300ms")
    database = Database(url, size=2, application=login, outbox=Outbox())
    await database.open()
    yield database
    await database.close()


async def test_a_statement_without_a_deadline_is_cancelled_and_its_connection_stays_usable(db: Database) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(psycopg.errors.QueryCanceled) as cancelled:
            await db.run(SLEEP, seconds=60)
        assert await db.one(sql("SELECT 1", value=int)) == 1
    assert to_domain_error(cancelled.value, CALL).code is grpc.StatusCode.UNAVAILABLE


async def test_an_idle_transaction_is_ended_with_a_retryable_error(db: Database) -> None:
    with pytest.raises(UNAVAILABLE_ERRORS) as ended:
        async with db.transaction() as tx:
            await tx.one(sql("SELECT 1", value=int))
            await asyncio.sleep(1)
            await tx.one(sql("SELECT 1", value=int))
    assert to_domain_error(cast("Exception", ended.value), CALL).code is grpc.StatusCode.UNAVAILABLE
    assert await db.one(sql("SELECT 1", value=int)) == 1


async def test_maintenance_has_longer_timeouts_than_other_transactions(db: Database) -> None:
    async with db.maintenance() as tx:
        await tx.run(SLEEP, seconds=0.6)
        assert await tx.one(sql("SHOW lock_timeout", value=str)) == timeouts.LOCK
    with pytest.raises(TIMEOUT_ERRORS):
        await db.run(SLEEP, seconds=60)


async def test_a_migration_sets_the_timeouts_of_the_login_and_is_exempt_from_them(
    servers: Platform, login: str
) -> None:
    url = servers.postgres.url(login, login)
    set_timeouts(url, statement="100ms", idle="100ms")
    with psycopg.connect(url) as other:
        other.execute("SET statement_timeout = 0")
        other.execute("SET idle_in_transaction_session_timeout = 0")
        other.execute("SELECT pg_advisory_lock(hashtext('migrate'))")
        other.commit()
        await _migrates_after(other, url)
    with psycopg.connect(url) as connection:
        found = [
            connection.execute(SETTING, (name,)).fetchone()
            for name in ("statement_timeout", "idle_in_transaction_session_timeout")
        ]
    assert found == [(timeouts.STATEMENT,), ("1min",)]


async def _migrates_after(other: psycopg.Connection[Any], url: str) -> None:
    """A migration waits for the lock of another one, longer than the timeouts of its login, and succeeds."""
    migrating = asyncio.create_task(asyncio.to_thread(migrations.migrate, "review", url))

    async def has_waited_long() -> bool:
        assert not migrating.done(), migrating.exception()
        return other.execute(LONG_LOCK_WAIT).fetchone() is not None

    await eventually(has_waited_long)
    other.execute("SELECT pg_advisory_unlock_all()")
    other.commit()
    await migrating


async def test_a_batch_that_times_out_is_delivered_until_it_is_handled(
    servers: Platform, nats: Nats, login: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "BACKOFF_SECONDS", (0.01,))
    # A failing event would become a dead letter after the second delivery; a timeout does not count as a failure.
    monkeypatch.setattr(consumer, "DELIVERIES", 2)
    url = servers.postgres.url(login, login)
    set_timeouts(url, statement="100ms")
    publisher_database = f"chassis_{ids.new_id().hex}"
    servers.postgres.create_database(publisher_database, "review")
    publisher = Participant("review", servers.postgres.url("review", publisher_database), nats.url)
    receiver = Participant(login, url, nats.url)
    for participant in (publisher, receiver):
        await participant.open()
    await receiver.db.run(sql("CREATE TABLE seen (times INTEGER NOT NULL)"))
    await receiver.db.run(sql("INSERT INTO seen VALUES (0)"))
    timed_out: list[str] = []
    handled: list[str] = []

    async def record(app: Any, tx: Any, event: ReviewPosted, meta: Any) -> None:
        try:
            await tx.run(COUNT_EVENT)
        except TIMEOUT_ERRORS:
            timed_out.append(event.review_id)
            raise
        tx.after_commit(lambda: handled.append(event.review_id))

    wanted = [str(ids.new_id()) for _ in range(3)]
    async with await psycopg.AsyncConnection.connect(servers.postgres.admin_url(login)) as blocker:
        await blocker.execute("LOCK TABLE seen")
        tasks = [
            asyncio.create_task(publisher.relay().run()),
            asyncio.create_task(receiver.consumer({ReviewPosted: record}).run()),
        ]
        await publish(publisher, *wanted)
        await eventually(lambda: _all_timed_out(timed_out, wanted, times=4))
        await blocker.rollback()
    await eventually(lambda: _all_handled(handled, wanted))
    assert await receiver.db.one(sql("SELECT times FROM seen", value=int)) == len(wanted)
    assert await receiver.db.one(COUNT_DEAD_LETTERS) == 0
    await cancel(tasks)
    for participant in (publisher, receiver):
        await participant.close()
    servers.postgres.drop_database(publisher_database)


async def _all_timed_out(timed_out: list[str], wanted: list[str], times: int) -> bool:
    return all(timed_out.count(one) >= times for one in wanted)


async def _all_handled(handled: list[str], wanted: list[str]) -> bool:
    return sorted(handled) == sorted(wanted)
