"""The events that the service consumes, and those to which each replica subscribes."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from jainshikanji.inventory.v1 import events_pb2
from jainshikanji.order.v1.events_pb2 import OrderCancelled, OrderConfirmed
from jainshikanji.review.v1.events_pb2 import ReviewPosted, ReviewUpdated

from chassis import Handlers, batch
from chassis.database import Transaction
from chassis.events.bus import EventMeta
from chassis.process.service import Listeners
from services.inventory import usecases, wire
from services.inventory.app import InventoryApp

ProductEvent = (
    events_pb2.ProductCreated
    | events_pb2.ProductUpdated
    | events_pb2.ProductDeleted
    | events_pb2.ProductOutOfStock
    | events_pb2.StockRestocked
)


@batch
async def on_orders_settled(
    app: InventoryApp, tx: Transaction, events: Sequence[tuple[OrderConfirmed | OrderCancelled, EventMeta]]
) -> None:
    """Commits the stock of confirmed orders and returns that of cancelled ones."""
    command = wire.events.settle_orders_from_events([event for event, _ in events])
    await usecases.reservations.settle_orders(app, tx, command)


async def on_review_changed(
    app: InventoryApp, tx: Transaction, event: ReviewPosted | ReviewUpdated, meta: EventMeta
) -> None:
    """Updates the copy of the product's rating."""
    await usecases.products.update_rating(app, tx, wire.events.update_rating_from_event(event))


def drop_product(app: InventoryApp, event: ProductEvent) -> None:
    """Drops the cached product, which this or another replica has changed."""
    app.drop_product(UUID(event.product_id))


HANDLERS: Handlers = {
    OrderConfirmed: on_orders_settled,
    OrderCancelled: on_orders_settled,
    ReviewPosted: on_review_changed,
    ReviewUpdated: on_review_changed,
}
LISTENERS: Listeners = dict.fromkeys(
    [
        events_pb2.ProductCreated,
        events_pb2.ProductUpdated,
        events_pb2.ProductDeleted,
        events_pb2.ProductOutOfStock,
        events_pb2.StockRestocked,
    ],
    drop_product,
)
