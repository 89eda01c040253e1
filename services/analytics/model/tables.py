"""The tables of analytics_db."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.database.tables import service_metadata, type_annotations

Amount = Numeric(14, 2)


class Base(DeclarativeBase):
    """Everything in analytics_db."""

    metadata = service_metadata()
    type_annotation_map = {**type_annotations, dict[str, Any]: JSONB(), Decimal: Amount, date: Date()}  # noqa: RUF012


class Event(Base):
    """An event of a service, as it was published. Dropped by the month."""

    __tablename__ = "events"
    __table_args__ = (
        PrimaryKeyConstraint("occurred_at", "id"),
        Index("idx_events_type", "type", "occurred_at"),
        Index("idx_events_store", "store_id", "occurred_at", postgresql_where=text("store_id IS NOT NULL")),
        {"postgresql_partition_by": "RANGE (occurred_at)"},
    )

    id: Mapped[UUID]
    type: Mapped[str]
    source: Mapped[str]
    key: Mapped[str]
    version: Mapped[int]
    store_id: Mapped[UUID | None]
    payload: Mapped[dict[str, Any]]
    occurred_at: Mapped[datetime]
    stored_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class ClientEvent(Base):
    """Something an app reported of its own use. It adds to no figure. Dropped by the month."""

    __tablename__ = "client_events"
    __table_args__ = (
        PrimaryKeyConstraint("received_at", "id"),
        Index("idx_client_events_name", "name", "received_at"),
        {"postgresql_partition_by": "RANGE (received_at)"},
    )

    id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(40))
    visit_id: Mapped[UUID | None]
    account_id: Mapped[UUID | None]
    store_id: Mapped[UUID | None]
    product_id: Mapped[UUID | None]
    properties: Mapped[dict[str, Any]]
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Store(Base):
    """A store as its events tell it. Version 0: only its id is known yet."""

    __tablename__ = "stores"
    __table_args__ = (Index("idx_stores_unknown", "store_id", postgresql_where=text("version = 0")),)

    store_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(server_default=text("''"))
    time_zone: Mapped[str] = mapped_column(String(50), server_default=text("'Asia/Kolkata'"))
    version: Mapped[int] = mapped_column(server_default=text("0"))


class Product(Base):
    """A product's newest known name."""

    __tablename__ = "products"

    product_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    category: Mapped[str]
    known_at: Mapped[datetime]


class StoredFact(Base):
    """An OrderFact."""

    __tablename__ = "order_facts"
    __table_args__ = (
        Index("idx_order_facts_placed_at", "placed_at"),
        Index("idx_order_facts_store", "store_id", "placed_at"),
    )

    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[str | None] = mapped_column(String(50))
    store_id: Mapped[UUID | None]
    customer_id: Mapped[UUID | None]
    placed_at: Mapped[datetime | None]
    fulfilment: Mapped[str | None] = mapped_column(String(20))
    payment_method: Mapped[str | None] = mapped_column(String(20))
    subtotal: Mapped[Decimal | None]
    tax: Mapped[Decimal | None]
    delivery_fee: Mapped[Decimal | None]
    discount: Mapped[Decimal | None]
    loyalty_discount: Mapped[Decimal | None]
    total: Mapped[Decimal | None]
    lines: Mapped[dict[str, Any] | None]
    refunds: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    confirmed_at: Mapped[datetime | None]
    preparing_at: Mapped[datetime | None]
    ready_at: Mapped[datetime | None]
    dispatched_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    refunded_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default=text("0"))


class _Measured:
    """The measures of a roll-up of orders."""

    placed: Mapped[int] = mapped_column(BigInteger)
    counted: Mapped[int] = mapped_column(BigInteger)
    cancelled: Mapped[int] = mapped_column(BigInteger)
    delivered: Mapped[int] = mapped_column(BigInteger)
    prepared: Mapped[int] = mapped_column(BigInteger)
    preparation_seconds: Mapped[int] = mapped_column(BigInteger)
    carried: Mapped[int] = mapped_column(BigInteger)
    delivery_seconds: Mapped[int] = mapped_column(BigInteger)
    gross: Mapped[Decimal] = mapped_column(Amount)
    refunds: Mapped[Decimal] = mapped_column(Amount)
    tax: Mapped[Decimal] = mapped_column(Amount)
    delivery_fees: Mapped[Decimal] = mapped_column(Amount)
    discounts: Mapped[Decimal] = mapped_column(Amount)


class SalesHour(_Measured, Base):
    """Orders by the hour of the zone in which they were placed."""

    __tablename__ = "sales_hours"
    __table_args__ = (
        PrimaryKeyConstraint("store_id", "report_zone", "day", "hour"),
        Index("idx_sales_hours_day", "report_zone", "day"),
    )

    store_id: Mapped[UUID]
    report_zone: Mapped[str] = mapped_column(String(50))
    day: Mapped[date]
    hour: Mapped[int] = mapped_column(SmallInteger)


class SalesDay(_Measured, Base):
    """Orders by the day of the zone on which they were placed."""

    __tablename__ = "sales_days"
    __table_args__ = (
        PrimaryKeyConstraint("store_id", "report_zone", "day"),
        Index("idx_sales_days_day", "report_zone", "day"),
    )

    store_id: Mapped[UUID]
    report_zone: Mapped[str] = mapped_column(String(50))
    day: Mapped[date]


class ProductDay(Base):
    """What was sold of a product on a day."""

    __tablename__ = "product_days"
    __table_args__ = (
        PrimaryKeyConstraint("store_id", "report_zone", "day", "product_id"),
        Index("idx_product_days_day", "report_zone", "day"),
    )

    store_id: Mapped[UUID]
    report_zone: Mapped[str] = mapped_column(String(50))
    day: Mapped[date]
    product_id: Mapped[UUID]
    quantity: Mapped[int] = mapped_column(BigInteger)
    orders: Mapped[int] = mapped_column(BigInteger)
    sales: Mapped[Decimal]


class CustomerDay(Base):
    """What a customer ordered on a day."""

    __tablename__ = "customer_days"
    __table_args__ = (
        PrimaryKeyConstraint("store_id", "report_zone", "day", "customer_id"),
        Index("idx_customer_days_day", "report_zone", "day"),
        Index("idx_customer_days_customer", "customer_id", "report_zone", "day"),
    )

    store_id: Mapped[UUID]
    report_zone: Mapped[str] = mapped_column(String(50))
    day: Mapped[date]
    customer_id: Mapped[UUID]
    orders: Mapped[int] = mapped_column(BigInteger)
    revenue: Mapped[Decimal]


class StockOut(Base):
    """A product ran out in a store."""

    __tablename__ = "stock_outs"
    __table_args__ = (
        Index("idx_stock_outs_store", "store_id", "occurred_at"),
        Index("idx_stock_outs_occurred_at", "occurred_at"),
    )

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    store_id: Mapped[UUID]
    product_id: Mapped[UUID]
    occurred_at: Mapped[datetime]


class Registration(Base):
    """An account came into being."""

    __tablename__ = "registrations"
    __table_args__ = (Index("idx_registrations_registered_at", "registered_at"),)

    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    registered_at: Mapped[datetime]


class Report(Base):
    """Figures at the time of a request. `store_ids` says which stores they cover; NULL: all of them."""

    __tablename__ = "reports"
    __table_args__ = (
        CheckConstraint("kind IN ('sales', 'products', 'customers', 'orders')"),
        CheckConstraint("step IN ('hour', 'day', 'week', 'month')"),
        Index("idx_reports_created_at", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    kind: Mapped[str] = mapped_column(String(20))
    step: Mapped[str | None] = mapped_column(String(10))
    store_id: Mapped[UUID | None]
    store_ids: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid()))
    time_zone: Mapped[str] = mapped_column(String(50))
    from_date: Mapped[date]
    to_date: Mapped[date]
    column_names: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    row_count: Mapped[int] = mapped_column(Integer)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    created_by: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
