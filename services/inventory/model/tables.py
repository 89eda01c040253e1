"""The tables of the inventory service."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Numeric,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.database.tables import Encrypted, service_metadata, type_annotations

NOW = text("now()")
RANDOM_ID = text("gen_random_uuid()")
ORDERED_ID = text("uuidv7()")
TRUE = text("true")
FALSE = text("false")
MONEY = Numeric(10, 2)
GRAMS = Numeric(5, 2)
NOT_DELETED = text("deleted_at IS NULL")


class Base(DeclarativeBase):
    """All tables of this service."""

    metadata = service_metadata()
    type_annotation_map = type_annotations


class Category(Base):
    """A category of the menu; products refer to it by slug."""

    __tablename__ = "categories"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=ORDERED_ID)
    slug: Mapped[str] = mapped_column(String(100), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str] = mapped_column(Text, server_default="")
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("categories.id"))
    display_order: Mapped[int] = mapped_column(server_default="0")
    is_active: Mapped[bool] = mapped_column(server_default=TRUE)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (Index("idx_categories_parent", "parent_id"),)


class Product(Base):
    """A product of the menu. `rating` and `review_count` are copies of data of the review service."""

    __tablename__ = "products"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=RANDOM_ID)
    name: Mapped[str] = mapped_column(String(255))
    slug: Mapped[str] = mapped_column(String(255), unique=True)
    description: Mapped[str | None] = mapped_column(Text)
    short_description: Mapped[str | None] = mapped_column(String(500))
    sku: Mapped[str | None] = mapped_column(String(100), unique=True)
    price: Mapped[Decimal] = mapped_column(MONEY)
    original_price: Mapped[Decimal | None] = mapped_column(MONEY)
    cost_price: Mapped[Decimal | None] = mapped_column(MONEY)
    category: Mapped[str] = mapped_column(String(100))
    subcategory: Mapped[str | None] = mapped_column(String(100))
    tags: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    ingredients: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    is_veg: Mapped[bool | None] = mapped_column(server_default=TRUE)
    is_vegan: Mapped[bool | None] = mapped_column(server_default=FALSE)
    is_jain: Mapped[bool | None] = mapped_column(server_default=TRUE)
    is_gluten_free: Mapped[bool | None] = mapped_column(server_default=FALSE)
    is_nut_free: Mapped[bool | None] = mapped_column(server_default=FALSE)
    spice_level: Mapped[str | None] = mapped_column(String(20), server_default="Mild")
    prep_time_minutes: Mapped[int | None] = mapped_column(server_default="15")
    servings: Mapped[int | None] = mapped_column(server_default="1")
    weight: Mapped[str | None] = mapped_column(String(50))
    unit: Mapped[str | None] = mapped_column(String(20))
    shelf_life_days: Mapped[int | None]
    storage_instructions: Mapped[str | None] = mapped_column(Text)
    calories: Mapped[int | None]
    protein_g: Mapped[Decimal | None] = mapped_column(GRAMS)
    carbs_g: Mapped[Decimal | None] = mapped_column(GRAMS)
    fat_g: Mapped[Decimal | None] = mapped_column(GRAMS)
    fiber_g: Mapped[Decimal | None] = mapped_column(GRAMS)
    sodium_mg: Mapped[int | None]
    images: Mapped[list[str] | None] = mapped_column(JSONB, server_default=text("'[]'"))
    video_url: Mapped[str | None] = mapped_column(String(500))
    is_available: Mapped[bool | None] = mapped_column(server_default=TRUE)
    is_featured: Mapped[bool | None] = mapped_column(server_default=FALSE)
    scheduled_availability: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))
    rating: Mapped[Decimal | None] = mapped_column(Numeric(3, 2), server_default="0.00")
    review_count: Mapped[int | None] = mapped_column(server_default="0")
    meta_title: Mapped[str | None] = mapped_column(String(255))
    meta_description: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime | None] = mapped_column(server_default=NOW)
    updated_at: Mapped[datetime | None] = mapped_column(server_default=NOW)
    created_by: Mapped[UUID | None]
    tax_rate_basis_points: Mapped[int] = mapped_column(server_default="500")
    version: Mapped[int] = mapped_column(server_default="1")
    rating_version: Mapped[int] = mapped_column(BigInteger, server_default="0")
    deleted_at: Mapped[datetime | None]
    search_document: Mapped[Any] = mapped_column(
        TSVECTOR,
        Computed(
            "setweight(to_tsvector('english'::regconfig, name), 'A')"
            " || setweight(to_tsvector('english'::regconfig, words_of(tags) || ' ' || category || ' '"
            " || coalesce(subcategory, '')), 'B')"
            " || setweight(to_tsvector('english'::regconfig, coalesce(short_description, '') || ' '"
            " || coalesce(description, '') || ' ' || words_of(ingredients)), 'C')",
            persisted=True,
        ),
        nullable=True,
    )
    search_words: Mapped[str | None] = mapped_column(
        Text, Computed("lower(name || ' ' || words_of(tags) || ' ' || category)", persisted=True)
    )

    __table_args__ = (
        CheckConstraint("rating BETWEEN 0 AND 5"),
        CheckConstraint("spice_level IN ('Mild', 'Medium', 'Hot', 'Sweet')"),
        CheckConstraint("price >= 0", name="products_price_not_negative"),
        CheckConstraint("tax_rate_basis_points IN (0, 500, 1200, 1800, 2800, 4000)", name="products_tax_class"),
        Index("idx_products_category", "category"),
        Index("idx_products_available", "is_available"),
        Index("idx_products_featured", "is_featured"),
        Index("idx_products_rating", text("rating DESC")),
        Index("idx_products_tags", "tags", postgresql_using="gin"),
        Index("idx_products_dietary", "is_veg", "is_vegan", "is_jain"),
        Index("idx_products_by_newest", "created_at", "id", postgresql_where=NOT_DELETED),
        Index("idx_products_by_name", text("lower(name)"), "id", postgresql_where=NOT_DELETED),
        Index("idx_products_by_price", "price", "id", postgresql_where=NOT_DELETED),
        Index("idx_products_by_rating", "rating", "id", postgresql_where=NOT_DELETED),
        Index("idx_products_search_document", "search_document", postgresql_using="gin"),
        Index(
            "idx_products_search_words",
            "search_words",
            postgresql_using="gin",
            postgresql_ops={"search_words": "gin_trgm_ops"},
        ),
    )


class ProductCustomization(Base):
    """A customization of a product."""

    __tablename__ = "product_customizations"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=RANDOM_ID)
    product_id: Mapped[UUID] = mapped_column(ForeignKey("products.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(255))
    type: Mapped[str] = mapped_column(String(20))
    is_required: Mapped[bool | None] = mapped_column(server_default=FALSE)
    display_order: Mapped[int | None] = mapped_column(server_default="0")
    created_at: Mapped[datetime | None] = mapped_column(server_default=NOW)

    __table_args__ = (
        CheckConstraint("type IN ('radio', 'checkbox', 'select')"),
        Index("idx_customizations_product", "product_id"),
    )


class CustomizationOption(Base):
    """An option of a customization."""

    __tablename__ = "customization_options"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=RANDOM_ID)
    customization_id: Mapped[UUID] = mapped_column(ForeignKey("product_customizations.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(255))
    price_modifier: Mapped[Decimal | None] = mapped_column(MONEY, server_default="0.00")
    is_default: Mapped[bool | None] = mapped_column(server_default=FALSE)
    display_order: Mapped[int | None] = mapped_column(server_default="0")
    created_at: Mapped[datetime | None] = mapped_column(server_default=NOW)

    __table_args__ = (Index("idx_options_customization", "customization_id"),)


class ProductStoreOffer(Base):
    """The price and the availability of a product in one store, where they differ from the catalogue."""

    __tablename__ = "product_store_offers"

    product_id: Mapped[UUID] = mapped_column(ForeignKey("products.id", ondelete="CASCADE"), primary_key=True)
    store_id: Mapped[UUID] = mapped_column(primary_key=True)
    price: Mapped[Decimal | None] = mapped_column(MONEY)
    is_available: Mapped[bool] = mapped_column(server_default=TRUE)
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (CheckConstraint("price >= 0", name="product_store_offers_price_not_negative"),)


class Supplier(Base):
    """A supplier. Email, phone and address are encrypted."""

    __tablename__ = "suppliers"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=RANDOM_ID)
    name: Mapped[str] = mapped_column(String(255))
    email: Mapped[Encrypted | None]
    phone: Mapped[Encrypted | None]
    address: Mapped[Encrypted | None]
    contact_person: Mapped[str | None] = mapped_column(String(255))
    payment_terms: Mapped[str | None] = mapped_column(String(100))
    tax_id: Mapped[str | None] = mapped_column(String(50))
    is_active: Mapped[bool | None] = mapped_column(server_default=TRUE)
    created_at: Mapped[datetime | None] = mapped_column(server_default=NOW)
    updated_at: Mapped[datetime | None] = mapped_column(server_default=NOW)

    __table_args__ = (
        Index("idx_suppliers_active", "is_active"),
        Index("idx_suppliers_by_name", text("lower(name)"), "id"),
    )


class PurchaseOrder(Base):
    """Goods ordered from a supplier for a store."""

    __tablename__ = "purchase_orders"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=RANDOM_ID)
    po_number: Mapped[str] = mapped_column(String(50), unique=True)
    supplier_id: Mapped[UUID] = mapped_column(ForeignKey("suppliers.id"))
    store_id: Mapped[UUID]
    status: Mapped[str | None] = mapped_column(String(50), server_default="pending")
    subtotal: Mapped[Decimal] = mapped_column(MONEY)
    tax: Mapped[Decimal | None] = mapped_column(MONEY, server_default="0")
    shipping: Mapped[Decimal | None] = mapped_column(MONEY, server_default="0")
    total: Mapped[Decimal] = mapped_column(MONEY)
    order_date: Mapped[date] = mapped_column(server_default=text("CURRENT_DATE"))
    expected_delivery_date: Mapped[date | None]
    received_date: Mapped[date | None]
    notes: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime | None] = mapped_column(server_default=NOW)
    updated_at: Mapped[datetime | None] = mapped_column(server_default=NOW)
    created_by: Mapped[UUID | None]
    cancellation_reason: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint("status IN ('pending', 'confirmed', 'received', 'cancelled')"),
        Index("idx_po_supplier", "supplier_id"),
        Index("idx_po_store", "store_id"),
        Index("idx_po_status", "status"),
        Index("idx_po_by_newest", "created_at", "id"),
    )


class PurchaseOrderItem(Base):
    """One line of a purchase order."""

    __tablename__ = "purchase_order_items"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=RANDOM_ID)
    purchase_order_id: Mapped[UUID] = mapped_column(ForeignKey("purchase_orders.id", ondelete="CASCADE"))
    product_id: Mapped[UUID] = mapped_column(ForeignKey("products.id"))
    quantity: Mapped[int]
    unit_price: Mapped[Decimal] = mapped_column(MONEY)
    total_price: Mapped[Decimal] = mapped_column(MONEY)
    created_at: Mapped[datetime | None] = mapped_column(server_default=NOW)
    received_quantity: Mapped[int] = mapped_column(server_default="0")

    __table_args__ = (
        CheckConstraint("received_quantity BETWEEN 0 AND quantity", name="purchase_order_items_received"),
        Index("idx_poi_po", "purchase_order_id"),
        Index("idx_poi_product", "product_id"),
    )


class InventoryItem(Base):
    """The stock of a product in a store: the sum of its movements."""

    __tablename__ = "inventory"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=RANDOM_ID)
    product_id: Mapped[UUID] = mapped_column(ForeignKey("products.id", ondelete="CASCADE"))
    store_id: Mapped[UUID]
    current_stock: Mapped[int] = mapped_column(server_default="0")
    min_stock: Mapped[int] = mapped_column(server_default="10")
    max_stock: Mapped[int] = mapped_column(server_default="1000")
    reorder_point: Mapped[int] = mapped_column(server_default="20")
    cost_per_unit: Mapped[Decimal | None] = mapped_column(MONEY)
    unit: Mapped[str] = mapped_column(String(20), server_default="pieces")
    last_restocked_at: Mapped[datetime | None]
    last_stock_count_at: Mapped[datetime | None]
    expiry_date: Mapped[date | None]
    batch_number: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[datetime | None] = mapped_column(server_default=NOW)
    updated_at: Mapped[datetime | None] = mapped_column(server_default=NOW)
    is_low: Mapped[bool] = mapped_column(Computed("current_stock <= min_stock", persisted=True))

    __table_args__ = (
        UniqueConstraint("product_id", "store_id"),
        CheckConstraint("current_stock >= 0", name="inventory_stock_not_negative"),
        CheckConstraint(
            "min_stock >= 0 AND reorder_point >= 0 AND max_stock >= min_stock", name="inventory_thresholds"
        ),
        Index("idx_inventory_store", "store_id"),
        Index("idx_inventory_low_stock", "store_id", postgresql_where=text("is_low")),
    )


class StockBatch(Base):
    """Units that were received together. The remaining units of all batches are the stock and the reserved units."""

    __tablename__ = "stock_batches"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=ORDERED_ID)
    product_id: Mapped[UUID]
    store_id: Mapped[UUID]
    purchase_order_id: Mapped[UUID | None] = mapped_column(ForeignKey("purchase_orders.id"))
    batch_number: Mapped[str] = mapped_column(String(100), server_default="")
    expiry_date: Mapped[date | None]
    unit_cost: Mapped[Decimal | None] = mapped_column(MONEY)
    received_quantity: Mapped[int]
    remaining_quantity: Mapped[int]
    is_open: Mapped[bool] = mapped_column(Computed("remaining_quantity > 0", persisted=True))
    received_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (
        ForeignKeyConstraint(
            ["product_id", "store_id"], ["inventory.product_id", "inventory.store_id"], ondelete="CASCADE"
        ),
        CheckConstraint("received_quantity > 0", name="stock_batches_received"),
        CheckConstraint("remaining_quantity BETWEEN 0 AND received_quantity", name="stock_batches_remaining"),
        Index("idx_stock_batches_product", "product_id", "store_id", "expiry_date", "id"),
        Index(
            "idx_stock_batches_open",
            "product_id",
            "store_id",
            "expiry_date",
            "id",
            postgresql_where=text("is_open"),
        ),
        Index("idx_stock_batches_purchase_order", "purchase_order_id"),
    )


class StockMovement(Base):
    """A change of stock with its actor and reason. Append-only."""

    __tablename__ = "stock_movements"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=ORDERED_ID)
    product_id: Mapped[UUID]
    store_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(String(20))
    quantity: Mapped[int]
    balance_after: Mapped[int]
    actor_id: Mapped[UUID | None]
    actor_service: Mapped[str | None] = mapped_column(String(50))
    reason: Mapped[str | None] = mapped_column(Text)
    order_id: Mapped[UUID | None]
    purchase_order_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (
        ForeignKeyConstraint(
            ["product_id", "store_id"], ["inventory.product_id", "inventory.store_id"], ondelete="CASCADE"
        ),
        CheckConstraint("balance_after >= 0", name="stock_movements_balance"),
        CheckConstraint(
            "CASE kind WHEN 'receive' THEN quantity > 0 WHEN 'release' THEN quantity > 0"
            " WHEN 'return' THEN quantity > 0 WHEN 'reserve' THEN quantity < 0 WHEN 'spoil' THEN quantity < 0"
            " WHEN 'commit' THEN quantity = 0 WHEN 'adjust' THEN true ELSE false END",
            name="stock_movements_kind",
        ),
        CheckConstraint("num_nonnulls(actor_id, actor_service) = 1", name="stock_movements_actor"),
        Index("idx_stock_movements_product", "product_id", "store_id", "id"),
    )


class StockReservation(Base):
    """The stock that is reserved for an order. Released without lines: the release arrived before the reservation."""

    __tablename__ = "stock_reservations"

    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    store_id: Mapped[UUID | None]
    product_ids: Mapped[list[UUID]] = mapped_column(ARRAY(PG_UUID(as_uuid=True)), server_default=text("'{}'"))
    quantities: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default=text("'{}'"))
    status: Mapped[str] = mapped_column(String(20))
    ask_after: Mapped[datetime] = mapped_column(server_default=NOW)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (
        CheckConstraint("status IN ('held', 'committed', 'released', 'returned')", name="stock_reservations_status"),
        CheckConstraint(
            "cardinality(product_ids) = cardinality(quantities)"
            " AND (status = 'released' OR (store_id IS NOT NULL AND cardinality(product_ids) > 0))",
            name="stock_reservations_lines",
        ),
        Index("idx_stock_reservations_held", "ask_after", postgresql_where=text("status = 'held'")),
    )
