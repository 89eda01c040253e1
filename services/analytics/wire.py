"""Conversion between messages of the contracts and rows, commands and values of the service."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, cast
from uuid import UUID

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from jainshikanji.analytics.v1 import analytics_service_pb2 as pb
from jainshikanji.analytics.v1 import figures_pb2, report_pb2
from jainshikanji.analytics.v1.client_event_pb2 import ClientEventName
from jainshikanji.customer.v1.events_pb2 import CustomerRegistered
from jainshikanji.inventory.v1.events_pb2 import ProductCreated, ProductOutOfStock, ProductUpdated
from jainshikanji.order.v1 import events_pb2 as order
from jainshikanji.payment.v1.events_pb2 import RefundProcessed
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod
from jainshikanji.store.v1.events_pb2 import StoreCreated, StoreUpdated
from jainshikanji.type.v1.fulfilment_type_pb2 import FulfilmentType

from chassis.enums import EnumMapping
from chassis.events.bus import EventMeta
from chassis.money import money_from_proto, money_to_proto, round_half_up
from chassis.timestamps import (
    datetime_from_proto,
    optional_datetime_from_proto,
    parse_optional_date,
    timestamp_to_proto,
)
from services.analytics.commands import Change, IngestEvents, RecordClientEvent, ResolvePeriod, Step
from services.analytics.model.facts import Line, Milestone, Placement, StoreFact
from services.analytics.model.period import PLATFORM_ZONE, Period
from services.analytics.rows import (
    CustomerSalesRow,
    FiguresRow,
    NewEvent,
    NewProduct,
    NewRegistration,
    NewStockOut,
    ProductSalesRow,
    ReportRow,
    ReportSummaryRow,
    SalesRow,
)

KINDS = EnumMapping(report_pb2.ReportKind)
STEPS = EnumMapping(report_pb2.Interval)
CLIENT_EVENTS = EnumMapping(ClientEventName)
BASIS_POINTS = 10_000

_MILESTONES: Final[dict[type[Message], Milestone]] = {
    order.OrderConfirmed: Milestone.CONFIRMED,
    order.OrderPreparing: Milestone.PREPARING,
    order.OrderReady: Milestone.READY,
    order.OrderDispatched: Milestone.DISPATCHED,
    order.OrderDelivered: Milestone.DELIVERED,
    order.OrderCancelled: Milestone.CANCELLED,
    order.OrderRefunded: Milestone.REFUNDED,
}

# --- requests ---


def period_from_proto(request: Any) -> ResolvePeriod:
    """The period fields of a request for figures."""
    return ResolvePeriod(
        store_id=UUID(request.store_id) if request.store_id else None,
        from_date=parse_optional_date("fromDate", request.from_date),
        to_date=parse_optional_date("toDate", request.to_date),
    )


def step_from_proto(request: pb.GetSalesRequest | pb.CreateReportRequest) -> Step:
    """The interval of a request; a day by default."""
    return cast(Step, STEPS.from_proto(request.interval)) if request.interval else "day"


def record_client_event_from_proto(request: pb.RecordClientEventRequest) -> RecordClientEvent:
    return RecordClientEvent(
        name=CLIENT_EVENTS.from_proto(request.name),
        visit_id=_optional_id(request.visit_id),
        store_id=_optional_id(request.store_id),
        product_id=_optional_id(request.product_id),
        properties=request.properties,
        size=request.ByteSize(),
    )


def _optional_id(text: str) -> UUID | None:
    return UUID(text) if text else None


# --- events ---


def ingest_events_from_events(events: Sequence[tuple[Any, EventMeta]]) -> IngestEvents:
    """A batch of events and what follows from them."""
    changes: defaultdict[UUID, list[Change]] = defaultdict(list)
    for event, meta in events:
        change = _change_from_event(event, meta)
        if change is not None:
            changes[UUID(event.order_id)].append(change)
    return IngestEvents(
        events=[_new_event(event, meta) for event, meta in events],
        changes=changes,
        products=[
            NewProduct(
                UUID(event.product_id),
                event.name,
                event.category,
                datetime_from_proto("occurredAt", event.occurred_at),
            )
            for event, _ in events
            if isinstance(event, ProductCreated | ProductUpdated)
        ],
        stock_outs=[
            NewStockOut(meta.id, UUID(event.store_id), UUID(event.product_id), meta.occurred_at)
            for event, meta in events
            if isinstance(event, ProductOutOfStock)
        ],
        registrations=[
            NewRegistration(UUID(event.customer_id), meta.occurred_at)
            for event, meta in events
            if isinstance(event, CustomerRegistered)
        ],
        stores=[
            StoreFact(UUID(event.store_id), event.name, event.time_zone or PLATFORM_ZONE, event.version)
            for event, _ in events
            if isinstance(event, StoreCreated | StoreUpdated)
        ],
    )


def _new_event(event: Any, meta: EventMeta) -> NewEvent:
    return NewEvent(
        id=meta.id,
        type=meta.type,
        source=meta.source,
        key=meta.key,
        version=meta.version,
        store_id=_optional_id(getattr(event, "store_id", "")),
        payload=MessageToDict(event),
        occurred_at=meta.occurred_at,
    )


def _change_from_event(event: Any, meta: EventMeta) -> Change | None:
    """What an event changes in the fact of its order; None for events of other resources."""
    if isinstance(event, order.OrderCreated):
        placement, version = placement_from_event(event, meta), event.version
        return lambda fact: fact.with_placement(placement, version)
    if isinstance(event, RefundProcessed):
        refund_id, amount = event.refund_id, money_from_proto(event.amount)
        return lambda fact: fact.with_refund(refund_id, amount)
    milestone = _MILESTONES.get(type(event))
    if milestone is None:
        return None
    return _reach(milestone, optional_datetime_from_proto(event, "occurred_at") or meta.occurred_at, event.version)


def _reach(milestone: Milestone, at: datetime, version: int) -> Change:
    return lambda fact: fact.with_milestone(milestone, at, version)


def placement_from_event(event: order.OrderCreated, meta: EventMeta) -> Placement:
    """The order as it was placed."""
    return Placement(
        number=event.order_number,
        store_id=UUID(event.store_id),
        customer_id=UUID(event.customer_id),
        placed_at=optional_datetime_from_proto(event, "occurred_at") or meta.occurred_at,
        fulfilment=FulfilmentType.Value.Name(event.fulfilment_type),
        payment_method=PaymentMethod.Value.Name(event.payment_method),
        subtotal=money_from_proto(event.subtotal),
        tax=money_from_proto(event.tax),
        delivery_fee=money_from_proto(event.delivery_fee),
        discount=money_from_proto(event.discount),
        loyalty_discount=money_from_proto(event.loyalty_discount),
        total=money_from_proto(event.total),
        lines=tuple(
            Line(UUID(item.product_id), item.name, item.category, item.quantity, money_from_proto(item.subtotal))
            for item in event.items
        ),
    )


# --- responses ---


def period_to_proto(period: Period) -> figures_pb2.Period:
    return figures_pb2.Period(
        from_date=period.first.isoformat(),
        to_date=period.last.isoformat(),
        time_zone=period.zone,
        store_id=str(period.store_id or ""),
    )


def figures_to_proto(row: FiguresRow | SalesRow) -> figures_pb2.OrderFigures:
    """The measures of a roll-up, and the figures derived from them."""
    average = round_half_up(row.gross / row.counted) if row.counted else Decimal("0.00")
    return figures_pb2.OrderFigures(
        orders_placed=row.placed,
        orders_counted=row.counted,
        orders_cancelled=row.cancelled,
        orders_delivered=row.delivered,
        gross_sales=money_to_proto(row.gross),
        refunds=money_to_proto(row.refunds),
        revenue=money_to_proto(row.gross - row.refunds),
        tax=money_to_proto(row.tax),
        delivery_fees=money_to_proto(row.delivery_fees),
        discounts=money_to_proto(row.discounts),
        average_order=money_to_proto(average),
        cancel_rate_basis_points=calculate_rate(row.cancelled, row.placed),
        average_preparation_seconds=_mean(row.preparation_seconds, row.prepared),
        average_delivery_seconds=_mean(row.delivery_seconds, row.carried),
    )


def calculate_rate(part: int, whole: int) -> int:
    """The share in basis points, rounded half up; 0 when `whole` is 0."""
    return (2 * part * BASIS_POINTS + whole) // (2 * whole) if whole else 0


def _mean(total: int, count: int) -> int:
    return (2 * total + count) // (2 * count) if count else 0


def sales_to_proto(row: SalesRow) -> figures_pb2.SalesRow:
    return figures_pb2.SalesRow(starts_at=row.starts_at, figures=figures_to_proto(row))


def product_to_proto(row: ProductSalesRow) -> figures_pb2.ProductRow:
    return figures_pb2.ProductRow(
        product_id=str(row.product_id),
        name=row.name,
        category=row.category,
        quantity=row.quantity,
        orders=row.orders,
        sales=money_to_proto(row.sales),
        stock_outs=row.stock_outs,
    )


def customer_to_proto(row: CustomerSalesRow) -> figures_pb2.CustomerRow:
    return figures_pb2.CustomerRow(
        customer_id=str(row.customer_id),
        orders=row.orders,
        revenue=money_to_proto(row.revenue),
        returning=row.came_back,
    )


def report_to_proto(row: ReportRow | ReportSummaryRow, rows: Sequence[Sequence[str]] = ()) -> report_pb2.Report:
    """A report with these rows of its content."""
    return report_pb2.Report(
        id=str(row.id),
        kind=KINDS.to_proto(row.kind),
        period=figures_pb2.Period(
            from_date=row.from_date.isoformat(),
            to_date=row.to_date.isoformat(),
            time_zone=row.time_zone,
            store_id=str(row.store_id or ""),
        ),
        interval=STEPS.to_proto(row.step) if row.step else report_pb2.Interval.UNSPECIFIED,
        columns=row.column_names,
        rows=[report_pb2.ReportRow(values=values) for values in rows],
        row_count=row.row_count,
        created_by=str(row.created_by),
        created_at=timestamp_to_proto(row.created_at),
    )
