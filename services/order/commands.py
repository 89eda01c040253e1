"""Inputs of the use cases: of rpcs and of events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeAlias
from uuid import UUID

from chassis.rpc.idempotency import Claim
from services.order.model.cart import Cart
from services.order.model.contacts import Location
from services.order.model.states import OrderStatus

# What limits a list of orders, beside their state. Each is a parameter of its own name, except `visible`, which
# stands for those of `Viewer.parameters()`.
OrderFilter: TypeAlias = Literal[
    "visible", "customer_id", "store_id", "delivery_person_id", "order_number", "from_id", "before_id", "after"
]
StatusFilter: TypeAlias = Literal["any", OrderStatus]


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """A cart to order, how it is paid, and the idempotency key of the request. `quote` is empty without a quote."""

    cart: Cart
    payment_method: str
    quote: str
    delivery_instructions: str
    special_instructions: str
    claim: Claim


@dataclass(frozen=True, slots=True)
class ListOrders:
    """Which of the visible orders; None does not limit them."""

    status: StatusFilter = "any"
    store_id: UUID | None = None
    customer_id: UUID | None = None
    order_number: str | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class UpdateOrderStatus:
    """The state that the order shall have. With a version, only if the order still has it."""

    order_id: UUID
    status: str
    note: str
    version: int | None


@dataclass(frozen=True, slots=True)
class AddTimelineNote:
    """A note for the history of an order."""

    order_id: UUID
    note: str
    visible_to_customer: bool


@dataclass(frozen=True, slots=True)
class AssignOrder:
    """The accounts of the chef and the courier; None keeps the present one."""

    order_id: UUID
    chef: UUID | None
    courier: UUID | None


@dataclass(frozen=True, slots=True)
class ReportPosition:
    """The present location of the courier of an order."""

    order_id: UUID
    location: Location
    message: str


@dataclass(frozen=True, slots=True)
class RecordPayment:
    """A captured payment of an order."""

    order_id: UUID
    amount: Decimal
    is_cash: bool


@dataclass(frozen=True, slots=True)
class RecordRefund:
    """A refund of an order, and the total of all its refunds. `is_full` when that is the captured amount."""

    order_id: UUID
    amount: Decimal
    refunded_total: Decimal
    is_full: bool
