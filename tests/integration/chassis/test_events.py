"""Events from one database to another: outbox, relay, JetStream, consumer, inbox, dead letters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, NamedTuple
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
from tests.integration.chassis.participants import Participant, cancel, eventually, publish


class DeadLetterRow(NamedTuple):
    event_id: UUID
    attempts: int
    error: str


COUNT_INBOX = sql("SELECT count(*) FROM inbox", value=int)
LIST_DEAD_LETTERS = sql("SELECT event_id, attempts, error FROM dead_letters", row=DeadLetterRow)
COUNT_UNPUBLISHED = sql("SELECT count(*) FROM outbox WHERE published_at IS NULL", value=int)


@pytest_asyncio.fixture
async def participants(servers: Platform, nats: Nats) -> AsyncIterator[tuple[Participant, Participant]]:
    """A publisher with the name of review, and a consumer with a new name."""
    databases = [f"chassis_{ids.new_id().hex}" for _ in range(2)]
    for database in databases:
        servers.postgres.create_database(database, "review")
    publisher = Participant("review", servers.postgres.url("review", databases[0]), nats.url)
    receiver = Participant(databases[1], servers.postgres.url("review", databases[1]), nats.url)
    await publisher.open()
    await receiver.open()
    yield publisher, receiver
    await publisher.close()
    await receiver.close()
    for database in databases:
        servers.postgres.drop_database(database)


async def test_a_committed_event_reaches_the_handler_once_with_its_attributes(
    participants: tuple[Participant, Participant],
) -> None:
    publisher, receiver = participants
    received_events: list[tuple[str, Any]] = []

    async def record(app: Any, tx: Any, event: ReviewPosted, meta: Any) -> None:
        received_events.append((event.review_id, meta))

    wanted = str(ids.new_id())
    tasks = [
        asyncio.create_task(publisher.relay().run()),
        asyncio.create_task(receiver.consumer({ReviewPosted: record}).run()),
    ]
    await publish(publisher, wanted)
    await eventually(lambda: _true(any(review == wanted for review, _ in received_events)))
    meta = next(meta for review, meta in received_events if review == wanted)
    assert (meta.source, meta.key, meta.version) == ("review", wanted, 1)
    assert meta.type == ReviewPosted.DESCRIPTOR.full_name
    await eventually(lambda: _equal(publisher.db.one(COUNT_UNPUBLISHED), 0))
    await cancel(tasks)


async def test_an_event_of_a_rolled_back_transaction_is_not_published(
    participants: tuple[Participant, Participant],
) -> None:
    publisher, _ = participants
    with pytest.raises(RuntimeError):
        async with publisher.db.transaction() as tx:
            tx.publish(ReviewPosted(review_id=str(ids.new_id())), key="x")
            raise RuntimeError
    assert await publisher.db.one(COUNT_UNPUBLISHED) == 0


async def test_an_event_of_a_rolled_back_savepoint_is_not_published(
    participants: tuple[Participant, Participant],
) -> None:
    publisher, _ = participants
    async with publisher.db.transaction() as tx:
        tx.publish(ReviewPosted(review_id=str(ids.new_id())), key="kept")
        with pytest.raises(RuntimeError):
            async with tx.savepoint():
                tx.publish(ReviewPosted(review_id=str(ids.new_id())), key="lost")
                raise RuntimeError
    assert await publisher.db.one(COUNT_UNPUBLISHED) == 1


async def test_a_redelivered_event_has_no_second_effect(participants: tuple[Participant, Participant]) -> None:
    _, receiver = participants
    seen: list[UUID] = []

    @batch
    async def record(app: Any, tx: Any, received: list[Any]) -> None:
        seen.extend(meta.id for _, meta in received)

    handler = receiver.consumer({ReviewPosted: record})
    meta = SimpleNamespace(id=ids.new_id(), type=ReviewPosted.DESCRIPTOR.full_name)
    event = ReviewPosted(review_id="a")
    await handler.apply([(event, meta), (event, meta)])
    await handler.apply([(event, meta)])
    assert seen == [meta.id]
    assert await receiver.db.one(COUNT_INBOX) == 1


async def test_a_poison_message_does_not_block_the_others_and_becomes_a_dead_letter(
    participants: tuple[Participant, Participant], monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher, receiver = participants
    monkeypatch.setattr(consumer, "BACKOFF_SECONDS", (0.01,))
    poison, others = str(ids.new_id()), [str(ids.new_id()) for _ in range(20)]
    handled: list[str] = []

    async def handle(app: Any, tx: Any, event: ReviewPosted, meta: Any) -> None:
        if event.review_id == poison:
            raise ValueError("cannot be handled")
        tx.after_commit(lambda: handled.append(event.review_id))

    tasks = [
        asyncio.create_task(publisher.relay().run()),
        asyncio.create_task(receiver.consumer({ReviewPosted: handle}).run()),
    ]
    await publish(publisher, *others[:10], poison, *others[10:])
    await eventually(lambda: _true(set(others) <= set(handled)))
    assert sorted(handled.count(other) for other in others) == [1] * 20
    await eventually(lambda: _length(receiver.db.all(LIST_DEAD_LETTERS), 1))
    (dead_letter,) = await receiver.db.all(LIST_DEAD_LETTERS)
    assert dead_letter.attempts == consumer.DELIVERIES
    assert "cannot be handled" in dead_letter.error
    await cancel(tasks)


async def test_one_of_two_relays_publishes_and_the_other_takes_over(
    participants: tuple[Participant, Participant],
) -> None:
    publisher, _ = participants
    first, second = asyncio.create_task(publisher.relay().run()), asyncio.create_task(publisher.relay().run())
    await publish(publisher, str(ids.new_id()))
    await eventually(lambda: _equal(publisher.db.one(COUNT_UNPUBLISHED), 0))
    await cancel([first])
    await publish(publisher, str(ids.new_id()))
    await eventually(lambda: _equal(publisher.db.one(COUNT_UNPUBLISHED), 0))
    await cancel([second])


async def _true(value: bool) -> bool:
    return value


async def _equal(value: Any, wanted: object) -> bool:
    return bool(await value == wanted)


async def _length(rows: Any, wanted: int) -> bool:
    return len(await rows) == wanted
