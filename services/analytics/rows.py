"""Row types: what the statements return, and what they insert."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from chassis.database.rows import SqlType


class OrderFactRow(NamedTuple):
    """A row of `order_facts`, to read and to write."""

    order_id: UUID
    number: str | None
    store_id: UUID | None
    customer_id: UUID | None
    placed_at: datetime | None
    fulfilment: str | None
    payment_method: str | None
    subtotal: Decimal | None
    tax: Decimal | None
    delivery_fee: Decimal | None
    discount: Decimal | None
    loyalty_discount: Decimal | None
    total: Decimal | None
    lines: list[Any] | None
    refunds: dict[str, Any]
    confirmed_at: datetime | None
    preparing_at: datetime | None
    ready_at: datetime | None
    dispatched_at: datetime | None
    delivered_at: datetime | None
    cancelled_at: datetime | None
    refunded_at: datetime | None
    version: int


class StoreZoneRow(NamedTuple):
    """The time zone of a store."""

    store_id: UUID
    time_zone: str


class StoreVersionRow(NamedTuple):
    """The time zone of a store, and the version of the event that set it."""

    time_zone: str
    version: int


class FiguresRow(NamedTuple):
    """The measures of a period."""

    placed: int
    counted: int
    cancelled: int
    delivered: int
    prepared: int
    preparation_seconds: int
    carried: int
    delivery_seconds: int
    gross: Decimal
    refunds: Decimal
    tax: Decimal
    delivery_fees: Decimal
    discounts: Decimal


class SalesRow(NamedTuple):
    """The measures of one hour, day, week or month."""

    starts_at: str
    placed: int
    counted: int
    cancelled: int
    delivered: int
    prepared: int
    preparation_seconds: int
    carried: int
    delivery_seconds: int
    gross: Decimal
    refunds: Decimal
    tax: Decimal
    delivery_fees: Decimal
    discounts: Decimal


class ProductSalesRow(NamedTuple):
    """The sales of a product in a period."""

    product_id: UUID
    quantity: int
    orders: int
    sales: Decimal
    name: str
    category: str
    stock_outs: int


class CustomerCountsRow(NamedTuple):
    """The customers of a period: all, those who had ordered before, those with several orders; their revenue."""

    customers: int
    came_back: int
    repeated: int
    revenue: Decimal


class CustomerSalesRow(NamedTuple):
    """The orders of a customer in a period."""

    customer_id: UUID
    orders: int
    revenue: Decimal
    came_back: bool


class ReportRow(NamedTuple):
    """A row of `reports`."""

    id: UUID
    kind: str
    step: str | None
    store_id: UUID | None
    store_ids: list[UUID] | None
    time_zone: str
    from_date: date
    to_date: date
    column_names: list[str]
    row_count: int
    created_by: UUID
    created_at: datetime
    content: bytes


class ReportSummaryRow(NamedTuple):
    """A row of `reports` without its content."""

    id: UUID
    kind: str
    step: str | None
    store_id: UUID | None
    store_ids: list[UUID] | None
    time_zone: str
    from_date: date
    to_date: date
    column_names: list[str]
    row_count: int
    created_by: UUID
    created_at: datetime


class NewSalesHour(NamedTuple):
    """Amounts to add to a row of `sales_hours`."""

    store_id: UUID
    report_zone: str
    day: date
    hour: Annotated[int, SqlType("smallint")]
    placed: int
    counted: int
    cancelled: int
    delivered: int
    prepared: int
    preparation_seconds: int
    carried: int
    delivery_seconds: int
    gross: Decimal
    refunds: Decimal
    tax: Decimal
    delivery_fees: Decimal
    discounts: Decimal


class NewSalesDay(NamedTuple):
    """Amounts to add to a row of `sales_days`."""

    store_id: UUID
    report_zone: str
    day: date
    placed: int
    counted: int
    cancelled: int
    delivered: int
    prepared: int
    preparation_seconds: int
    carried: int
    delivery_seconds: int
    gross: Decimal
    refunds: Decimal
    tax: Decimal
    delivery_fees: Decimal
    discounts: Decimal


class NewProductDay(NamedTuple):
    """Amounts to add to a row of `product_days`."""

    store_id: UUID
    report_zone: str
    day: date
    product_id: UUID
    quantity: int
    orders: int
    sales: Decimal


class NewCustomerDay(NamedTuple):
    """Amounts to add to a row of `customer_days`."""

    store_id: UUID
    report_zone: str
    day: date
    customer_id: UUID
    orders: int
    revenue: Decimal


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A row to insert into `events`."""

    id: UUID
    type: str
    source: str
    key: str
    version: Annotated[int, SqlType("int")]
    store_id: UUID | None
    payload: dict[str, Any]
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class NewProduct:
    """A row to insert into `products`: the name of a product, and since when it is known."""

    product_id: UUID
    name: str
    category: str
    known_at: datetime


@dataclass(frozen=True, slots=True)
class NewStockOut:
    """A row to insert into `stock_outs`."""

    event_id: UUID
    store_id: UUID
    product_id: UUID
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class NewRegistration:
    """A row to insert into `registrations`."""

    customer_id: UUID
    registered_at: datetime


@dataclass(frozen=True, slots=True)
class NewReport:
    """A row to insert into `reports`."""

    kind: str
    step: str | None
    store_id: UUID | None
    store_ids: list[UUID] | None
    time_zone: str
    from_date: date
    to_date: date
    column_names: list[str]
    row_count: int
    content: bytes
    created_by: UUID


@dataclass(frozen=True, slots=True)
class NewClientEvent:
    """A row to insert into `client_events`; `properties` is a JSON object."""

    id: UUID
    name: str
    visit_id: UUID | None
    account_id: UUID | None
    store_id: UUID | None
    product_id: UUID | None
    properties: Any
