"""Bounds of a login: what hangs without a deadline ends by itself, and nothing is lost by it."""

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
from tests.integration.chassis.sides import Side, cancel, eventually, publish

SETTING = "SELECT current_setting(%s)"
WAITS_LONG = """
    SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()
      AND waitstart < clock_timestamp() - interval '500 ms'
"""
SLEEP = sql("SELECT pg_sleep(%(seconds)s)")
COUNT_LETTERS = sql("SELECT count(*) FROM dead_letters")
SEE = sql("UPDATE seen SET times = times + 1")
CALL = cast("Call", SimpleNamespace(method=SimpleNamespace(name="Wait"), request_id=""))


@pytest.fixture
def login(servers: Platform) -> Iterator[str]:
    """A login and a database of that name, without timeouts."""
    name = f"bounded_{ids.new_id().hex}"
    servers.postgres.create_database(name, owner=name)
    yield name
    servers.postgres.drop_database(name)


def bind(url: str, *, statement: str = "300ms", idle: str = "60s") -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for bound in timeouts.login_statements(statement, idle):
            connection.execute(bound.encode())


@pytest_asyncio.fixture
async def db(servers: Platform, login: str) -> AsyncIterator[Database]:
    """A service's database whose login has a short bound."""
    url = servers.postgres.url(login, login)
    bind(url, idle="300ms")
    database = Database(url, size=2, application=login, outbox=Outbox())
    await database.open()
    yield database
    await database.close()


async def test_a_statement_that_hangs_without_a_deadline_is_cut_and_its_connection_serves_on(db: Database) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(psycopg.errors.QueryCanceled) as cut:
            await db.run(SLEEP, seconds=60)
        assert await db.value(sql("SELECT 1")) == 1
    assert to_domain_error(cut.value, CALL).code is grpc.StatusCode.UNAVAILABLE


async def test_a_transaction_that_does_nothing_is_ended_and_worth_a_retry(db: Database) -> None:
    with pytest.raises(UNAVAILABLE_ERRORS) as ended:
        async with db.transaction() as tx:
            await tx.value(sql("SELECT 1"))
            await asyncio.sleep(1)
            await tx.value(sql("SELECT 1"))
    assert to_domain_error(cast("Exception", ended.value), CALL).code is grpc.StatusCode.UNAVAILABLE
    assert await db.value(sql("SELECT 1")) == 1


async def test_upkeep_may_take_longer_and_the_bound_is_back_after_it(db: Database) -> None:
    async with db.maintenance() as tx:
        await tx.run(SLEEP, seconds=0.6)
        assert await tx.value(sql("SHOW lock_timeout")) == timeouts.LOCK
    with pytest.raises(TIMEOUT_ERRORS):
        await db.run(SLEEP, seconds=60)


async def test_migrating_bounds_the_login_and_is_not_bound_itself(servers: Platform, login: str) -> None:
    url = servers.postgres.url(login, login)
    bind(url, statement="100ms", idle="100ms")
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
    """A migrator waits for the other one, longer than its login's bound, and then succeeds."""
    migrating = asyncio.create_task(asyncio.to_thread(migrations.migrate, "review", url))

    async def waits_long() -> bool:
        assert not migrating.done(), migrating.exception()
        return other.execute(WAITS_LONG).fetchone() is not None

    await eventually(waits_long)
    other.execute("SELECT pg_advisory_unlock_all()")
    other.commit()
    await migrating


async def test_a_batch_that_is_cut_comes_again_until_it_is_handled(
    servers: Platform, nats: Nats, login: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "BACKOFF_SECONDS", (0.01,))
    # With the second delivery an event that fails by itself would be given up.
    monkeypatch.setattr(consumer, "DELIVERIES", 2)
    url = servers.postgres.url(login, login)
    bind(url, statement="100ms")
    publisher_database = f"chassis_{ids.new_id().hex}"
    servers.postgres.create_database(publisher_database, "review")
    publisher = Side("review", servers.postgres.url("review", publisher_database), nats.url)
    hearer = Side(login, url, nats.url)
    for side in (publisher, hearer):
        await side.open()
    await hearer.db.run(sql("CREATE TABLE seen (times INTEGER NOT NULL)"))
    await hearer.db.run(sql("INSERT INTO seen VALUES (0)"))
    cuts: list[str] = []
    handled: list[str] = []

    async def see(app: Any, tx: Any, event: ReviewPosted, meta: Any) -> None:
        try:
            await tx.run(SEE)
        except TIMEOUT_ERRORS:
            cuts.append(event.review_id)
            raise
        tx.after_commit(lambda: handled.append(event.review_id))

    wanted = [str(ids.new_id()) for _ in range(3)]
    async with await psycopg.AsyncConnection.connect(servers.postgres.admin_url(login)) as blocker:
        await blocker.execute("LOCK TABLE seen")
        tasks = [
            asyncio.create_task(publisher.relay().run()),
            asyncio.create_task(hearer.consumer({ReviewPosted: see}).run()),
        ]
        await publish(publisher, *wanted)
        await eventually(lambda: _all_cut(cuts, wanted, times=4))
        await blocker.rollback()
    await eventually(lambda: _all_handled(handled, wanted))
    assert await hearer.db.value(sql("SELECT times FROM seen")) == len(wanted)
    assert await hearer.db.value(COUNT_LETTERS) == 0
    await cancel(tasks)
    for side in (publisher, hearer):
        await side.close()
    servers.postgres.drop_database(publisher_database)


async def _all_cut(cuts: list[str], wanted: list[str], times: int) -> bool:
    return all(cuts.count(one) >= times for one in wanted)


async def _all_handled(handled: list[str], wanted: list[str]) -> bool:
    return sorted(handled) == sorted(wanted)
