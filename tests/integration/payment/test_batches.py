"""Batches: payments that are started concurrently share a transaction, and each gets its own result."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import grpc
import pytest
from jainshikanji.order.v1.events_pb2 import OrderCancelled
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod
from psycopg.errors import CheckViolation

from chassis import ids
from chassis.batching import Batcher
from chassis.clock import now
from chassis.database import sql
from chassis.events.bus import EventMeta
from chassis.rpc.call import ANONYMOUS
from services.payment import queries
from services.payment.commands import StartPayment
from services.payment.errors import OrderHasPayment
from services.payment.rows import NewPayment, PaymentRow
from services.payment.usecases import payments
from tests.harness import rpc_error
from tests.integration.payment.world import Sale, World


class StoredRow(NamedTuple):
    id: UUID
    status: str
    transaction: str


class DueRow(NamedTuple):
    expires_at: datetime
    order_check_at: datetime


ROWS = sql(
    "SELECT id, status, xmin::text AS transaction FROM payments WHERE order_id = ANY(%(order_ids)s::uuid[])",
    row=StoredRow,
)
TIMES = sql("SELECT expires_at, order_check_at FROM payments WHERE id = %(payment_id)s", row=DueRow)


def cash(world: World, amount: int = 24900) -> Sale:
    """A COD payment: it does not change after it was inserted."""
    return world.sale(method=PaymentMethod.COD, amount=amount)


def command(sale: Sale, **changes: Any) -> StartPayment:
    values: dict[str, Any] = {
        "payment_id": UUID(sale.payment_id),
        "order_id": UUID(sale.order_id),
        "customer_id": sale.customer_id,
        "store_id": sale.store_id,
        "order_number": "JS-7K2M-94QX",
        "amount": Decimal(sale.amount) / 100,
        "currency": "INR",
        "payment_method": "cod",
        "expires_at": None,
    }
    return StartPayment(**{**values, **changes})


async def start_together(world: World, *commands: StartPayment) -> list[Any]:
    """The row or the error of each command, when all share a transaction because the one before is blocked."""
    inserts: Batcher[NewPayment, PaymentRow] = Batcher(partial(payments.insert_payments, world.app))
    first = command(cash(world))

    def start(each: StartPayment) -> asyncio.Task[PaymentRow]:
        work = payments.start_payment(world.app, ANONYMOUS, each, inserts, timeout_seconds=1.0)
        return asyncio.create_task(work)

    async with world.db.transaction() as tx:
        await tx.run(queries.LOCK_ORDERS, order_ids=[first.order_id])
        blocked = start(first)
        await asyncio.sleep(0.01)
        waiting = [start(each) for each in commands]
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in [blocked, *waiting])
    await blocked
    return await asyncio.gather(*waiting, return_exceptions=True)


async def rows_of(world: World, sales: Sequence[Sale]) -> list[StoredRow]:
    rows: list[StoredRow] = await world.db.all(ROWS, order_ids=[UUID(sale.order_id) for sale in sales])
    return rows


async def test_concurrent_calls_share_transactions(world: World) -> None:
    sales = [cash(world) for _ in range(100)]
    started = await asyncio.gather(*(sale.start() for sale in sales))
    assert [payment.id for payment in started] == [sale.payment_id for sale in sales]
    rows = await rows_of(world, sales)
    assert {str(row.id) for row in rows} == {sale.payment_id for sale in sales}
    assert len({row.transaction for row in rows}) <= 50


async def test_waiting_payments_are_inserted_by_one_transaction(world: World) -> None:
    sales = [cash(world) for _ in range(20)]
    started = await start_together(world, *map(command, sales))
    assert [str(payment.id) for payment in started] == [sale.payment_id for sale in sales]
    rows = await rows_of(world, sales)
    assert (len(rows), len({row.transaction for row in rows})) == (20, 1)


async def test_payments_of_all_kinds_share_a_transaction(world: World) -> None:
    online, in_cash, free = (
        command(world.sale(), payment_method="upi"),
        command(cash(world)),
        command(cash(world, amount=0)),
    )
    paid_online, paid_in_cash, paid = await start_together(world, online, in_cash, free)
    assert (paid_online.provider, paid_online.status) == ("razorpay", "pending")
    assert paid_online.provider_order_id.startswith("order_")
    times = await world.db.one(TIMES, payment_id=paid_online.id)
    assert paid_online.expires_at == times.expires_at < times.order_check_at
    assert (paid_in_cash.provider, paid_in_cash.status, paid_in_cash.expires_at) == (None, "pending", None)
    assert (paid.provider, paid.status) == (None, "completed")


async def test_two_payments_of_one_order_in_a_batch_get_the_results_of_two_calls(world: World) -> None:
    sale, elsewhere = cash(world), cash(world)
    first, same, other_payment, other_order, other_amount = await start_together(
        world,
        command(sale),
        command(sale),
        command(sale, payment_id=ids.new_id()),
        command(sale, order_id=UUID(elsewhere.order_id)),
        command(sale, amount=Decimal(1)),
    )
    assert str(first.id) == sale.payment_id
    assert first == same
    assert [type(each) for each in (other_payment, other_order, other_amount)] == [OrderHasPayment] * 3
    assert [str(row.id) for row in await rows_of(world, [sale, elsewhere])] == [sale.payment_id]


@pytest.mark.parametrize("descending", [False, True])
async def test_the_first_of_two_payments_of_an_order_is_inserted_for_any_order_of_their_ids(
    world: World, descending: bool
) -> None:
    sale = cash(world)
    first, second = sorted((ids.new_id(), ids.new_id()), reverse=descending)
    inserted, rejected = await start_together(world, command(sale, payment_id=first), command(sale, payment_id=second))
    assert inserted.id == first
    assert isinstance(rejected, OrderHasPayment)


async def test_an_order_with_another_payment_rejects_only_its_own(world: World) -> None:
    taken, free = cash(world), [cash(world) for _ in range(3)]
    before = await taken.start()
    again, rejected, *inserted = await start_together(
        world, command(taken), command(taken, payment_id=ids.new_id()), *map(command, free)
    )
    assert str(again.id) == before.id
    assert isinstance(rejected, OrderHasPayment)
    assert [str(payment.id) for payment in inserted] == [sale.payment_id for sale in free]
    assert len({row.transaction for row in await rows_of(world, free)}) == 1


async def test_an_error_reaches_only_its_caller(world: World) -> None:
    taken, free = cash(world), [cash(world) for _ in range(8)]
    await taken.start()
    other = taken.request(payment_id=str(ids.new_id()))
    rejected, *started = await asyncio.gather(
        world.as_order().StartPayment(other), *(sale.start() for sale in free), return_exceptions=True
    )
    assert isinstance(rejected, grpc.aio.AioRpcError)
    assert rpc_error(rejected).reason == "ORDER_HAS_PAYMENT"
    assert [payment.id for payment in started] == [sale.payment_id for sale in free]


async def test_a_payment_that_cannot_be_inserted_fails_alone(world: World) -> None:
    good, bad = [cash(world) for _ in range(3)], cash(world)
    failed, *inserted = await start_together(world, command(bad, amount=Decimal(-1)), *map(command, good))
    assert isinstance(failed, CheckViolation)
    assert [str(payment.id) for payment in inserted] == [sale.payment_id for sale in good]
    assert len(await rows_of(world, [*good, bad])) == 3


async def test_an_outcome_that_arrived_before_the_payment_is_applied(world: World) -> None:
    cancelled, delivered, waiting, free = cash(world), cash(world), cash(world), cash(world, amount=0)
    await cancelled.cancelled()
    await delivered.delivered()
    await world.platform.settled()
    sales = [cancelled, delivered, waiting, free]
    started = await start_together(world, *map(command, sales))
    assert [payment.status for payment in started] == ["cancelled", "completed", "pending", "completed"]
    published = [[type(event).__name__ for event in await sale.events()] for sale in sales]
    assert published == [[], ["PaymentCompleted"], [], ["PaymentCompleted"]]


@pytest.mark.parametrize("delay", [0.0, 0.002])
async def test_starts_and_outcomes_of_the_same_orders_do_not_deadlock(world: World, delay: float) -> None:
    """In either order every payment is cancelled."""

    async def end(sales: Sequence[Sale]) -> None:
        await asyncio.sleep(delay)
        await world.process.consumer.apply([(OrderCancelled(order_id=sale.order_id), meta()) for sale in sales])

    for _ in range(150):
        sales = [cash(world) for _ in range(6)]
        new_payments = [new_payment(sale) for sale in sales]
        await asyncio.gather(payments.insert_payments(world.app, new_payments), end(sales[::-1]), end(sales))
        assert [row.status for row in await rows_of(world, sales)] == ["cancelled"] * 6


def new_payment(sale: Sale) -> NewPayment:
    return NewPayment(
        id=UUID(sale.payment_id),
        order_id=UUID(sale.order_id),
        customer_id=sale.customer_id,
        store_id=sale.store_id,
        order_number="JS-7K2M-94QX",
        payment_method="cod",
        provider=None,
        amount=Decimal(sale.amount) / 100,
        currency="INR",
        expires_at=None,
        order_check_at=None,
    )


def meta() -> EventMeta:
    event_type = OrderCancelled.DESCRIPTOR.full_name
    return EventMeta(ids.new_id(), event_type, "order", key="", version=1, occurred_at=now())
