"""The platform's tables behind the three routes, in one database, without columns for calls between services."""

from __future__ import annotations

from datetime import datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import uuid_utils
from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


def new_id() -> UUID:
    """UUIDv7: inserts go to the end of each index, as in the platform."""
    return UUID(int=uuid_utils.uuid7().int)


class Table(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012 - required by SQLAlchemy
        UUID: Uuid(),
        datetime: DateTime(timezone=True),
        str: Text(),
        bytes: LargeBinary(),
        Decimal: Numeric(10, 2),
        list[str]: ARRAY(Text()),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
    }


class Product(Table):
    __tablename__ = "products"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(String(255))
    slug: Mapped[str] = mapped_column(String(255), unique=True)
    description: Mapped[str | None]
    short_description: Mapped[str | None] = mapped_column(String(500))
    sku: Mapped[str | None] = mapped_column(String(100), unique=True)
    price: Mapped[Decimal]
    original_price: Mapped[Decimal | None]
    cost_price: Mapped[Decimal | None]
    category: Mapped[str] = mapped_column(String(100))
    subcategory: Mapped[str | None] = mapped_column(String(100))
    tags: Mapped[list[str] | None]
    ingredients: Mapped[list[str]] = mapped_column(server_default=text("'{}'"))
    is_veg: Mapped[bool] = mapped_column(server_default=text("true"))
    is_vegan: Mapped[bool] = mapped_column(server_default=text("false"))
    is_jain: Mapped[bool] = mapped_column(server_default=text("true"))
    is_gluten_free: Mapped[bool] = mapped_column(server_default=text("false"))
    is_nut_free: Mapped[bool] = mapped_column(server_default=text("false"))
    spice_level: Mapped[str | None] = mapped_column(String(20), server_default="Mild")
    prep_time_minutes: Mapped[int] = mapped_column(server_default=text("15"))
    servings: Mapped[int] = mapped_column(server_default=text("1"))
    weight: Mapped[str | None] = mapped_column(String(50))
    unit: Mapped[str | None] = mapped_column(String(20))
    shelf_life_days: Mapped[int | None]
    storage_instructions: Mapped[str | None]
    calories: Mapped[int | None]
    protein_g: Mapped[Decimal | None] = mapped_column(Numeric(5, 2))
    carbs_g: Mapped[Decimal | None] = mapped_column(Numeric(5, 2))
    fat_g: Mapped[Decimal | None] = mapped_column(Numeric(5, 2))
    fiber_g: Mapped[Decimal | None] = mapped_column(Numeric(5, 2))
    sodium_mg: Mapped[int | None]
    images: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    video_url: Mapped[str | None] = mapped_column(String(500))
    is_available: Mapped[bool] = mapped_column(server_default=text("true"))
    is_featured: Mapped[bool] = mapped_column(server_default=text("false"))
    scheduled_availability: Mapped[dict[str, Any] | None]
    rating: Mapped[Decimal] = mapped_column(Numeric(3, 2), server_default=text("0"))
    review_count: Mapped[int] = mapped_column(server_default=text("0"))
    meta_title: Mapped[str | None] = mapped_column(String(255))
    meta_description: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    tax_rate_basis_points: Mapped[int] = mapped_column(server_default=text("500"))
    version: Mapped[int] = mapped_column(server_default=text("1"))
    deleted_at: Mapped[datetime | None]

    customizations: Mapped[list[Customization]] = relationship(
        lazy="raise", order_by="Customization.display_order, Customization.id"
    )

    __table_args__ = (
        Index("idx_products_category", "category"),
        Index("idx_products_available", "is_available"),
        Index("idx_products_featured", "is_featured"),
        Index("idx_products_rating", rating.desc()),
        Index("idx_products_tags", "tags", postgresql_using="gin"),
        Index("idx_products_dietary", "is_veg", "is_vegan", "is_jain"),
    )


class Customization(Table):
    __tablename__ = "product_customizations"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    product_id: Mapped[UUID] = mapped_column(ForeignKey("products.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(255))
    type: Mapped[str] = mapped_column(String(20))
    is_required: Mapped[bool] = mapped_column(server_default=text("false"))
    display_order: Mapped[int] = mapped_column(server_default=text("0"))

    options: Mapped[list[Option]] = relationship(lazy="raise", order_by="Option.display_order, Option.id")


class Option(Table):
    __tablename__ = "customization_options"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    customization_id: Mapped[UUID] = mapped_column(
        ForeignKey("product_customizations.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str] = mapped_column(String(255))
    price_modifier: Mapped[Decimal] = mapped_column(server_default=text("0"))
    is_default: Mapped[bool] = mapped_column(server_default=text("false"))
    display_order: Mapped[int] = mapped_column(server_default=text("0"))


class Stock(Table):
    __tablename__ = "inventory"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    product_id: Mapped[UUID] = mapped_column(ForeignKey("products.id", ondelete="CASCADE"))
    store_id: Mapped[UUID] = mapped_column(index=True)
    current_stock: Mapped[int] = mapped_column(server_default=text("0"))
    min_stock: Mapped[int] = mapped_column(server_default=text("10"))
    max_stock: Mapped[int] = mapped_column(server_default=text("1000"))
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())

    __table_args__ = (
        UniqueConstraint("product_id", "store_id"),
        CheckConstraint("current_stock >= 0"),
        # As in the platform: with an index on current_stock no update could be HOT.
        {"postgresql_with": {"fillfactor": 70}},
    )


class StockMovement(Table):
    __tablename__ = "stock_movements"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    product_id: Mapped[UUID]
    store_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(String(20))
    quantity: Mapped[int]
    balance_after: Mapped[int]
    order_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("idx_stock_movements_product", "product_id", "store_id", "id"),)


class Store(Table):
    __tablename__ = "stores"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(String(255))
    slug: Mapped[str] = mapped_column(String(255), unique=True)
    state: Mapped[str] = mapped_column(String(100))
    time_zone: Mapped[str] = mapped_column(String(64), server_default="Asia/Kolkata")
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    is_accepting_orders: Mapped[bool] = mapped_column(server_default=text("true"))
    min_order_value: Mapped[Decimal] = mapped_column(server_default=text("0"))
    delivery_fee: Mapped[Decimal] = mapped_column(server_default=text("0"))
    free_delivery_above: Mapped[Decimal | None]

    hours: Mapped[list[Hours]] = relationship(lazy="raise")
    zones: Mapped[list[Zone]] = relationship(lazy="raise")


class Hours(Table):
    __tablename__ = "store_operating_hours"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    store_id: Mapped[UUID] = mapped_column(ForeignKey("stores.id", ondelete="CASCADE"), index=True)
    day_of_week: Mapped[int]
    open_time: Mapped[time]
    close_time: Mapped[time]


class Zone(Table):
    __tablename__ = "delivery_zones"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    store_id: Mapped[UUID] = mapped_column(ForeignKey("stores.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(255))
    postal_codes: Mapped[list[str]]
    delivery_fee: Mapped[Decimal]
    estimated_time_minutes: Mapped[int]
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))


class Customer(Table):
    __tablename__ = "customers"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    email: Mapped[str] = mapped_column(String(255), unique=True)
    phone: Mapped[str | None] = mapped_column(String(20), unique=True)
    first_name: Mapped[str | None] = mapped_column(String(100))
    last_name: Mapped[str | None] = mapped_column(String(100))
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))


class Address(Table):
    __tablename__ = "customer_addresses"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"), index=True)
    address_line1: Mapped[str] = mapped_column(String(255))
    address_line2: Mapped[str | None] = mapped_column(String(255))
    landmark: Mapped[str | None] = mapped_column(String(255))
    city: Mapped[str] = mapped_column(String(100))
    state: Mapped[str] = mapped_column(String(100))
    postal_code: Mapped[str] = mapped_column(String(20))
    country: Mapped[str] = mapped_column(String(100), server_default="India")
    latitude: Mapped[Decimal | None] = mapped_column(Numeric(10, 8))
    longitude: Mapped[Decimal | None] = mapped_column(Numeric(11, 8))


class Order(Table):
    __tablename__ = "orders"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(server_default=text("1"))
    order_number: Mapped[str] = mapped_column(String(50), unique=True)
    customer_id: Mapped[UUID]
    customer_name: Mapped[str] = mapped_column(String(255))
    customer_email: Mapped[str] = mapped_column(String(255))
    customer_phone: Mapped[str] = mapped_column(String(20))
    store_id: Mapped[UUID]
    store_name: Mapped[str] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(50), server_default="pending")
    payment_status: Mapped[str] = mapped_column(String(50), server_default="pending")
    payment_method: Mapped[str] = mapped_column(String(50))
    subtotal: Mapped[Decimal]
    tax: Mapped[Decimal]
    delivery_fee: Mapped[Decimal]
    discount: Mapped[Decimal] = mapped_column(server_default=text("0"))
    loyalty_discount: Mapped[Decimal] = mapped_column(server_default=text("0"))
    total: Mapped[Decimal]
    delivery_tax_rate: Mapped[int] = mapped_column(server_default=text("0"))
    delivery_cgst: Mapped[Decimal] = mapped_column(server_default=text("0"))
    delivery_sgst: Mapped[Decimal] = mapped_column(server_default=text("0"))
    delivery_igst: Mapped[Decimal] = mapped_column(server_default=text("0"))
    delivery_address: Mapped[dict[str, Any] | None]
    delivery_type: Mapped[str] = mapped_column(String(20), server_default="delivery")
    delivery_instructions: Mapped[str | None]
    special_instructions: Mapped[str | None]
    estimated_delivery_time: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    preparing_at: Mapped[datetime | None]
    ready_at: Mapped[datetime | None]
    dispatched_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    assigned_staff_id: Mapped[UUID | None]
    delivery_person_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    items: Mapped[list[OrderItem]] = relationship(lazy="raise", order_by="OrderItem.position")
    timeline: Mapped[list[TimelineEntry]] = relationship(lazy="raise")

    __table_args__ = (
        CheckConstraint(
            "status IN ('pending', 'confirmed', 'preparing', 'ready', 'out_for_delivery', 'delivered',"
            " 'cancelled', 'refunded')"
        ),
        Index("idx_orders_customer", "customer_id"),
        Index("idx_orders_store", "store_id"),
        Index("idx_orders_status", "status"),
        Index("idx_orders_payment_status", "payment_status"),
        Index("idx_orders_created_at", created_at.desc()),
        Index(
            "idx_orders_delivery_person",
            "delivery_person_id",
            postgresql_where=text("delivery_person_id IS NOT NULL"),
        ),
    )


class OrderItem(Table):
    __tablename__ = "order_items"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"), index=True)
    position: Mapped[int]
    product_id: Mapped[UUID] = mapped_column(index=True)
    product_name: Mapped[str] = mapped_column(String(255))
    product_sku: Mapped[str | None] = mapped_column(String(100))
    category: Mapped[str | None] = mapped_column(String(100))
    unit_price: Mapped[Decimal]
    quantity: Mapped[int] = mapped_column(Integer)
    subtotal: Mapped[Decimal]
    discount: Mapped[Decimal] = mapped_column(server_default=text("0"))
    tax_rate: Mapped[int] = mapped_column(server_default=text("0"))
    cgst: Mapped[Decimal] = mapped_column(server_default=text("0"))
    sgst: Mapped[Decimal] = mapped_column(server_default=text("0"))
    igst: Mapped[Decimal] = mapped_column(server_default=text("0"))
    customizations: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    special_instructions: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (CheckConstraint("quantity > 0"),)


class TimelineEntry(Table):
    __tablename__ = "order_timeline"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"), index=True)
    version: Mapped[int]
    status: Mapped[str] = mapped_column(String(50))
    note: Mapped[str | None]
    updated_by: Mapped[UUID | None]
    updated_by_name: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class Payment(Table):
    __tablename__ = "payments"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    payment_id: Mapped[str] = mapped_column(String(100), unique=True)
    order_id: Mapped[UUID] = mapped_column(unique=True)
    customer_id: Mapped[UUID] = mapped_column(index=True)
    payment_method: Mapped[str] = mapped_column(String(50))
    amount: Mapped[Decimal]
    currency: Mapped[str] = mapped_column(String(10), server_default="INR")
    status: Mapped[str] = mapped_column(String(50), server_default="pending", index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class IdempotencyKey(Table):
    __tablename__ = "idempotency_keys"

    caller: Mapped[str] = mapped_column(primary_key=True)
    method: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_hash: Mapped[bytes]
    result_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class OutboxEvent(Table):
    __tablename__ = "outbox"

    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    event_id: Mapped[UUID] = mapped_column(unique=True, default=new_id)
    type: Mapped[str]
    key: Mapped[str]
    version: Mapped[int] = mapped_column(server_default=text("0"))
    payload: Mapped[dict[str, Any]]
    occurred_at: Mapped[datetime] = mapped_column(server_default=func.now())
    published_at: Mapped[datetime | None]

    __table_args__ = (Index("idx_outbox_unpublished", "seq", postgresql_where=text("published_at IS NULL")),)
