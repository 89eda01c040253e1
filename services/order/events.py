"""The events that the service consumes, and those to which each replica subscribes."""

from __future__ import annotations

from uuid import UUID

from jainshikanji.customer.v1.events_pb2 import CustomerErased
from jainshikanji.loyalty.v1.events_pb2 import PointsEarned, PointsReversed
from jainshikanji.order.v1 import events_pb2
from jainshikanji.payment.v1.events_pb2 import PaymentCompleted, PaymentFailed, RefundProcessed
from jainshikanji.review.v1.events_pb2 import ReviewPosted, ReviewUpdated
from jainshikanji.store.v1.events_pb2 import StaffGranted, StaffRevoked

from chassis.database import Transaction
from chassis.events.bus import EventMeta
from chassis.events.consumer import Handlers
from chassis.process.service import Listeners
from services.order import usecases, wire
from services.order.app import OrderApp

OrderEvent = (
    events_pb2.OrderConfirmed
    | events_pb2.OrderPreparing
    | events_pb2.OrderReady
    | events_pb2.OrderDispatched
    | events_pb2.OrderDelivered
    | events_pb2.OrderCancelled
    | events_pb2.OrderRefunded
    | events_pb2.OrderAssigned
)


async def on_payment_completed(app: OrderApp, tx: Transaction, event: PaymentCompleted, meta: EventMeta) -> None:
    """Confirms the order."""
    await usecases.payments.record_payment(app, tx, wire.events.record_payment_from_event(event))


async def on_payment_failed(app: OrderApp, tx: Transaction, event: PaymentFailed, meta: EventMeta) -> None:
    """Records the declined attempt."""
    await usecases.payments.record_declined_payment(app, tx, UUID(event.order_id))


async def on_refund_processed(app: OrderApp, tx: Transaction, event: RefundProcessed, meta: EventMeta) -> None:
    """Records the refund."""
    await usecases.payments.record_refund(app, tx, wire.events.record_refund_from_event(event))


async def on_points_changed(
    app: OrderApp, tx: Transaction, event: PointsEarned | PointsReversed, meta: EventMeta
) -> None:
    """Updates the copy of the order's points. Points without an order are ignored."""
    if event.order_id:
        await usecases.copies.update_points(app, tx, UUID(event.order_id), event.order_points)


async def on_review_changed(
    app: OrderApp, tx: Transaction, event: ReviewPosted | ReviewUpdated, meta: EventMeta
) -> None:
    """Updates the copy of the order's rating."""
    if event.order_rating:
        await usecases.copies.update_rating(app, tx, UUID(event.order_id), event.order_rating)


async def on_staff_changed(app: OrderApp, tx: Transaction, event: StaffGranted | StaffRevoked, meta: EventMeta) -> None:
    """Updates the copy of the store's staff."""
    await usecases.copies.upsert_staff(app, tx, wire.events.store_staff_from_event(event))


async def on_customer_erased(app: OrderApp, tx: Transaction, event: CustomerErased, meta: EventMeta) -> None:
    """Erases the personal data in the customer's orders."""
    await usecases.erasure.erase_customer(app, tx, UUID(event.customer_id))


def wake_watchers(app: OrderApp, event: OrderEvent) -> None:
    """Wakes this replica's streams of an order that another replica may have changed."""
    app.watchers.wake(UUID(event.order_id))


HANDLERS: Handlers = {
    PaymentCompleted: on_payment_completed,
    PaymentFailed: on_payment_failed,
    RefundProcessed: on_refund_processed,
    PointsEarned: on_points_changed,
    PointsReversed: on_points_changed,
    ReviewPosted: on_review_changed,
    ReviewUpdated: on_review_changed,
    CustomerErased: on_customer_erased,
    StaffGranted: on_staff_changed,
    StaffRevoked: on_staff_changed,
}

LISTENERS: Listeners = dict.fromkeys(
    [
        events_pb2.OrderConfirmed,
        events_pb2.OrderPreparing,
        events_pb2.OrderReady,
        events_pb2.OrderDispatched,
        events_pb2.OrderDelivered,
        events_pb2.OrderCancelled,
        events_pb2.OrderRefunded,
        events_pb2.OrderAssigned,
    ],
    wake_watchers,
)
