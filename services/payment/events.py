"""What payment hears."""

from __future__ import annotations

from uuid import UUID

from jainshikanji.customer.v1.events_pb2 import CustomerErased
from jainshikanji.order.v1.events_pb2 import OrderCancelled, OrderDelivered
from jainshikanji.order.v1.order_pb2 import PaymentMethod

from chassis import Handlers
from chassis.bus import EventMeta
from chassis.db import Transaction
from services.payment.app import PaymentApp
from services.payment.usecases import methods, orders


async def close_payment(app: PaymentApp, tx: Transaction, event: OrderCancelled, meta: EventMeta) -> None:
    """An open payment is given up, captured money goes back."""
    await orders.order_cancelled(app, tx, UUID(event.order_id))


async def book_cash(app: PaymentApp, tx: Transaction, event: OrderDelivered, meta: EventMeta) -> None:
    """DELIVERED says that the cash was received; orders without a payment had nothing to pay."""
    if event.payment_method == PaymentMethod.COD and event.total.minor_units > 0:
        actor = UUID(event.delivered_by) if event.delivered_by else None
        await orders.cash_received(app, tx, UUID(event.order_id), actor)


async def forget_saved_methods(app: PaymentApp, tx: Transaction, event: CustomerErased, meta: EventMeta) -> None:
    await methods.forget_customer(tx, UUID(event.customer_id))


HANDLERS: Handlers = {
    OrderCancelled: close_payment,
    OrderDelivered: book_cash,
    CustomerErased: forget_saved_methods,
}
