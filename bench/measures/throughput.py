"""Event throughput: a relay publishes a full outbox, a consumer handles a backlog; JetStream alone for comparison.

Inventory's relay publishes StockReserved, which only analytics consumes. Analytics is suspended (SIGSTOP) while the
relay runs and then finds a backlog, so each is measured alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from uuid import uuid4

import nats
import uvloop
from google.protobuf.timestamp_pb2 import Timestamp
from jainshikanji.inventory.v1.events_pb2 import EventStockLine, StockReserved
from nats.js.api import StorageType, StreamConfig

from bench.context import BenchContext
from bench.dataset import make_product_id
from bench.load import Load
from bench.rounds import Contender, Result, run_rounds
from bench.sections import Goal, Section, compute_ratio, find_result
from bench.stack import StackFailed
from chassis.events import outbox
from devstack.daemons import suspended

PUBLISH, RELAY = "JetStream alone, publish_async", "relay (inventory)"
FETCH, CONSUMER = "JetStream alone, fetch and ack", "consumer (analytics)"
_STREAM, _SUBJECT = "BENCH", "bench.event"
_DEADLINE_SECONDS = 120.0
_POLL_SECONDS = 0.02
_FETCH_BATCH = 500
_FILL = """
    INSERT INTO outbox (event_id, type, key, version, payload)
    SELECT uuidv7(), %s, %s, 1, %s FROM generate_series(1, %s)
"""
_UNPUBLISHED = "SELECT 1 FROM outbox WHERE published_at IS NULL LIMIT 1"
_NOW = "SELECT clock_timestamp()"
_HANDLED = "SELECT count(*) FROM inbox WHERE handled_at >= %s"


def measure(context: BenchContext) -> Section:
    """All contenders get the same number of events of the same size, in turns."""
    events, rounds = (5_000, 3) if context.fast else (40_000, 5)
    workload = _Workload(context, events)
    uvloop.run(_make_stream(workload.url))
    out = run_rounds(
        [workload.contender(PUBLISH, "nats"), workload.contender(RELAY, "inventory", "postgres", "nats")],
        lambda contender, _: workload.publish() if contender.name == PUBLISH else workload.relay(),
        rounds=rounds,
        seconds=0,
        warm_up=0,
        show_detail=context.show_detail,
    )
    back = run_rounds(
        [workload.contender(FETCH, "nats"), workload.contender(CONSUMER, "analytics", "postgres", "nats")],
        lambda contender, _: workload.fetch() if contender.name == FETCH else workload.consume(),
        rounds=rounds,
        seconds=0,
        warm_up=0,
        show_detail=context.show_detail,
    )
    uvloop.run(_remove_stream(workload.url))
    context.settle()
    return Section(
        f"events, {events:,} at a time",
        unit="events/s",
        results=[*out, *back],
        goals=[
            *_make_goals("relay", out, RELAY, PUBLISH, at_least=10_000, share=0.85),
            *_make_goals("consumer", back, CONSUMER, FETCH, at_least=8_000, share=0.5),
        ],
        notes=[
            "The JetStream rows run in one Python process, like the services; their processor time is that of NATS."
        ],
    )


def _make_goals(
    what: str, results: list[Result], name: str, floor: str, *, at_least: float, share: float
) -> list[Goal]:
    return [
        Goal(what, find_result(results, name).rate, at_least, unit="events/s"),
        Goal(f"{what} against JetStream alone", compute_ratio(results, name, floor), share),
    ]


class _Workload:
    """Sends one event many times by each contender."""

    def __init__(self, context: BenchContext, count: int) -> None:
        self._arena, self._count = context, count
        self.url = context.stack.processes.nats.url
        self._consumer = context.stack.processes.services["analytics"]
        now = Timestamp()
        now.GetCurrentTime()
        self._event = StockReserved(
            order_id=str(uuid4()),
            store_id=context.dataset.store_id,
            lines=[EventStockLine(product_id=make_product_id(number), quantity=1) for number in (1, 2, 3)],
            occurred_at=now,
        )
        self._payload = self._event.SerializeToString()

    def contender(self, name: str, *processes: str) -> Contender:
        """A contender whose turn begins when all events of the turn before are handled."""
        roots = self._arena.stack.processes.all()
        return Contender(name, self.url, {each: roots[each].process for each in processes}, prepare=self._arena.settle)

    def publish(self) -> Load:
        return self._measure(lambda: uvloop.run(_publish(self.url, self._payload, self._count)))

    def fetch(self) -> Load:
        uvloop.run(_publish(self.url, self._payload, self._count))
        return self._measure(lambda: uvloop.run(_fetch(self.url, self._count)))

    def relay(self) -> Load:
        with suspended(self._consumer):
            self._fill_outbox()
            return self._measure(self._wait_published)

    def consume(self) -> Load:
        with suspended(self._consumer):
            self._fill_outbox()
            self._wait_published()
            since = self._arena.connection("analytics").execute(_NOW).fetchone()
        assert since is not None
        return self._measure(lambda: self._wait(lambda: self._handled(since[0]) >= self._count))

    def _handled(self, since: object) -> int:
        row = self._arena.connection("analytics").execute(_HANDLED, (since,)).fetchone()
        assert row is not None
        return int(str(row[0]))

    def _fill_outbox(self) -> None:
        """Inserts all events in one transaction and notifies the relay, as another replica would."""
        connection = self._arena.connection("inventory")
        with connection.transaction():
            parameters = (self._event.DESCRIPTOR.full_name, str(uuid4()), self._payload, self._count)
            connection.execute(_FILL, parameters)
            connection.execute("SELECT pg_notify(%s, '')", (outbox.CHANNEL,))

    def _wait_published(self) -> None:
        connection = self._arena.connection("inventory")
        self._wait(lambda: connection.execute(_UNPUBLISHED).fetchone() is None)

    def _wait(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while not done():
            if time.monotonic() > deadline:
                raise StackFailed(f"{self._count:,} events were not handled after {_DEADLINE_SECONDS:.0f} s")
            time.sleep(_POLL_SECONDS)

    def _measure(self, work: Callable[[], object]) -> Load:
        begun = time.monotonic()
        work()
        seconds = time.monotonic() - begun
        return Load(self._count, seconds, 0, failed=0, broken=0, p50=0, p90=0, p99=0, worst=0, cpu=0)


async def _make_stream(url: str) -> None:
    client = await nats.connect(url)
    await client.jetstream().add_stream(StreamConfig(_STREAM, subjects=[_SUBJECT], storage=StorageType.FILE))
    await client.close()


async def _remove_stream(url: str) -> None:
    client = await nats.connect(url)
    await client.jetstream().delete_stream(_STREAM)
    await client.close()


async def _publish(url: str, payload: bytes, count: int) -> None:
    """Publishes in batches of the relay's size; each is acknowledged before the next."""
    client = await nats.connect(url)
    js = client.jetstream(publish_async_max_pending=4000)
    for _ in range(count // outbox.BATCH):
        acks = [
            await js.publish_async(_SUBJECT, payload, headers={"Nats-Msg-Id": str(uuid4())})
            for _ in range(outbox.BATCH)
        ]
        await asyncio.gather(*acks)
    await client.close()


async def _fetch(url: str, count: int) -> None:
    client = await nats.connect(url)
    js = client.jetstream()
    subscription = await js.pull_subscribe(_SUBJECT, durable="bench")
    left = count
    while left:
        for message in await subscription.fetch(min(left, _FETCH_BATCH)):
            await message.ack()
            left -= 1
    await subscription.unsubscribe()
    await client.close()
