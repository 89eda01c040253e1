"""What payment hears."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from jainshikanji.customer.v1.events_pb2 import CustomerErased
from jainshikanji.order.v1.events_pb2 import OrderCancelled, OrderDelivered
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod

from chassis import Handlers, batch
from chassis.database import Transaction
from chassis.events.bus import EventMeta
from services.payment.app import PaymentApp
from services.payment.usecases import methods, orders

OrderEvent = OrderCancelled | OrderDelivered


@batch
async def end_orders(app: PaymentApp, tx: Transaction, received: Sequence[tuple[OrderEvent, EventMeta]]) -> None:
    """An open payment of a cancelled order is given up, captured money goes back; cash of a delivered one is booked."""
    if ends := [end for event, _ in received if (end := _read_end(event)) is not None]:
        await orders.end_all(app, tx, ends)


def _read_end(event: OrderEvent) -> orders.End | None:
    """DELIVERED says that the cash was received; orders without a payment had nothing to pay."""
    if isinstance(event, OrderCancelled):
        return orders.End(UUID(event.order_id), "cancelled")
    if event.payment_method == PaymentMethod.COD and event.total.minor_units > 0:
        actor = UUID(event.delivered_by) if event.delivered_by else None
        return orders.End(UUID(event.order_id), "delivered", actor)
    return None


async def forget_saved_methods(app: PaymentApp, tx: Transaction, event: CustomerErased, meta: EventMeta) -> None:
    await methods.forget_customer(tx, UUID(event.customer_id))


HANDLERS: Handlers = {
    OrderCancelled: end_orders,
    OrderDelivered: end_orders,
    CustomerErased: forget_saved_methods,
}
