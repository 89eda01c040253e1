"""Events that the service consumes and publishes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from jainshikanji.inventory.v1.events_pb2 import (
    EventStockLine,
    ProductCreated,
    ProductDeleted,
    ProductOutOfStock,
    ProductUpdated,
    StockLow,
    StockReleased,
    StockReserved,
    StockRestocked,
)
from jainshikanji.order.v1.events_pb2 import OrderCancelled, OrderConfirmed
from jainshikanji.review.v1.events_pb2 import ReviewPosted, ReviewUpdated

from chassis.clock import now
from chassis.money import money_to_proto
from chassis.timestamps import timestamp_to_proto
from services.inventory.commands import SettleOrders, UpdateRating
from services.inventory.model.stock import Crossing
from services.inventory.rows import ProductRow, ProductVersionRow, ReservationRow, StockChangeRow

StockEvent = StockLow | ProductOutOfStock | StockRestocked


def settle_orders_from_events(events: Iterable[OrderConfirmed | OrderCancelled]) -> SettleOrders:
    confirmed: set[UUID] = set()
    returned: set[UUID] = set()
    consumed: set[UUID] = set()
    for event in events:
        if isinstance(event, OrderConfirmed):
            confirmed.add(UUID(event.order_id))
        elif event.restock:
            returned.add(UUID(event.order_id))
        else:
            consumed.add(UUID(event.order_id))
    return SettleOrders(frozenset(confirmed), frozenset(returned), frozenset(consumed))


def update_rating_from_event(event: ReviewPosted | ReviewUpdated) -> UpdateRating:
    return UpdateRating(
        product_id=UUID(event.product_id),
        average=Decimal(event.product_rating_average),
        review_count=event.product_review_count,
        version=event.product_rating_version,
    )


def product_created_to_proto(row: ProductRow) -> ProductCreated:
    return ProductCreated(
        product_id=str(row.id),
        version=row.version,
        name=row.name,
        category=row.category,
        price=money_to_proto(row.price),
        occurred_at=timestamp_to_proto(now()),
    )


def product_updated_to_proto(product_id: UUID, row: ProductRow | ProductVersionRow) -> ProductUpdated:
    return ProductUpdated(
        product_id=str(product_id),
        version=row.version,
        name=row.name,
        category=row.category,
        price=money_to_proto(row.price),
        occurred_at=timestamp_to_proto(now()),
    )


def product_deleted_to_proto(product_id: UUID, version: int) -> ProductDeleted:
    return ProductDeleted(product_id=str(product_id), version=version, occurred_at=timestamp_to_proto(now()))


def stock_reserved_to_proto(order_id: UUID, store_id: UUID, lines: Mapping[UUID, int]) -> StockReserved:
    return StockReserved(
        order_id=str(order_id),
        store_id=str(store_id),
        lines=_lines_to_proto(lines.keys(), lines.values()),
        occurred_at=timestamp_to_proto(now()),
    )


def stock_released_to_proto(row: ReservationRow, *, is_return: bool) -> StockReleased:
    return StockReleased(
        order_id=str(row.order_id),
        store_id=str(row.store_id),
        lines=_lines_to_proto(row.product_ids, row.quantities),
        returned=is_return,
        occurred_at=timestamp_to_proto(now()),
    )


def _lines_to_proto(product_ids: Iterable[UUID], quantities: Iterable[int]) -> Sequence[EventStockLine]:
    return [
        EventStockLine(product_id=str(product_id), quantity=quantity)
        for product_id, quantity in zip(product_ids, quantities, strict=True)
    ]


def stock_change_to_proto(row: StockChangeRow, crossed: Crossing) -> list[StockEvent]:
    """The events of a change of stock; none when it crosses no threshold."""
    facts: dict[str, Any] = {
        "product_id": str(row.product_id),
        "store_id": str(row.store_id),
        "product_name": row.product_name,
        "occurred_at": timestamp_to_proto(now()),
    }
    events: list[StockEvent] = []
    if crossed.ran_low:
        events.append(
            StockLow(current_stock=row.after, min_stock=row.min_after, reorder_point=row.reorder_point, **facts)
        )
    if crossed.ran_out:
        events.append(ProductOutOfStock(**facts))
    if crossed.is_restocked:
        events.append(
            StockRestocked(
                current_stock=row.after,
                back_in_stock=crossed.back_in_stock,
                above_min_stock=crossed.above_min_stock,
                **facts,
            )
        )
    return events
