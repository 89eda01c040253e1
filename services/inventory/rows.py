"""Row types: what the statements return, and what they insert. Amounts are in major units."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from chassis.database.rows import SqlType


class ProductRow(NamedTuple):
    """A row of `products`.

    `customizations` has the options as JSON; it is None in lists. `store_price`, `store_available` and `current_stock`
    are those of one store, and None without a store. `sort_name` is set in lists, `score` in search results.
    """

    id: UUID
    name: str
    slug: str
    description: str | None
    short_description: str | None
    sku: str | None
    price: Decimal
    original_price: Decimal | None
    cost_price: Decimal | None
    category: str
    subcategory: str | None
    tags: list[str] | None
    ingredients: list[str]
    is_veg: bool | None
    is_vegan: bool | None
    is_jain: bool | None
    is_gluten_free: bool | None
    is_nut_free: bool | None
    spice_level: str | None
    prep_time_minutes: int | None
    servings: int | None
    weight: str | None
    unit: str | None
    shelf_life_days: int | None
    storage_instructions: str | None
    calories: int | None
    protein_g: Decimal | None
    carbs_g: Decimal | None
    fat_g: Decimal | None
    fiber_g: Decimal | None
    sodium_mg: int | None
    images: list[str] | None
    video_url: str | None
    is_available: bool | None
    is_featured: bool | None
    scheduled_availability: dict[str, str] | None
    rating: Decimal | None
    review_count: int | None
    meta_title: str | None
    meta_description: str | None
    created_at: datetime
    updated_at: datetime
    created_by: UUID | None
    tax_rate_basis_points: int
    version: int
    customizations: list[dict[str, Any]] | None
    store_price: Decimal | None
    store_available: bool | None
    current_stock: int | None
    sort_name: str | None
    score: int | None


class ProductVersionRow(NamedTuple):
    """The facts of ProductUpdated."""

    version: int
    name: str
    category: str
    price: Decimal


class CustomizationsRow(NamedTuple):
    """The customizations of a product as JSON; None without any."""

    customizations: list[dict[str, Any]] | None


class PriceRow(NamedTuple):
    """A product in a store, as a cart needs it; `place` is the request of a batched read."""

    place: int
    id: UUID
    name: str
    sku: str | None
    category: str
    price: Decimal
    tax_rate_basis_points: int
    prep_time_minutes: int | None
    scheduled_availability: dict[str, str] | None
    is_available: bool
    current_stock: int
    customizations: list[dict[str, Any]] | None


class StoreOfferRow(NamedTuple):
    """A row of `product_store_offers`."""

    product_id: UUID
    store_id: UUID
    price: Decimal | None
    is_available: bool
    updated_at: datetime


class CategoryRow(NamedTuple):
    """A row of `categories` with the slug of its parent."""

    id: UUID
    slug: str
    name: str
    description: str
    parent_id: UUID | None
    display_order: int
    is_active: bool
    created_at: datetime
    updated_at: datetime
    parent_slug: str | None


class InventoryItemRow(NamedTuple):
    """The stock of a product in a store."""

    product_id: UUID
    store_id: UUID
    product_name: str
    sku: str | None
    current_stock: int
    min_stock: int
    max_stock: int
    reorder_point: int
    is_low: bool
    cost_per_unit: Decimal | None
    unit: str
    last_restocked_at: datetime | None
    last_stock_count_at: datetime | None
    expiry_date: date | None
    batch_number: str | None
    updated_at: datetime
    sort_name: str
    reserved_stock: int


class LockedItemRow(NamedTuple):
    """A locked row of `inventory`."""

    product_id: UUID
    store_id: UUID
    current_stock: int
    min_stock: int
    max_stock: int
    reorder_point: int
    cost_per_unit: Decimal | None
    unit: str
    product_name: str


class StockChangeRow(NamedTuple):
    """A change of stock that crossed a threshold."""

    product_id: UUID
    store_id: UUID
    product_name: str
    before: int
    after: int
    min_before: int
    min_after: int
    reorder_point: int


class ReserveResultRow(NamedTuple):
    """A row of the reserving statement: either the result of an order, or a StockChangeRow with NULLs before it.

    `short`: the products of which the store does not have enough.
    """

    order_id: UUID | None
    held: bool | None
    short: list[UUID] | None
    product_id: UUID | None
    store_id: UUID | None
    product_name: str | None
    before: int | None
    after: int | None
    min_before: int | None
    min_after: int | None
    reorder_point: int | None


class ReservationRow(NamedTuple):
    """A row of `stock_reservations`; `product_ids` and `quantities` are parallel. A tombstone has no store."""

    order_id: UUID
    status: str
    store_id: UUID | None
    product_ids: list[UUID]
    quantities: list[int]


class StockBatchRow(NamedTuple):
    """A row of `stock_batches`."""

    id: UUID
    batch_number: str
    expiry_date: date | None
    received_quantity: int
    remaining_quantity: int
    received_at: datetime


class StockMovementRow(NamedTuple):
    """A row of `stock_movements`."""

    id: UUID
    product_id: UUID
    store_id: UUID
    kind: str
    quantity: int
    balance_after: int
    actor_id: UUID | None
    actor_service: str | None
    reason: str | None
    order_id: UUID | None
    purchase_order_id: UUID | None
    created_at: datetime


class ReorderProposalRow(NamedTuple):
    """A product at or below its reorder point, its open purchase orders, and its last supplier and price."""

    product_id: UUID
    product_name: str
    current_stock: int
    max_stock: int
    reorder_point: int
    sort_name: str
    on_order: int
    supplier_id: UUID | None
    unit_price: Decimal | None


class SupplierRow(NamedTuple):
    """A row of `suppliers`."""

    id: UUID
    name: str
    email: bytes | None
    phone: bytes | None
    address: bytes | None
    contact_person: str | None
    payment_terms: str | None
    tax_id: str | None
    is_active: bool
    created_at: datetime
    updated_at: datetime
    sort_name: str


class PurchaseOrderRow(NamedTuple):
    """A row of `purchase_orders`."""

    id: UUID
    po_number: str
    supplier_id: UUID
    store_id: UUID
    status: str
    subtotal: Decimal
    tax: Decimal | None
    shipping: Decimal | None
    total: Decimal
    order_date: date
    expected_delivery_date: date | None
    received_date: date | None
    notes: str | None
    created_at: datetime
    updated_at: datetime
    created_by: UUID | None


class PurchaseOrderItemRow(NamedTuple):
    """A row of `purchase_order_items` with the name of its product."""

    id: UUID
    product_id: UUID
    quantity: int
    unit_price: Decimal
    total_price: Decimal
    received_quantity: int
    product_name: str


@dataclass(frozen=True, slots=True)
class ProductColumns:
    """The columns of a product that a manager sets, with the values of a new product."""

    name: str | None = None
    slug: str | None = None
    description: str | None = None
    short_description: str | None = None
    sku: str | None = None
    price: Decimal | None = None
    original_price: Decimal | None = None
    cost_price: Decimal | None = None
    category: str | None = None
    subcategory: str | None = None
    tags: list[str] | None = field(default_factory=list)
    ingredients: list[str] | None = field(default_factory=list)
    is_veg: bool | None = True
    is_vegan: bool | None = False
    is_jain: bool | None = True
    is_gluten_free: bool | None = False
    is_nut_free: bool | None = False
    spice_level: str | None = "Mild"
    prep_time_minutes: int | None = 15
    servings: int | None = 1
    weight: str | None = None
    unit: str | None = None
    shelf_life_days: int | None = None
    storage_instructions: str | None = None
    calories: int | None = None
    protein_g: Decimal | None = None
    carbs_g: Decimal | None = None
    fat_g: Decimal | None = None
    fiber_g: Decimal | None = None
    sodium_mg: int | None = None
    images: list[str] | None = field(default_factory=list)
    video_url: str | None = None
    is_available: bool | None = True
    is_featured: bool | None = False
    scheduled_availability: dict[str, str] | None = None
    meta_title: str | None = None
    meta_description: str | None = None
    tax_rate_basis_points: int = 500


@dataclass(frozen=True, slots=True)
class NewCategory:
    """A new category."""

    id: UUID
    slug: str
    name: str
    description: str
    parent_id: UUID | None
    display_order: int


@dataclass(frozen=True, slots=True)
class NewCustomization:
    """A new or changed customization."""

    id: UUID
    product_id: UUID
    name: str
    type: str
    is_required: bool
    display_order: int


@dataclass(frozen=True, slots=True)
class NewOption:
    """A new or changed option of a customization."""

    id: UUID
    customization_id: UUID
    name: str
    price_modifier: Decimal
    is_default: bool
    display_order: int


@dataclass(frozen=True, slots=True)
class NewBatch:
    """Units that are received together."""

    product_id: UUID
    store_id: UUID
    purchase_order_id: UUID | None
    batch_number: str
    expiry_date: date | None
    unit_cost: Decimal | None
    received_quantity: int
    remaining_quantity: int


@dataclass(frozen=True, slots=True)
class StockThresholds:
    """The thresholds and the cost of a product in a store."""

    min_stock: int
    max_stock: int
    reorder_point: int
    cost_per_unit: Decimal | None
    unit: str


@dataclass(frozen=True, slots=True)
class NewSupplier:
    """The columns of a supplier that a manager sets; contact data is encrypted."""

    name: str
    email: bytes | None
    phone: bytes | None
    address: bytes | None
    contact_person: str | None
    payment_terms: str | None
    tax_id: str | None
    is_active: bool


@dataclass(frozen=True, slots=True)
class NewPurchaseOrder:
    """A new purchase order."""

    po_number: str
    supplier_id: UUID
    store_id: UUID
    subtotal: Decimal
    tax: Decimal
    shipping: Decimal
    total: Decimal
    order_date: date
    expected_delivery_date: date | None
    notes: str | None
    created_by: UUID


@dataclass(frozen=True, slots=True)
class NewPurchaseOrderItem:
    """A line of a new purchase order."""

    purchase_order_id: UUID
    product_id: UUID
    quantity: Annotated[int, SqlType("int")]
    unit_price: Decimal
    total_price: Decimal


@dataclass(frozen=True, slots=True)
class OrderLine:
    """A line of a reservation that the statement moves."""

    order_id: UUID
    product_id: UUID
    store_id: UUID
    quantity: Annotated[int, SqlType("int")]
