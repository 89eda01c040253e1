"""The tables of order_db: those of the design document, and additions for the saga, the watchers and the invoice."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    String,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.database.tables import Encrypted, service_metadata


class Base(DeclarativeBase):
    """All tables of this service."""

    metadata = service_metadata()
    type_annotation_map = {  # noqa: RUF012 - the name and type are SQLAlchemy's
        UUID: Uuid(),
        datetime: DateTime(timezone=True),
        str: Text(),
        bytes: LargeBinary(),
        Decimal: Numeric(10, 2),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
    }


class Order(Base):
    """An order with copies of customer, store and prices at placement. Partitioned by month of its UUIDv7."""

    __tablename__ = "orders"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    order_number: Mapped[str] = mapped_column(String(50))
    customer_id: Mapped[UUID]
    customer_name: Mapped[str] = mapped_column(String(255))
    customer_email: Mapped[Encrypted]
    customer_phone: Mapped[Encrypted]
    store_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(String(50), server_default=text("'pending'"))
    payment_status: Mapped[str] = mapped_column(String(50), server_default=text("'pending'"))
    payment_method: Mapped[str | None] = mapped_column(String(50))
    subtotal: Mapped[Decimal]
    tax: Mapped[Decimal | None] = mapped_column(server_default=text("0"))
    delivery_fee: Mapped[Decimal | None] = mapped_column(server_default=text("0"))
    discount: Mapped[Decimal | None] = mapped_column(server_default=text("0"))
    loyalty_discount: Mapped[Decimal | None] = mapped_column(server_default=text("0"))
    total: Mapped[Decimal]
    delivery_address: Mapped[Encrypted | None]
    delivery_type: Mapped[str | None] = mapped_column(String(20), server_default=text("'delivery'"))
    delivery_instructions: Mapped[str | None]
    delivery_latitude: Mapped[Encrypted | None]
    delivery_longitude: Mapped[Encrypted | None]
    estimated_delivery_time: Mapped[datetime | None]
    scheduled_delivery_time: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    preparing_at: Mapped[datetime | None]
    ready_at: Mapped[datetime | None]
    dispatched_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    assigned_staff_id: Mapped[UUID | None]
    delivery_person_id: Mapped[UUID | None]
    special_instructions: Mapped[str | None]
    cancellation_reason: Mapped[str | None]
    rating: Mapped[int | None] = mapped_column(Integer)
    review_comment: Mapped[str | None]
    loyalty_points_earned: Mapped[int | None] = mapped_column(Integer, server_default=text("0"))
    loyalty_points_redeemed: Mapped[int | None] = mapped_column(Integer, server_default=text("0"))
    coupon_code: Mapped[str | None] = mapped_column(String(50))
    created_at: Mapped[datetime | None] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime | None] = mapped_column(server_default=func.now())
    # Beyond the design document: for concurrency control, the invoice and the payment.
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    store_name: Mapped[str] = mapped_column(String(255))
    store_state: Mapped[str] = mapped_column(String(100))
    store_gstin: Mapped[str | None] = mapped_column(String(20))
    place_of_supply: Mapped[str] = mapped_column(String(100))
    delivery_tax_rate: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    delivery_cgst: Mapped[Decimal] = mapped_column(server_default=text("0"))
    delivery_sgst: Mapped[Decimal] = mapped_column(server_default=text("0"))
    delivery_igst: Mapped[Decimal] = mapped_column(server_default=text("0"))
    cancellation_code: Mapped[str | None] = mapped_column(String(50))
    payment_id: Mapped[UUID | None]
    provider_order_id: Mapped[str | None] = mapped_column(String(100))
    payment_expires_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(
            "status IN ('pending', 'confirmed', 'preparing', 'ready', 'out_for_delivery', 'delivered',"
            " 'cancelled', 'refunded')"
        ),
        CheckConstraint("payment_status IN ('pending', 'processing', 'completed', 'failed', 'refunded')"),
        CheckConstraint("delivery_type IN ('delivery', 'pickup', 'dine-in')"),
        CheckConstraint("rating BETWEEN 1 AND 5"),
        CheckConstraint("delivery_type <> 'delivery' OR delivery_address IS NOT NULL"),
        Index("idx_orders_customer", "customer_id", text("id DESC")),
        Index("idx_orders_store", "store_id", text("id DESC")),
        Index("idx_orders_status", "status"),
        Index("idx_orders_payment_status", "payment_status"),
        Index("idx_orders_created_at", text("created_at DESC")),
        Index(
            "idx_orders_delivery_person",
            "delivery_person_id",
            postgresql_where=text("delivery_person_id IS NOT NULL"),
        ),
        {"postgresql_partition_by": "RANGE (id)"},
    )


class OrderItem(Base):
    """A line of an order, with copies of name and prices at placement."""

    __tablename__ = "order_items"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"))
    product_id: Mapped[UUID]
    product_name: Mapped[str] = mapped_column(String(255))
    product_sku: Mapped[str | None] = mapped_column(String(100))
    unit_price: Mapped[Decimal]
    quantity: Mapped[int] = mapped_column(Integer)
    subtotal: Mapped[Decimal]
    customizations: Mapped[list[Any] | None] = mapped_column(server_default=text("'[]'"))
    special_instructions: Mapped[str | None]
    created_at: Mapped[datetime | None] = mapped_column(server_default=func.now())
    # Beyond the design document: the order of the items, and the invoice.
    position: Mapped[int] = mapped_column(Integer)
    category: Mapped[str | None] = mapped_column(String(100))
    discount: Mapped[Decimal] = mapped_column(server_default=text("0"))
    tax_rate: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    cgst: Mapped[Decimal] = mapped_column(server_default=text("0"))
    sgst: Mapped[Decimal] = mapped_column(server_default=text("0"))
    igst: Mapped[Decimal] = mapped_column(server_default=text("0"))

    __table_args__ = (
        CheckConstraint("quantity > 0"),
        Index("idx_order_items_order", "order_id"),
        Index("idx_order_items_product", "product_id"),
    )


class OrderTimeline(Base):
    """The history of an order. `version` is that of the order after the change, so that a watcher can resume."""

    __tablename__ = "order_timeline"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"))
    status: Mapped[str] = mapped_column(String(50))
    note: Mapped[str | None]
    updated_by: Mapped[UUID | None]
    updated_by_name: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime | None] = mapped_column(server_default=func.now())
    # Beyond the design document.
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    visible_to_customer: Mapped[bool] = mapped_column(server_default=text("true"))

    __table_args__ = (
        Index("idx_timeline_order", "order_id"),
        Index("idx_timeline_created", text("created_at DESC")),
    )


class OrderTracking(Base):
    """The positions of the courier, ordered by id (UUIDv7)."""

    __tablename__ = "order_tracking"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"))
    latitude: Mapped[Encrypted | None]
    longitude: Mapped[Encrypted | None]
    status: Mapped[str | None] = mapped_column(String(50))
    message: Mapped[str | None]
    created_at: Mapped[datetime | None] = mapped_column(server_default=func.now())

    __table_args__ = (
        Index("idx_tracking_order", "order_id"),
        Index("idx_tracking_created", text("created_at DESC")),
    )


class OrderNumber(Base):
    """The unique index of order numbers over all partitions."""

    __tablename__ = "order_numbers"

    number: Mapped[str] = mapped_column(String(50), primary_key=True)
    order_id: Mapped[UUID]


class OrderSaga(Base):
    """The saga that places an order: inserted before the first side effect, deleted after the last.

    `reserving`: stock and benefits may be reserved, the order is not inserted. `undoing`: reservations are being
    released. `placed`: the order is inserted, its payment may not be started yet. The process that works on the saga
    owns it until `locked_until`.
    """

    __tablename__ = "order_sagas"

    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID]
    store_id: Mapped[UUID]
    state: Mapped[str]
    holds_benefits: Mapped[bool]
    caller: Mapped[str]
    method: Mapped[str]
    key: Mapped[str]
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    locked_until: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    # Rows live for milliseconds: without secondary indexes their updates are heap-only.
    __table_args__ = (CheckConstraint("state IN ('reserving', 'undoing', 'placed')"),)


class StoreStaff(Base):
    """Staff to whom orders can be assigned: a copy of the store service's staff, updated by its events."""

    __tablename__ = "store_staff"

    staff_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID]
    store_id: Mapped[UUID]
    job: Mapped[str] = mapped_column(String(50))
    is_active: Mapped[bool]
    version: Mapped[int] = mapped_column(Integer)

    __table_args__ = (Index("idx_store_staff_account", "account_id", "store_id"),)
