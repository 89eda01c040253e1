"""Payments that are started at the same time are written together, and each is answered as if it were alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import grpc
import pytest
from jainshikanji.order.v1.events_pb2 import OrderCancelled
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod
from psycopg.errors import CheckViolation

from chassis import ids
from chassis.batching import Batcher
from chassis.clock import now
from chassis.database import Row, sql
from chassis.events.bus import EventMeta
from services.payment import queries as q
from services.payment.model import OrderHasPayment
from services.payment.usecases import payments
from services.payment.usecases.payments import NewPayment, Opening
from tests.harness import refusal
from tests.integration.payment.world import Sale, World

ROWS = sql("SELECT id, status, xmin::text AS transaction FROM payments WHERE order_id = ANY(%(order_ids)s::uuid[])")


def cash(world: World, amount: int = 24900) -> Sale:
    """Nothing changes such a payment after it was written."""
    return world.sale(method=PaymentMethod.COD, amount=amount)


def new_payment(sale: Sale, **changes: Any) -> NewPayment:
    values: dict[str, Any] = {
        "id": UUID(sale.payment_id),
        "order_id": UUID(sale.order_id),
        "customer_id": sale.customer_id,
        "store_id": sale.store_id,
        "order_number": "JS-7K2M-94QX",
        "amount": Decimal(sale.amount) / 100,
        "currency": "INR",
        "method": "cod",
        "expires_at": None,
    }
    return NewPayment(**{**values, **changes})


async def start_together(world: World, *several: NewPayment) -> list[Any]:
    """What each comes to, a row or an error, when all wait for the same transaction: the one before is held up."""
    writes: Batcher[Opening, Row] = Batcher(partial(payments.write_all, world.app))
    ahead = new_payment(cash(world))

    def start(new: NewPayment) -> asyncio.Task[Row]:
        return asyncio.create_task(payments.start(world.app, writes, new, patience=1.0))

    async with world.db.transaction() as tx:
        await tx.run(q.LOCK_ORDERS, order_ids=[ahead.order_id])
        held_up = start(ahead)
        await asyncio.sleep(0.01)
        waiting = [start(new) for new in several]
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in [held_up, *waiting])
    await held_up
    return await asyncio.gather(*waiting, return_exceptions=True)


async def rows_of(world: World, sales: Sequence[Sale]) -> list[Row]:
    rows: list[Row] = await world.db.all(ROWS, order_ids=[UUID(sale.order_id) for sale in sales])
    return rows


async def test_many_calls_at_once_share_transactions(world: World) -> None:
    sales = [cash(world) for _ in range(100)]
    started = await asyncio.gather(*(sale.start() for sale in sales))
    assert [payment.id for payment in started] == [sale.payment_id for sale in sales]
    rows = await rows_of(world, sales)
    assert {str(row.id) for row in rows} == {sale.payment_id for sale in sales}
    assert len({row.transaction for row in rows}) <= 50


async def test_what_waits_together_is_written_by_one_transaction(world: World) -> None:
    sales = [cash(world) for _ in range(20)]
    started = await start_together(world, *map(new_payment, sales))
    assert [str(payment.id) for payment in started] == [sale.payment_id for sale in sales]
    rows = await rows_of(world, sales)
    assert (len(rows), len({row.transaction for row in rows})) == (20, 1)


async def test_payments_of_all_kinds_are_written_together(world: World) -> None:
    online, at_the_door, nothing = (
        new_payment(world.sale(), method="upi"),
        new_payment(cash(world)),
        new_payment(cash(world, amount=0)),
    )
    paid_online, paid_in_cash, paid = await start_together(world, online, at_the_door, nothing)
    assert (paid_online.provider, paid_online.status) == ("razorpay", "pending")
    assert paid_online.provider_order_id.startswith("order_")
    assert paid_online.expires_at < paid_online.order_check_at
    assert (paid_in_cash.provider, paid_in_cash.status, paid_in_cash.expires_at) == (None, "pending", None)
    assert (paid.provider, paid.status) == (None, "completed")


async def test_twins_are_answered_as_if_the_second_came_later(world: World) -> None:
    sale, elsewhere = cash(world), cash(world)
    first, same, other_payment, other_order, other_amount = await start_together(
        world,
        new_payment(sale),
        new_payment(sale),
        new_payment(sale, id=ids.new_id()),
        new_payment(sale, order_id=UUID(elsewhere.order_id)),
        new_payment(sale, amount=Decimal(1)),
    )
    assert str(first.id) == sale.payment_id
    assert first == same
    assert [type(each) for each in (other_payment, other_order, other_amount)] == [OrderHasPayment] * 3
    assert [str(row.id) for row in await rows_of(world, [sale, elsewhere])] == [sale.payment_id]


@pytest.mark.parametrize("falling", [False, True])
async def test_the_first_of_two_payments_of_an_order_is_written_whatever_their_ids(world: World, falling: bool) -> None:
    sale = cash(world)
    first, second = sorted((ids.new_id(), ids.new_id()), reverse=falling)
    written, refused = await start_together(world, new_payment(sale, id=first), new_payment(sale, id=second))
    assert written.id == first
    assert isinstance(refused, OrderHasPayment)


async def test_an_order_that_has_another_payment_refuses_only_its_own(world: World) -> None:
    taken, free = cash(world), [cash(world) for _ in range(3)]
    before = await taken.start()
    again, refused, *written = await start_together(
        world, new_payment(taken), new_payment(taken, id=ids.new_id()), *map(new_payment, free)
    )
    assert str(again.id) == before.id
    assert isinstance(refused, OrderHasPayment)
    assert [str(payment.id) for payment in written] == [sale.payment_id for sale in free]
    assert len({row.transaction for row in await rows_of(world, free)}) == 1


async def test_the_refusal_reaches_its_caller_only(world: World) -> None:
    taken, free = cash(world), [cash(world) for _ in range(8)]
    await taken.start()
    other = taken.request(payment_id=str(ids.new_id()))
    refused, *started = await asyncio.gather(
        world.as_order().StartPayment(other), *(sale.start() for sale in free), return_exceptions=True
    )
    assert isinstance(refused, grpc.aio.AioRpcError)
    assert refusal(refused).reason == "ORDER_HAS_PAYMENT"
    assert [payment.id for payment in started] == [sale.payment_id for sale in free]


async def test_a_payment_that_cannot_be_written_harms_only_itself(world: World) -> None:
    good, bad = [cash(world) for _ in range(3)], cash(world)
    failed, *written = await start_together(world, new_payment(bad, amount=Decimal(-1)), *map(new_payment, good))
    assert isinstance(failed, CheckViolation)
    assert [str(payment.id) for payment in written] == [sale.payment_id for sale in good]
    assert len(await rows_of(world, [*good, bad])) == 3


async def test_an_end_that_came_before_is_applied_to_the_payment_of_its_order(world: World) -> None:
    cancelled, delivered, waiting, free = cash(world), cash(world), cash(world), cash(world, amount=0)
    await cancelled.cancelled()
    await delivered.delivered()
    await world.platform.settled()
    sales = [cancelled, delivered, waiting, free]
    started = await start_together(world, *map(new_payment, sales))
    assert [payment.status for payment in started] == ["cancelled", "completed", "pending", "completed"]
    told = [[type(event).__name__ for event in await sale.events()] for sale in sales]
    assert told == [[], ["PaymentCompleted"], [], ["PaymentCompleted"]]


@pytest.mark.parametrize("late", [0.0, 0.002])
async def test_starts_and_ends_of_the_same_orders_do_not_wait_for_each_other(world: World, late: float) -> None:
    """Whichever side is first: no deadlock, and every payment ends up cancelled."""

    async def end(sales: Sequence[Sale]) -> None:
        await asyncio.sleep(late)
        await world.process.consumer.apply([(OrderCancelled(order_id=sale.order_id), meta()) for sale in sales])

    for _ in range(150):
        sales = [cash(world) for _ in range(6)]
        openings: list[Opening] = [(new_payment(sale), None) for sale in sales]
        await asyncio.gather(payments.write_all(world.app, openings), end(sales[::-1]), end(sales))
        assert [row.status for row in await rows_of(world, sales)] == ["cancelled"] * 6


def meta() -> EventMeta:
    event_type = OrderCancelled.DESCRIPTOR.full_name
    return EventMeta(ids.new_id(), event_type, "order", key="", version=1, occurred_at=now())
