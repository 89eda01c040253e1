"""What this service hears."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from jainshikanji.customer.v1.events_pb2 import CustomerErased
from jainshikanji.order.v1.events_pb2 import OrderDelivered

from chassis import App, Handlers, batch
from chassis.database import Transaction
from chassis.events.bus import EventMeta
from services.review.usecases import Delivered, erase_customer, remember_delivered


@batch
async def remember_deliveries(app: App, tx: Transaction, received: Sequence[tuple[OrderDelivered, EventMeta]]) -> None:
    """Customers may review what was delivered to them."""
    await remember_delivered(tx, [item for event, _ in received for item in _items(event)])


def _items(event: OrderDelivered) -> list[Delivered]:
    return [
        Delivered(
            order_id=UUID(event.order_id),
            product_id=UUID(item.product_id),
            customer_id=UUID(event.customer_id),
            store_id=UUID(event.store_id),
            delivered_at=event.occurred_at.ToDatetime(tzinfo=dt.UTC),
        )
        for item in event.items
    ]


async def forget_customer(app: App, tx: Transaction, event: CustomerErased, meta: EventMeta) -> None:
    """An erased account leaves ratings, but neither its id nor its words."""
    await erase_customer(tx, UUID(event.customer_id))


HANDLERS: Handlers = {OrderDelivered: remember_deliveries, CustomerErased: forget_customer}
