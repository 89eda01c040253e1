"""What other services' events do to orders. Events may come late, twice or in another order than they happened."""

from __future__ import annotations

from uuid import UUID

import structlog
from jainshikanji.customer.v1.events_pb2 import CustomerErased
from jainshikanji.loyalty.v1.events_pb2 import PointsEarned, PointsReversed
from jainshikanji.payment.v1.events_pb2 import PaymentCompleted, PaymentFailed, RefundProcessed
from jainshikanji.review.v1.events_pb2 import ReviewPosted, ReviewUpdated
from jainshikanji.store.v1.events_pb2 import StaffGranted, StaffRevoked
from jainshikanji.store.v1.staff_pb2 import StaffJob

from chassis.database import Transaction
from chassis.events.bus import EventMeta
from chassis.money import money_from_proto
from services.order.app import OrderApp
from services.order.model import states
from services.order.queries import changing as q
from services.order.queries import reading
from services.order.usecases import lifecycle
from services.order.wire import contacts

log = structlog.get_logger(__name__)


class PaymentMismatch(Exception):
    """A payment of another amount than the order's: it confirms nothing, and somebody has to look at it."""

    def __init__(self, order_id: str, paid: int, total: int) -> None:
        super().__init__(f"order {order_id} costs {total} minor units, {paid} were paid")


async def confirm_paid_order(app: OrderApp, tx: Transaction, event: PaymentCompleted, _: EventMeta) -> None:
    """PENDING becomes CONFIRMED. A cancelled order only notes it: payment gives that money back by itself."""
    row = await tx.one(reading.OWN_HEAD, id=UUID(event.order_id))
    if row is None:
        log.warning("a payment for an order that is not here", order_id=event.order_id)
        return
    if event.amount.minor_units != row.total:
        raise PaymentMismatch(event.order_id, event.amount.minor_units, row.total)
    if row.status == states.PENDING and row.payment_status in states.UNPAID and await lifecycle.confirm(app, tx, row):
        return
    note = "cash received" if event.cash else "payment received"
    await _note_payment(app, tx, row.id, "completed", states.UNPAID, note)


async def note_declined_attempt(app: OrderApp, tx: Transaction, event: PaymentFailed, _: EventMeta) -> None:
    """The order stays payable until its time is over."""
    await _note_payment(
        app, tx, UUID(event.order_id), "failed", {"pending", "processing"}, "an attempt to pay was declined"
    )


async def note_refund(app: OrderApp, tx: Transaction, event: RefundProcessed, _: EventMeta) -> None:
    """A part is only told. Everything: the payment is REFUNDED, and so is an order that is DELIVERED or CANCELLED."""
    order_id = UUID(event.order_id)
    if not event.fully:
        note = f"{money_from_proto(event.amount)} refunded"
        await tx.one(q.NOTE, id=order_id, note=note, actor="system", actor_id=None, visible=True)
        tx.after_commit(lambda: app.watchers.wake(order_id))
        return
    paid = {*states.UNPAID, "completed"}
    await _note_payment(app, tx, order_id, "refunded", paid, "everything paid has gone back")
    row = await tx.one(reading.OWN_HEAD, id=order_id)
    if row is not None:
        await lifecycle.refund_if_money_is_back(app, tx, row, event.refunded_total.minor_units)


async def _note_payment(
    app: OrderApp, tx: Transaction, order_id: UUID, status: str, from_statuses: frozenset[str] | set[str], note: str
) -> None:
    changed = await tx.value(
        q.SET_PAYMENT_STATUS, id=order_id, payment_status=status, from_statuses=sorted(from_statuses), note=note
    )
    if changed is not None:
        tx.after_commit(lambda: app.watchers.wake(order_id))


async def copy_points(_: OrderApp, tx: Transaction, event: PointsEarned | PointsReversed, __: EventMeta) -> None:
    """What the order has earned by now, reversals taken off."""
    if event.order_id:
        await tx.run(q.COPY_POINTS, id=UUID(event.order_id), points=event.order_points)


async def copy_rating(_: OrderApp, tx: Transaction, event: ReviewPosted | ReviewUpdated, __: EventMeta) -> None:
    """The mean of what the customer gave the order's products."""
    if event.order_rating:
        await tx.run(q.COPY_RATING, id=UUID(event.order_id), rating=event.order_rating)


async def note_staff(app: OrderApp, tx: Transaction, event: StaffGranted | StaffRevoked, _: EventMeta) -> None:
    """Who may be given an order. A lower version than the last seen is stale."""
    await tx.run(
        q.HIRE,
        staff_id=UUID(event.staff_id),
        account_id=UUID(event.account_id),
        store_id=UUID(event.store_id),
        job=StaffJob.Value.Name(event.job).lower(),
        is_active=isinstance(event, StaffGranted),
        version=event.version,
    )


async def erase_customer(app: OrderApp, tx: Transaction, event: CustomerErased, _: EventMeta) -> None:
    """Removes everything personal from the customer's orders; amounts stay."""
    rows = await tx.all(q.ERASE_ORDERS, customer_id=UUID(event.customer_id), **contacts.erased(app.cipher))
    order_ids = [row.id for row in rows]
    for statement in (q.ERASE_ITEMS, q.ERASE_TIMELINE, q.ERASE_POSITIONS):
        await tx.run(statement, order_ids=order_ids)
