"""The events that the service consumes."""

from __future__ import annotations

from collections.abc import Sequence

from jainshikanji.customer.v1.events_pb2 import CustomerErased
from jainshikanji.order.v1.events_pb2 import OrderDelivered

from chassis import App, Handlers, batch
from chassis.database import Transaction
from chassis.events.bus import EventMeta
from services.review import usecases, wire


@batch
async def on_order_delivered(app: App, tx: Transaction, events: Sequence[tuple[OrderDelivered, EventMeta]]) -> None:
    """Makes the delivered items reviewable."""
    items = [item for event, _ in events for item in wire.delivered_items_from_event(event)]
    await usecases.record_delivered_items(app, tx, items)


async def on_customer_erased(app: App, tx: Transaction, event: CustomerErased, meta: EventMeta) -> None:
    """Keeps the ratings of an erased account, without its id and its texts."""
    await usecases.erase_customer(app, tx, wire.customer_id_from_event(event))


HANDLERS: Handlers = {OrderDelivered: on_order_delivered, CustomerErased: on_customer_erased}
