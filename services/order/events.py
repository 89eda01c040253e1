"""Which event does what."""

from __future__ import annotations

from jainshikanji.customer.v1.events_pb2 import CustomerErased
from jainshikanji.loyalty.v1.events_pb2 import PointsEarned, PointsReversed
from jainshikanji.order.v1 import events_pb2 as own
from jainshikanji.payment.v1.events_pb2 import PaymentCompleted, PaymentFailed, RefundProcessed
from jainshikanji.review.v1.events_pb2 import ReviewPosted, ReviewUpdated
from jainshikanji.store.v1.events_pb2 import StaffGranted, StaffRevoked

from chassis.events.consumer import Handlers
from chassis.process.service import Listeners
from services.order.app import wake_watchers
from services.order.usecases import hearing

HANDLERS: Handlers = {
    PaymentCompleted: hearing.confirm_paid_order,
    PaymentFailed: hearing.note_declined_attempt,
    RefundProcessed: hearing.note_refund,
    PointsEarned: hearing.copy_points,
    PointsReversed: hearing.copy_points,
    ReviewPosted: hearing.copy_rating,
    ReviewUpdated: hearing.copy_rating,
    CustomerErased: hearing.erase_customer,
    StaffGranted: hearing.note_staff,
    StaffRevoked: hearing.note_staff,
}

# Every replica wakes its own watchers when an order changes in another one.
LISTENERS: Listeners = dict.fromkeys(
    [
        own.OrderConfirmed,
        own.OrderPreparing,
        own.OrderReady,
        own.OrderDispatched,
        own.OrderDelivered,
        own.OrderCancelled,
        own.OrderRefunded,
        own.OrderAssigned,
    ],
    wake_watchers,
)
