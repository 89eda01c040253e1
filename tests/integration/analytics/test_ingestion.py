"""Events change facts and roll-ups exactly once, in any order of arrival."""

from __future__ import annotations

import asyncio
import random
from collections import namedtuple
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from jainshikanji.customer.v1.events_pb2 import CustomerErased, CustomerRegistered
from jainshikanji.inventory.v1.events_pb2 import ProductOutOfStock, StockRestocked
from jainshikanji.review.v1.events_pb2 import ReviewPosted

from chassis.database import sql
from chassis.database.rows import column_names
from chassis.ids import new_id
from services.analytics.model.facts import OrderFact
from services.analytics.model.period import PLATFORM_ZONE
from services.analytics.model.rollups import MEASURES, Differences
from services.analytics.rows import OrderFactRow
from tests.integration.analytics.conftest import Published, PublishedOrder, World

DOSA, IDLI = new_id(), new_id()


class SalesRow(NamedTuple):
    placed: int
    gross: Decimal
    refunds: Decimal


class StoredEventRow(NamedTuple):
    id: UUID
    type: str
    source: str
    key: str
    version: int
    payload: dict[str, Any]


LIST_FACTS = sql(
    f"SELECT {column_names(OrderFactRow)} FROM order_facts WHERE store_id = %(store_id)s ORDER BY order_id",  # noqa: S608 - column names of the row type
    row=OrderFactRow,
)

ROLL_UPS = {
    "sales_hours": ("day, hour", ", ".join(MEASURES)),
    "sales_days": ("day", ", ".join(MEASURES)),
    "product_days": ("day, product_id", "quantity, orders, sales"),
    "customer_days": ("day, customer_id", "orders, revenue"),
}


async def roll_up(world: World, table: str, store_id: UUID, zone: str) -> list[tuple[Any, ...]]:
    """Rows of the roll-up that are not all zero, as `Differences` lists them."""
    keys, measures = ROLL_UPS[table]
    statement = (
        f"SELECT store_id, report_zone, {keys}, {measures} FROM {table} "  # noqa: S608 - text of this module
        f"WHERE store_id = %(store_id)s AND report_zone = %(zone)s ORDER BY {keys}"
    )
    row_type = namedtuple("row_type", ["store_id", "report_zone", *keys.split(", "), *measures.split(", ")])  # type: ignore[misc]
    rows = await world.app.db.all(sql(statement, row=row_type), store_id=store_id, zone=zone)
    return [tuple(row) for row in rows if any(row[2 + len(keys.split(",")) :])]


async def assert_roll_ups_are_the_sum_of_the_facts(world: World, store_id: UUID, zone: str) -> None:
    differences = Differences()
    for row in await world.app.db.all(LIST_FACTS, store_id=store_id):
        differences.change(OrderFact(row.order_id), OrderFact.from_row(row), zone)
    assert await roll_up(world, "sales_hours", store_id, zone) == differences.hours()
    assert await roll_up(world, "sales_days", store_id, zone) == differences.days()
    assert await roll_up(world, "product_days", store_id, zone) == differences.products()
    assert await roll_up(world, "customer_days", store_id, zone) == differences.customers()


def some_orders(store_id: UUID, count: int, chance: random.Random) -> list[PublishedOrder]:
    start = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
    guests = [new_id() for _ in range(max(1, count // 3))]
    orders = []
    for _ in range(count):
        order = PublishedOrder(
            store_id,
            chance.choice(guests),
            start + timedelta(minutes=chance.randrange(3 * 24 * 60)),
            total=chance.randrange(10000, 90000),
            lines=[
                (chance.choice([DOSA, IDLI]), chance.randrange(1, 4), chance.randrange(5000, 30000)) for _ in range(2)
            ],
        )
        fate = chance.randrange(6)
        if fate == 0:
            order.placed().cancelled()
        elif fate == 1:
            order.confirmed().cancelled().refunded(order.total)
        elif fate == 2:
            order.delivered().refunded(chance.randrange(1, 5000)).refunded(chance.randrange(1, 5000))
        elif fate == 3:
            order.confirmed()
        else:
            order.delivered()
        orders.append(order)
    return orders


def events_of(orders: list[PublishedOrder]) -> list[Published]:
    return [event for order in orders for event in order.events]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_shuffled_and_repeated_events_give_the_figures_of_the_orders_to_the_paisa(
    world: World, seed: int
) -> None:
    chance = random.Random(seed)
    store_id = await world.open_store()
    orders = some_orders(store_id, 60, chance)
    await world.publish(events_of(orders), shuffled=chance)
    await assert_roll_ups_are_the_sum_of_the_facts(world, store_id, PLATFORM_ZONE)
    totals = "SELECT sum(placed) AS placed, sum(gross) AS gross, sum(refunds) AS refunds FROM sales_days "
    sums = await world.app.db.one(sql(totals + "WHERE store_id = %(s)s", row=SalesRow), s=store_id)
    sold = [order for order in orders if "OrderConfirmed" in names(order) and "OrderCancelled" not in names(order)]
    refunds = sum(
        event.amount.minor_units
        for order in sold
        for event, _ in order.events
        if event.DESCRIPTOR.name == "RefundProcessed"
    )
    assert sums is not None
    assert sums.placed == 60
    assert sums.gross == Decimal(sum(order.total for order in sold)).scaleb(-2)
    assert sums.refunds == Decimal(refunds).scaleb(-2)


def names(order: PublishedOrder) -> set[str]:
    return {event.DESCRIPTOR.name for event, _ in order.events}


async def test_an_order_whose_first_event_comes_last_counts_from_then_on(world: World) -> None:
    store_id = await world.open_store()
    order = PublishedOrder(store_id, new_id(), datetime(2026, 3, 5, 6, 0, tzinfo=UTC)).delivered()
    first, *later = order.events
    await world.publish(later)
    assert await roll_up(world, "sales_days", store_id, PLATFORM_ZONE) == []
    await world.publish([first])
    [row] = await roll_up(world, "sales_days", store_id, PLATFORM_ZONE)
    assert row[2:7] == (date(2026, 3, 5), 1, 1, 0, 1)
    assert row[7:11] == (1, 12 * 60, 1, 20 * 60)


async def test_an_event_from_nats_is_stored_once_unchanged(world: World) -> None:
    event_id = new_id()
    event = StockRestocked(product_id=str(DOSA), store_id=str(new_id()), product_name="Dosa", current_stock=7)
    await world.platform.publish(event, event_ids=[event_id], key=event.product_id, version=3)
    stored = sql(
        "SELECT id, type, source, key, version, payload FROM events WHERE store_id = %(s)s", row=StoredEventRow
    )
    async with asyncio.timeout(20):
        while not (rows := await world.app.db.all(stored, s=UUID(event.store_id))):
            await asyncio.sleep(0.02)
    [row] = rows
    assert row[:5] == (event_id, event.DESCRIPTOR.full_name, "inventory", event.product_id, 3)
    assert (row.payload["productName"], row.payload["currentStock"]) == ("Dosa", 7)


async def test_events_of_any_age_are_stored(world: World) -> None:
    store_id = new_id()
    for year in (2001, 2026, 2199):
        event = ReviewPosted(review_id=str(new_id()), store_id=str(store_id), rating=year % 5)
        await world.publish([(event, datetime(year, 6, 1, tzinfo=UTC))])
    count = await world.app.db.one(sql("SELECT count(*) FROM events WHERE store_id = %(s)s", value=int), s=store_id)
    assert count == 3


async def test_orders_are_counted_again_when_the_time_zone_of_their_store_becomes_known(world: World) -> None:
    chance = random.Random(7)
    store_id = new_id()
    await world.publish(events_of(some_orders(store_id, 30, chance)))
    assert await roll_up(world, "sales_days", store_id, "Asia/Dubai") == []
    await world.move_store(store_id, "Asia/Dubai")
    await assert_roll_ups_are_the_sum_of_the_facts(world, store_id, "Asia/Dubai")
    await world.publish(events_of(some_orders(store_id, 30, chance)), shuffled=chance)
    for zone in ("Asia/Dubai", PLATFORM_ZONE):
        await assert_roll_ups_are_the_sum_of_the_facts(world, store_id, zone)
    await world.move_store(store_id, "Asia/Singapore", version=3)
    await assert_roll_ups_are_the_sum_of_the_facts(world, store_id, "Asia/Singapore")
    assert await roll_up(world, "sales_days", store_id, "Asia/Dubai") == []
    # An older version changes nothing.
    await world.move_store(store_id, "Asia/Tokyo", version=2)
    await assert_roll_ups_are_the_sum_of_the_facts(world, store_id, "Asia/Singapore")
    assert await roll_up(world, "sales_days", store_id, "Asia/Tokyo") == []


async def test_a_change_of_time_zone_during_orders_loses_no_order(world: World) -> None:
    chance = random.Random(11)
    store_id = await world.open_store()
    orders = [some_orders(store_id, 15, chance) for _ in range(6)]
    await asyncio.gather(
        *(world.publish(events_of(part), shuffled=chance) for part in orders),
        world.move_store(store_id, "Asia/Dubai"),
        world.move_store(store_id, "Asia/Singapore", version=3),
    )
    for zone in ("Asia/Singapore", PLATFORM_ZONE):
        await assert_roll_ups_are_the_sum_of_the_facts(world, store_id, zone)


async def test_a_stock_out_counts_once_and_erasure_removes_the_account_of_client_events(world: World) -> None:
    store_id, person = new_id(), new_id()
    reported = "INSERT INTO client_events (id, name, account_id, properties) "
    await world.app.db.run(sql(reported + "VALUES (uuidv7(), 'page_viewed', %(a)s, '{}')"), a=person)
    out = ProductOutOfStock(product_id=str(DOSA), store_id=str(store_id), product_name="Dosa")
    registered = CustomerRegistered(customer_id=str(person))
    await world.publish([(out, datetime.now(UTC)), (registered, datetime.now(UTC))])
    await world.publish([(CustomerErased(customer_id=str(person)), datetime.now(UTC))])
    db = world.app.db
    assert await db.one(sql("SELECT count(*) FROM stock_outs WHERE store_id = %(s)s", value=int), s=store_id) == 1
    assert await db.one(sql("SELECT count(*) FROM client_events WHERE account_id = %(a)s", value=int), a=person) == 0
