"""The events that the service consumes."""

from __future__ import annotations

from collections.abc import Sequence

from jainshikanji.customer.v1.events_pb2 import CustomerErased
from jainshikanji.order.v1.events_pb2 import OrderCancelled, OrderDelivered

from chassis import Handlers, batch
from chassis.database import Transaction
from chassis.events.bus import EventMeta
from services.payment import wire
from services.payment.app import PaymentApp
from services.payment.usecases import orders, saved_methods

OrderEvent = OrderCancelled | OrderDelivered


@batch
async def on_order_ended(app: PaymentApp, tx: Transaction, events: Sequence[tuple[OrderEvent, EventMeta]]) -> None:
    """Cancels or refunds the payments of cancelled orders, and completes the COD payments of delivered ones."""
    outcomes = [wire.order_outcome_from_event(event) for event, _ in events]
    if changing := [outcome for outcome in outcomes if outcome is not None]:
        await orders.apply_order_outcomes(app, tx, changing)


async def on_customer_erased(app: PaymentApp, tx: Transaction, event: CustomerErased, meta: EventMeta) -> None:
    """Deletes the saved payment methods of an erased account."""
    await saved_methods.delete_saved_methods(app, tx, wire.customer_id_from_event(event))


HANDLERS: Handlers = {
    OrderCancelled: on_order_ended,
    OrderDelivered: on_order_ended,
    CustomerErased: on_customer_erased,
}
