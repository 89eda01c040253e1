"""Row types: what the statements return, and what they insert. Amounts are in major units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from chassis.database.rows import parameters


class OrderItemRow(NamedTuple):
    """A row of `order_items`, as `OrderRow.items` has it. `customizations` are the chosen options."""

    id: str
    product_id: str
    product_name: str
    product_sku: str | None
    category: str | None
    unit_price: Decimal
    quantity: int
    subtotal: Decimal
    discount: Decimal
    tax_rate: int
    cgst: Decimal
    sgst: Decimal
    igst: Decimal
    customizations: list[dict[str, Any]] | None
    special_instructions: str | None

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> OrderItemRow:
        """The row from its JSON object. Amounts are strings there: a JSON number would become a float."""
        return cls(
            id=str(item["id"]),
            product_id=str(item["product_id"]),
            product_name=item["product_name"],
            product_sku=item["product_sku"],
            category=item["category"],
            unit_price=Decimal(item["unit_price"]),
            quantity=item["quantity"],
            subtotal=Decimal(item["subtotal"]),
            discount=Decimal(item["discount"]),
            tax_rate=item["tax_rate"],
            cgst=Decimal(item["cgst"]),
            sgst=Decimal(item["sgst"]),
            igst=Decimal(item["igst"]),
            customizations=item["customizations"],
            special_instructions=item["special_instructions"],
        )


class OrderRow(NamedTuple):
    """A row of `orders` with its items."""

    id: UUID
    version: int
    order_number: str
    customer_id: UUID
    customer_name: str
    customer_email: bytes
    customer_phone: bytes
    store_id: UUID
    store_name: str
    store_state: str
    store_gstin: str | None
    place_of_supply: str
    status: str
    payment_status: str
    payment_method: str
    subtotal: Decimal
    tax: Decimal
    delivery_fee: Decimal
    discount: Decimal
    loyalty_discount: Decimal
    total: Decimal
    delivery_tax_rate: int
    delivery_cgst: Decimal
    delivery_sgst: Decimal
    delivery_igst: Decimal
    delivery_type: str
    delivery_address: bytes | None
    delivery_latitude: bytes | None
    delivery_longitude: bytes | None
    delivery_instructions: str | None
    special_instructions: str | None
    estimated_delivery_time: datetime | None
    scheduled_delivery_time: datetime | None
    accepted_at: datetime | None
    loyalty_points_redeemed: int | None
    coupon_code: str | None
    payment_id: UUID | None
    payment_expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    # Mappings with the fields of OrderItemRow; from the database they are JSON objects.
    items: list[dict[str, Any]]
    # Columns that a new order leaves empty.
    preparing_at: datetime | None = None
    ready_at: datetime | None = None
    dispatched_at: datetime | None = None
    delivered_at: datetime | None = None
    cancelled_at: datetime | None = None
    assigned_staff_id: UUID | None = None
    delivery_person_id: UUID | None = None
    cancellation_code: str | None = None
    cancellation_reason: str | None = None
    rating: int | None = None
    loyalty_points_earned: int | None = None
    provider_order_id: str | None = None


class OrderHeadRow(NamedTuple):
    """State and parties of an order: what decides about changes."""

    id: UUID
    order_number: str
    version: int
    status: str
    payment_status: str
    payment_method: str
    delivery_type: str
    customer_id: UUID
    store_id: UUID
    total: Decimal
    estimated_delivery_time: datetime | None
    delivery_person_id: UUID | None
    assigned_staff_id: UUID | None
    payment_id: UUID | None


class ChangedOrderRow(NamedTuple):
    """An order after a transition: what its events need."""

    id: UUID
    order_number: str
    version: int
    status: str
    payment_status: str
    payment_method: str
    delivery_type: str
    customer_id: UUID
    store_id: UUID
    total: Decimal
    subtotal: Decimal
    discount: Decimal
    loyalty_discount: Decimal
    estimated_delivery_time: datetime | None
    payment_id: UUID | None
    updated_at: datetime


class AssignedOrderRow(NamedTuple):
    """An order after an assignment."""

    id: UUID
    order_number: str
    version: int
    store_id: UUID
    assigned_staff_id: UUID | None
    delivery_person_id: UUID | None
    updated_at: datetime


class OrderStateRow(NamedTuple):
    """What other services may know about an order."""

    order_id: UUID
    status: str
    payment_status: str
    customer_id: UUID
    store_id: UUID
    restock: bool


class OrderVersionRow(NamedTuple):
    """Version and latest position of an order; a change of either wakes its watchers."""

    id: UUID
    version: int
    position_id: UUID | None


class TimelineRow(NamedTuple):
    """A row of `order_timeline`."""

    id: UUID
    version: int
    status: str
    note: str | None
    updated_by: UUID | None
    updated_by_name: str | None
    visible_to_customer: bool
    created_at: datetime


class PositionRow(NamedTuple):
    """A row of `order_tracking`; the coordinates are encrypted."""

    id: UUID
    order_id: UUID
    latitude: bytes
    longitude: bytes
    status: str
    message: str | None
    created_at: datetime


class SagaRow(NamedTuple):
    """A row of `order_sagas` whose process did not complete it."""

    order_id: UUID
    state: str
    holds_benefits: bool
    caller: str
    method: str
    key: str
    attempts: int


@dataclass(frozen=True, slots=True)
class NewSaga:
    """A row to insert into `order_sagas`, with the idempotency key that it claims."""

    order_id: UUID
    customer_id: UUID
    store_id: UUID
    holds_benefits: bool
    caller: str
    method: str
    key: str
    body_hash: bytes


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A row to insert into `orders`."""

    id: UUID
    version: int
    order_number: str
    customer_id: UUID
    customer_name: str
    customer_email: bytes
    customer_phone: bytes
    store_id: UUID
    store_name: str
    store_state: str
    store_gstin: str | None
    place_of_supply: str
    status: str
    payment_status: str
    payment_method: str
    subtotal: Decimal
    tax: Decimal
    delivery_fee: Decimal
    discount: Decimal
    loyalty_discount: Decimal
    total: Decimal
    delivery_tax_rate: int
    delivery_cgst: Decimal
    delivery_sgst: Decimal
    delivery_igst: Decimal
    delivery_type: str
    delivery_address: bytes | None
    delivery_latitude: bytes | None
    delivery_longitude: bytes | None
    delivery_instructions: str | None
    special_instructions: str | None
    estimated_delivery_time: datetime | None
    scheduled_delivery_time: datetime | None
    accepted_at: datetime | None
    loyalty_points_redeemed: int
    coupon_code: str | None
    payment_id: UUID | None
    payment_expires_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewOrderItem:
    """A row to insert into `order_items`; `created_at` is that of the order."""

    id: UUID
    order_id: UUID
    position: int
    product_id: UUID
    product_name: str
    product_sku: str | None
    category: str | None
    unit_price: Decimal
    quantity: int
    subtotal: Decimal
    discount: Decimal
    tax_rate: int
    cgst: Decimal
    sgst: Decimal
    igst: Decimal
    customizations: list[dict[str, Any]]
    special_instructions: str | None


@dataclass(frozen=True, slots=True)
class NewPosition:
    """A row to insert into `order_tracking`; the statement adds the order's status."""

    id: UUID
    order_id: UUID
    latitude: bytes
    longitude: bytes
    message: str | None


@dataclass(frozen=True, slots=True)
class NewStoreStaff:
    """A row to insert into `store_staff`."""

    staff_id: UUID
    account_id: UUID
    store_id: UUID
    job: str
    is_active: bool
    version: int


def order_row(order: NewOrder, items: Iterable[NewOrderItem]) -> OrderRow:
    """The row that a SELECT returns once the order is inserted."""
    return OrderRow(**parameters(order), items=[parameters(item) for item in items])
