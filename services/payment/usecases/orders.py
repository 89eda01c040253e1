"""Outcomes of orders, as events report them or as the order service answers when an event is missing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from chassis.clock import now
from chassis.database import Transaction
from chassis.database.rows import parameters
from services.payment import clients, queries
from services.payment.app import PaymentApp
from services.payment.model.states import CANCELLED, COMPLETED, OPEN, check_transition
from services.payment.rows import DueOrderCheckRow, NewOrderOutcome, PaymentRow
from services.payment.usecases import attempts, refunds
from services.payment.usecases.alarms import raise_alarm

BATCH: Final = 100
CHECK_INTERVAL: Final = timedelta(minutes=2)
# A payment whose order is unknown for longer raises an alarm.
UNKNOWN_FOR: Final = timedelta(days=1)


async def apply_order_outcomes(app: PaymentApp, tx: Transaction, outcomes: Sequence[NewOrderOutcome]) -> None:
    """Applies outcomes of orders to their payments; stores those whose payment has not been started yet.

    A cancelled order cancels its open payment or refunds a completed one; a delivered order completes its COD payment.
    """
    await tx.run(queries.LOCK_ORDERS, order_ids=[outcome.order_id for outcome in outcomes])
    for outcome in outcomes:
        payment = await tx.one(queries.LOCK_PAYMENT_OF_ORDER, order_id=outcome.order_id)
        if payment is None:
            await tx.run(queries.INSERT_ORDER_OUTCOME, **parameters(outcome))
        elif outcome.outcome == "delivered":
            await attempts.record_cash(app, tx, payment, outcome.actor)
        elif payment.status in OPEN:
            await cancel_payment(tx, payment)
        elif payment.status == COMPLETED:
            await refunds.refund_remainder(app, tx, payment.id, "the order was cancelled")


async def cancel_payment(tx: Transaction, payment: PaymentRow) -> None:
    """Cancels an open payment. Its order at the gateway can still be paid; such a capture is refunded."""
    check_transition(payment.status, CANCELLED)
    await tx.run(queries.SET_CANCELLED, payment_id=payment.id, before=payment.status)


async def check_due_orders(app: PaymentApp) -> None:
    """Queries the states of orders whose outcome is overdue, so that money is refunded even when an event is lost."""
    due = await app.db.all(queries.LIST_DUE_ORDER_CHECKS, limit=BATCH)
    if not due:
        return
    states = await clients.get_order_states(app, [check.order_id for check in due])
    settled: list[UUID] = []
    waiting: list[UUID] = []
    for check in due:
        state = states.get(check.order_id)
        if state == "cancelled":
            async with app.db.transaction() as tx:
                await apply_order_outcomes(app, tx, [NewOrderOutcome(check.order_id, "cancelled")])
            settled.append(check.id)
        elif state == "settled" or _is_order_missing(check, state):
            settled.append(check.id)
        else:
            waiting.append(check.id)
    await app.db.run(queries.CLEAR_ORDER_CHECKS, payment_ids=settled)
    await app.db.run(queries.POSTPONE_ORDER_CHECKS, payment_ids=waiting, delay=CHECK_INTERVAL)


def _is_order_missing(check: DueOrderCheckRow, state: clients.OrderState | None) -> bool:
    """Whether the order does not exist a day after its payment; raises an alarm then.

    A person must resolve it: the order database may have lost its most recent writes.
    """
    if state is not None or check.created_at > now() - UNKNOWN_FOR:
        return False
    raise_alarm("payment_of_unknown_order", payment_id=check.id, order_id=check.order_id)
    return True
