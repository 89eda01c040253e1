"""Rules of stock: kinds of movements, thresholds, and states of purchase orders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Final
from uuid import UUID

from services.inventory.errors import PurchaseOrderState

# Kinds of movements.
RECEIVE: Final = "receive"
RESERVE: Final = "reserve"
RELEASE: Final = "release"
COMMIT: Final = "commit"
ADJUST: Final = "adjust"
SPOIL: Final = "spoil"
RETURN: Final = "return"

# States of reservations.
HELD: Final = "held"
RELEASED: Final = "released"
RETURNED: Final = "returned"

# States of purchase orders.
PENDING: Final = "pending"
CONFIRMED: Final = "confirmed"
RECEIVED: Final = "received"
CANCELLED: Final = "cancelled"

_TRANSITIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        PENDING: frozenset({CONFIRMED, CANCELLED}),
        CONFIRMED: frozenset({RECEIVED, CANCELLED}),
        RECEIVED: frozenset(),
        CANCELLED: frozenset(),
    }
)


def check_transition(status: str, to: str) -> None:
    """Raises PurchaseOrderState when a purchase order has no transition between the two states."""
    if to not in _TRANSITIONS[status]:
        raise PurchaseOrderState(status)


@dataclass(frozen=True, slots=True)
class Level:
    """The stock of a product, and its threshold."""

    stock: int
    min_stock: int

    @property
    def is_low(self) -> bool:
        """Whether the stock is at or below the threshold."""
        return self.stock <= self.min_stock


@dataclass(frozen=True, slots=True)
class Crossing:
    """The thresholds that a change of stock crosses, with their direction, so that each event is published once."""

    ran_low: bool
    ran_out: bool
    back_in_stock: bool
    above_min_stock: bool

    @property
    def is_restocked(self) -> bool:
        """Whether StockRestocked is published."""
        return self.back_in_stock or self.above_min_stock


def find_crossing(before: Level, after: Level) -> Crossing:
    """The thresholds between two levels."""
    return Crossing(
        ran_low=after.is_low and not before.is_low,
        ran_out=after.stock == 0 and before.stock > 0,
        back_in_stock=before.stock == 0 and after.stock > 0,
        above_min_stock=before.is_low and not after.is_low and after.stock > before.stock,
    )


@dataclass(frozen=True, slots=True)
class Goods:
    """Units of a product that are received together."""

    product_id: UUID
    quantity: int
    batch_number: str = ""
    expiry_date: date | None = None
    unit_cost: Decimal | None = None


def sum_lines(lines: Iterable[tuple[UUID, int]]) -> dict[UUID, int]:
    """Quantities by product, sorted by product: two lines of one product share one stock."""
    totals: dict[UUID, int] = {}
    for product_id, quantity in lines:
        totals[product_id] = totals.get(product_id, 0) + quantity
    return dict(sorted(totals.items()))


def propose_quantity(current_stock: int, max_stock: int, on_order: int) -> int:
    """The quantity that reaches the maximum stock, without what is on order."""
    return max(0, max_stock - current_stock - on_order)
