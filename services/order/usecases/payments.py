"""Payments of orders, from events of the payment service, which may be late, repeated or out of order."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from uuid import UUID

import structlog

from chassis.database import Transaction
from services.order import queries
from services.order.app import OrderApp
from services.order.commands import RecordPayment, RecordRefund
from services.order.errors import PaymentMismatch
from services.order.model import states
from services.order.usecases.transitions import apply_confirmation, refund_if_payment_is_refunded

log = structlog.get_logger(__name__)


async def record_payment(app: OrderApp, tx: Transaction, command: RecordPayment) -> None:
    """Confirms a PENDING order. Raises PaymentMismatch for another amount than the total.

    For a cancelled order only the payment status changes: the payment service refunds it by itself.
    """
    order = await tx.one(queries.orders.GET_ORDER_HEAD, id=command.order_id)
    if order is None:
        log.warning("payment of an unknown order", order_id=str(command.order_id))
        return
    if command.amount != order.total:
        raise PaymentMismatch(order.id, command.amount, order.total)
    is_payable = order.status == states.PENDING and order.payment_status in states.UNPAID
    if is_payable and await apply_confirmation(app, tx, order):
        return
    note = "cash received" if command.is_cash else "payment received"
    await _update_payment_status(app, tx, order.id, states.PAYMENT_COMPLETED, states.UNPAID, note)


async def record_declined_payment(app: OrderApp, tx: Transaction, order_id: UUID) -> None:
    """The order can still be paid until it expires."""
    from_statuses = states.UNPAID - {states.PAYMENT_FAILED}
    await _update_payment_status(
        app, tx, order_id, states.PAYMENT_FAILED, from_statuses, "an attempt to pay was declined"
    )


async def record_refund(app: OrderApp, tx: Transaction, command: RecordRefund) -> None:
    """Adds a partial refund to the history. A full refund also moves a DELIVERED or CANCELLED order to REFUNDED."""
    order_id = command.order_id
    if not command.is_full:
        note = f"{command.amount} refunded"
        role = states.SYSTEM.role
        await tx.one(queries.changes.INSERT_NOTE, id=order_id, note=note, actor=role, actor_id=None, visible=True)
        tx.after_commit(lambda: app.watchers.wake(order_id))
        return
    from_statuses = states.UNPAID | {states.PAYMENT_COMPLETED}
    note = "payment refunded in full"
    await _update_payment_status(app, tx, order_id, states.PAYMENT_REFUNDED, from_statuses, note)
    order = await tx.one(queries.orders.GET_ORDER_HEAD, id=order_id)
    if order is not None:
        await refund_if_payment_is_refunded(app, tx, order, command.refunded_total)


async def _update_payment_status(
    app: OrderApp, tx: Transaction, order_id: UUID, status: str, from_statuses: AbstractSet[str], note: str
) -> None:
    version = await tx.one(
        queries.changes.UPDATE_PAYMENT_STATUS,
        id=order_id,
        payment_status=status,
        from_statuses=sorted(from_statuses),
        note=note,
    )
    if version is not None:
        tx.after_commit(lambda: app.watchers.wake(order_id))
