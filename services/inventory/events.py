"""What inventory hears: what became of orders, what reviews say, and its own events for its caches."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from jainshikanji.inventory.v1 import events_pb2
from jainshikanji.order.v1.events_pb2 import OrderCancelled, OrderConfirmed
from jainshikanji.review.v1.events_pb2 import ReviewPosted, ReviewUpdated

from chassis import Handlers, batch
from chassis.database import Transaction
from chassis.events.bus import EventMeta
from services.inventory.app import InventoryApp
from services.inventory.usecases import products, reservations

OrderEvent = OrderConfirmed | OrderCancelled
RatingEvent = ReviewPosted | ReviewUpdated
ProductEvent = (
    events_pb2.ProductCreated
    | events_pb2.ProductUpdated
    | events_pb2.ProductDeleted
    | events_pb2.ProductOutOfStock
    | events_pb2.StockRestocked
)


@batch
async def settle_orders(app: InventoryApp, tx: Transaction, received: Sequence[tuple[OrderEvent, EventMeta]]) -> None:
    """Commits the stock of confirmed orders and gives back that of cancelled ones, in one go and in any order."""
    confirmed = {UUID(event.order_id) for event, _ in received if isinstance(event, OrderConfirmed)}
    cancelled = [event for event, _ in received if isinstance(event, OrderCancelled)]
    await reservations.settle(
        app,
        tx,
        confirmed=confirmed,
        given_up={UUID(event.order_id) for event in cancelled if event.restock},
        eaten={UUID(event.order_id) for event in cancelled if not event.restock},
    )


async def copy_rating(app: InventoryApp, tx: Transaction, event: RatingEvent, meta: EventMeta) -> None:
    """Keeps the product's average and number of reviews, which review owns."""
    await products.set_rating(
        app,
        tx,
        UUID(event.product_id),
        Decimal(event.product_rating_average),
        event.product_review_count,
        event.product_rating_version,
    )


def forget_product(app: InventoryApp, event: ProductEvent) -> None:
    """A product changed, here or in another replica: cached messages that show it are dropped."""
    app.forget_product(UUID(event.product_id))


HANDLERS: Handlers = {
    OrderConfirmed: settle_orders,
    OrderCancelled: settle_orders,
    ReviewPosted: copy_rating,
    ReviewUpdated: copy_rating,
}
LISTENERS = {
    events_pb2.ProductCreated: forget_product,
    events_pb2.ProductUpdated: forget_product,
    events_pb2.ProductDeleted: forget_product,
    events_pb2.ProductOutOfStock: forget_product,
    events_pb2.StockRestocked: forget_product,
}
