"""Events from one database to another: outbox, relay, JetStream, consumer, inbox, dead letters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from jainshikanji.review.v1.events_pb2 import ReviewPosted

from chassis import ids
from chassis.database import sql
from chassis.events import consumer
from chassis.events.consumer import batch
from devstack.nats import Nats
from tests.harness import Platform
from tests.integration.chassis.sides import Side, cancel, eventually, publish

COUNT_INBOX = sql("SELECT count(*) FROM inbox")
LETTERS = sql("SELECT event_id, attempts, error FROM dead_letters")
UNPUBLISHED = sql("SELECT count(*) FROM outbox WHERE published_at IS NULL")


@pytest_asyncio.fixture
async def sides(servers: Platform, nats: Nats) -> AsyncIterator[tuple[Side, Side]]:
    """A publisher with the name of review, and a consumer with a name of its own."""
    marks = [f"chassis_{ids.new_id().hex}" for _ in range(2)]
    for mark in marks:
        servers.postgres.create_database(mark, "review")
    publisher = Side("review", servers.postgres.url("review", marks[0]), nats.url)
    hearer = Side(marks[1], servers.postgres.url("review", marks[1]), nats.url)
    await publisher.open()
    await hearer.open()
    yield publisher, hearer
    await publisher.close()
    await hearer.close()
    for mark in marks:
        servers.postgres.drop_database(mark)


async def test_a_committed_event_reaches_the_handler_once_with_its_attributes(sides: tuple[Side, Side]) -> None:
    publisher, hearer = sides
    heard: list[tuple[str, Any]] = []

    async def remember(app: Any, tx: Any, event: ReviewPosted, meta: Any) -> None:
        heard.append((event.review_id, meta))

    wanted = str(ids.new_id())
    tasks = [
        asyncio.create_task(publisher.relay().run()),
        asyncio.create_task(hearer.consumer({ReviewPosted: remember}).run()),
    ]
    await publish(publisher, wanted)
    await eventually(lambda: _true(any(review == wanted for review, _ in heard)))
    meta = next(meta for review, meta in heard if review == wanted)
    assert (meta.source, meta.key, meta.version) == ("review", wanted, 1)
    assert meta.type == ReviewPosted.DESCRIPTOR.full_name
    await eventually(lambda: _equal(publisher.db.value(UNPUBLISHED), 0))
    await cancel(tasks)


async def test_an_event_of_a_rolled_back_transaction_is_never_written(sides: tuple[Side, Side]) -> None:
    publisher, _ = sides
    with pytest.raises(RuntimeError):
        async with publisher.db.transaction() as tx:
            tx.publish(ReviewPosted(review_id=str(ids.new_id())), key="x")
            raise RuntimeError
    assert await publisher.db.value(UNPUBLISHED) == 0


async def test_a_savepoint_that_fails_takes_its_events_with_it(sides: tuple[Side, Side]) -> None:
    publisher, _ = sides
    async with publisher.db.transaction() as tx:
        tx.publish(ReviewPosted(review_id=str(ids.new_id())), key="kept")
        with pytest.raises(RuntimeError):
            async with tx.savepoint():
                tx.publish(ReviewPosted(review_id=str(ids.new_id())), key="lost")
                raise RuntimeError
    assert await publisher.db.value(UNPUBLISHED) == 1


async def test_a_redelivered_event_has_no_second_effect(sides: tuple[Side, Side]) -> None:
    _, hearer = sides
    seen: list[UUID] = []

    @batch
    async def remember(app: Any, tx: Any, received: list[Any]) -> None:
        seen.extend(meta.id for _, meta in received)

    hearing = hearer.consumer({ReviewPosted: remember})
    meta = SimpleNamespace(id=ids.new_id(), type=ReviewPosted.DESCRIPTOR.full_name)
    event = ReviewPosted(review_id="a")
    await hearing.apply([(event, meta), (event, meta)])
    await hearing.apply([(event, meta)])
    assert seen == [meta.id]
    assert await hearer.db.value(COUNT_INBOX) == 1


async def test_one_poisonous_event_holds_up_nobody_and_ends_as_a_dead_letter(
    sides: tuple[Side, Side], monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher, hearer = sides
    monkeypatch.setattr(consumer, "BACKOFF_SECONDS", (0.01,))
    poison, others = str(ids.new_id()), [str(ids.new_id()) for _ in range(20)]
    handled: list[str] = []

    async def handle(app: Any, tx: Any, event: ReviewPosted, meta: Any) -> None:
        if event.review_id == poison:
            raise ValueError("cannot be handled")
        tx.after_commit(lambda: handled.append(event.review_id))

    tasks = [
        asyncio.create_task(publisher.relay().run()),
        asyncio.create_task(hearer.consumer({ReviewPosted: handle}).run()),
    ]
    await publish(publisher, *others[:10], poison, *others[10:])
    await eventually(lambda: _true(set(others) <= set(handled)))
    assert sorted(handled.count(other) for other in others) == [1] * 20
    await eventually(lambda: _length(hearer.db.all(LETTERS), 1))
    (letter,) = await hearer.db.all(LETTERS)
    assert letter.attempts == consumer.DELIVERIES
    assert "cannot be handled" in letter.error
    await cancel(tasks)


async def test_of_two_relays_one_publishes_and_the_other_takes_over(sides: tuple[Side, Side]) -> None:
    publisher, _ = sides
    first, second = asyncio.create_task(publisher.relay().run()), asyncio.create_task(publisher.relay().run())
    await publish(publisher, str(ids.new_id()))
    await eventually(lambda: _equal(publisher.db.value(UNPUBLISHED), 0))
    await cancel([first])
    await publish(publisher, str(ids.new_id()))
    await eventually(lambda: _equal(publisher.db.value(UNPUBLISHED), 0))
    await cancel([second])


async def _true(value: bool) -> bool:
    return value


async def _equal(value: Any, wanted: object) -> bool:
    return bool(await value == wanted)


async def _length(rows: Any, wanted: int) -> bool:
    return len(await rows) == wanted
