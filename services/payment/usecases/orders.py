"""The end of an order, as order tells it, and what order is asked when it has told nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from chassis.clock import now
from chassis.database import Row, Transaction
from services.payment import clients
from services.payment import queries as q
from services.payment.model import CANCELLED, COMPLETED, OPEN, step
from services.payment.usecases import attempts, refunds
from services.payment.usecases.alarms import alarm

if TYPE_CHECKING:
    from services.payment.app import PaymentApp

BATCH: Final = 100
ASK_AGAIN: Final = timedelta(minutes=2)
UNKNOWN_FOR: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class End:
    """An order was `cancelled`, or `delivered` and paid in cash, which `actor` took."""

    order_id: UUID
    outcome: str
    actor: UUID | None = None


async def end_all(app: PaymentApp, tx: Transaction, ends: Sequence[End]) -> None:
    """Applies ends of orders to their payments. Those whose payment is not there yet are remembered."""
    await tx.run(q.LOCK_ORDERS, order_ids=[end.order_id for end in ends])
    for end in ends:
        payment = await tx.one(q.LOCK_BY_ORDER, order_id=end.order_id)
        if payment is None:
            await tx.run(q.INSERT_OUTCOME, order_id=end.order_id, outcome=end.outcome, actor=end.actor)
        elif end.outcome == "delivered":
            await attempts.take_cash(app, tx, payment, end.actor)
        elif payment.status in OPEN:
            await cancel(tx, payment)
        elif payment.status == COMPLETED:
            await refunds.return_everything(app, tx, payment.id, "the order was cancelled")


async def cancel(tx: Transaction, payment: Row) -> None:
    """Gives an open payment up. Its gateway order may still be paid; that money would come back by itself."""
    step(payment.status, CANCELLED)
    await tx.run(q.SET_CANCELLED, id=payment.id, before=payment.status)


async def check_orders(app: PaymentApp) -> None:
    """Asks order about payments whose order should have been heard of: a lost event must not keep anybody's money."""
    due = await app.db.all(q.DUE_ORDER_CHECKS, limit=BATCH)
    if not due:
        return
    states = await clients.order_states(app, [payment.order_id for payment in due])
    settled: list[UUID] = []
    waiting: list[UUID] = []
    for payment in due:
        state = states.get(payment.order_id)
        if state == clients.CANCELLED:
            async with app.db.transaction() as tx:
                await end_all(app, tx, [End(payment.order_id, "cancelled")])
            settled.append(payment.id)
        elif state == clients.SETTLED or _unknown_for_long(payment, state):
            settled.append(payment.id)
        else:
            waiting.append(payment.id)
    await app.db.run(q.ORDER_CHECKED, ids=settled)
    await app.db.run(q.ORDER_CHECK_LATER, ids=waiting, after=ASK_AGAIN)


def _unknown_for_long(payment: Row, state: str | None) -> bool:
    """Money for an order that nobody knows is a person's to settle: it may be a database that lost its last hours."""
    if state is not None or payment.created_at > now() - UNKNOWN_FOR:
        return False
    alarm("payment_of_unknown_order", payment_id=payment.id, order_id=payment.order_id)
    return True
