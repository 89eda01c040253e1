"""Inputs of the use cases, as servicers and event handlers read them. Amounts are in major units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, TypeAlias
from uuid import UUID

from chassis.rpc.idempotency import Claim

ProductSort: TypeAlias = Literal["newest", "name", "price", "price_descending", "rating"]
ProductFilter: TypeAlias = Literal[
    "slug",
    "category",
    "subcategory",
    "is_veg",
    "is_vegan",
    "is_jain",
    "is_gluten_free",
    "is_nut_free",
    "is_featured",
    "is_available",
    "tag",
    "query",
    "spice_level",
    "min_price",
    "max_price",
]
# Changed fields of ProductColumns.
ProductChanges: TypeAlias = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ListProducts:
    """A page of the menu, of one store or of the catalogue."""

    filters: Mapping[ProductFilter, object]
    sort: ProductSort
    store_id: UUID | None


@dataclass(frozen=True, slots=True)
class SearchProducts:
    """Products that match a text, of one store or of the catalogue."""

    query: str
    store_id: UUID | None


@dataclass(frozen=True, slots=True)
class UpdateProduct:
    """The fields of a product that change."""

    product_id: UUID
    known_version: int | None
    changes: ProductChanges


@dataclass(frozen=True, slots=True)
class SetStoreOffer:
    """The price and the availability of a product in one store; None keeps the present value."""

    product_id: UUID
    store_id: UUID
    price: Decimal | None
    clear_price: bool
    is_available: bool | None


@dataclass(frozen=True, slots=True)
class OptionInput:
    """An option as a manager enters it; without an id it is new."""

    id: UUID | None
    name: str
    price_modifier: Decimal
    is_default: bool


@dataclass(frozen=True, slots=True)
class CustomizationInput:
    """A customization as a manager enters it; without an id it is new."""

    id: UUID | None
    name: str
    type: str
    is_required: bool
    options: Sequence[OptionInput]


@dataclass(frozen=True, slots=True)
class SetProductOptions:
    """All customizations of a product."""

    product_id: UUID
    known_version: int | None
    customizations: Sequence[CustomizationInput]


@dataclass(frozen=True, slots=True)
class CreateCategory:
    """A new category. Without a slug it gets one from its name."""

    slug: str
    name: str
    description: str
    parent_slug: str
    display_order: int


@dataclass(frozen=True, slots=True)
class UpdateCategory:
    """New values of a category; None keeps the present value."""

    category_id: UUID
    name: str | None
    description: str | None
    display_order: int | None
    is_active: bool | None


@dataclass(frozen=True, slots=True)
class CartLine:
    """A product with its chosen options."""

    product_id: UUID
    quantity: int
    option_ids: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class UpdateRating:
    """The rating of a product; `version` orders the ratings."""

    product_id: UUID
    average: Decimal
    review_count: int
    version: int


@dataclass(frozen=True, slots=True)
class ListItems:
    """The stock of a store, or only what is low."""

    store_id: UUID
    low_only: bool


@dataclass(frozen=True, slots=True)
class ListMovements:
    """The movements of a product in a store, of one kind or of all."""

    product_id: UUID
    store_id: UUID
    kind: str | None


@dataclass(frozen=True, slots=True)
class SetStock:
    """A stock count and new thresholds; None keeps the present value. `expected_stock`: what the caller has seen."""

    product_id: UUID
    store_id: UUID
    reason: str
    current_stock: int | None
    expected_stock: int | None
    min_stock: int | None
    max_stock: int | None
    reorder_point: int | None
    cost_per_unit: Decimal | None
    unit: str | None


@dataclass(frozen=True, slots=True)
class RecordMovement:
    """A movement by hand: `receive`, `adjust` or `spoil`. Batch, expiry and cost belong to received units."""

    product_id: UUID
    store_id: UUID
    kind: str
    quantity: int
    reason: str
    batch_number: str
    expiry_date: date | None
    unit_cost: Decimal | None
    force: bool
    claim: Claim


@dataclass(frozen=True, slots=True)
class ReserveStock:
    """The lines of an order, and when its reservation expires."""

    order_id: UUID
    store_id: UUID
    lines: Sequence[tuple[UUID, int]]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class SettleOrders:
    """Orders whose reservations are settled: confirmed, cancelled with return, cancelled after the food was begun."""

    confirmed: frozenset[UUID]
    returned: frozenset[UUID] = frozenset()
    consumed: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class CreateSupplier:
    """A new supplier; empty texts are absent."""

    name: str
    email: str
    phone: str
    address: str
    contact_person: str
    payment_terms: str
    tax_id: str


@dataclass(frozen=True, slots=True)
class UpdateSupplier:
    """New values of a supplier; None keeps the present value, an empty text removes it."""

    supplier_id: UUID
    name: str | None
    email: str | None
    phone: str | None
    address: str | None
    contact_person: str | None
    payment_terms: str | None
    tax_id: str | None
    is_active: bool | None


@dataclass(frozen=True, slots=True)
class PurchaseLine:
    """A product of a purchase order."""

    product_id: UUID
    quantity: int
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class CreatePurchaseOrder:
    """A new purchase order; the notes may be empty."""

    supplier_id: UUID
    store_id: UUID
    lines: Sequence[PurchaseLine]
    tax: Decimal
    shipping: Decimal
    expected_delivery_date: date | None
    notes: str


@dataclass(frozen=True, slots=True)
class ListPurchaseOrders:
    """Which purchase orders; None means all."""

    store_id: UUID | None
    supplier_id: UUID | None
    status: str | None


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """Received units of one product."""

    product_id: UUID
    quantity: int
    batch_number: str
    expiry_date: date | None


@dataclass(frozen=True, slots=True)
class ReceivePurchaseOrder:
    """The receipt of a purchase order; without lines everything that is open."""

    purchase_order_id: UUID
    lines: Sequence[ReceiptLine]
    force: bool
    claim: Claim
