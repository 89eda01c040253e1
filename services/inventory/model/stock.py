"""Rules of stock: what a movement is called, which thresholds it crosses, how a purchase order moves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from uuid import UUID

from services.inventory.model.refusals import PurchaseOrderState

RECEIVE = "receive"
RESERVE = "reserve"
RELEASE = "release"
COMMIT = "commit"
ADJUST = "adjust"
SPOIL = "spoil"
RETURN = "return"

HELD = "held"
RELEASED = "released"
RETURNED = "returned"

PENDING = "pending"
CONFIRMED = "confirmed"
RECEIVED = "received"
CANCELLED = "cancelled"

_NEXT: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        PENDING: frozenset({CONFIRMED, CANCELLED}),
        CONFIRMED: frozenset({RECEIVED, CANCELLED}),
        RECEIVED: frozenset(),
        CANCELLED: frozenset(),
    }
)


def check_step(status: str, to: str) -> None:
    """Raises PurchaseOrderState when a purchase order may not go from one state to the other."""
    if to not in _NEXT[status]:
        raise PurchaseOrderState(status)


@dataclass(frozen=True, slots=True)
class Level:
    """How much there is, and below what the alarm rings."""

    stock: int
    min_stock: int

    @property
    def is_low(self) -> bool:
        return self.stock <= self.min_stock


@dataclass(frozen=True, slots=True)
class Crossing:
    """Thresholds that one change of stock went across. Each tells its direction, so nothing is told twice."""

    ran_low: bool
    ran_out: bool
    back_in_stock: bool
    above_min_stock: bool

    @property
    def restocked(self) -> bool:
        return self.back_in_stock or self.above_min_stock


@dataclass(frozen=True, slots=True)
class StockChange:
    """The stock of a product in a store, before and after."""

    product_id: UUID
    store_id: UUID
    product_name: str
    before: int
    after: int
    min_before: int
    min_after: int
    reorder_point: int


def crossing(before: Level, after: Level) -> Crossing:
    """What a change from one level to the other crosses."""
    return Crossing(
        ran_low=after.is_low and not before.is_low,
        ran_out=after.stock == 0 and before.stock > 0,
        back_in_stock=before.stock == 0 and after.stock > 0,
        above_min_stock=before.is_low and not after.is_low and after.stock > before.stock,
    )


@dataclass(frozen=True, slots=True)
class Goods:
    """Units of a product that came in together."""

    product_id: UUID
    quantity: int
    batch_number: str = ""
    expiry_date: date | None = None
    unit_cost: Decimal | None = None


def sum_lines(lines: Iterable[tuple[UUID, int]]) -> dict[UUID, int]:
    """Quantities by product, products in order: two lines of one product take from one stock."""
    totals: dict[UUID, int] = {}
    for product_id, quantity in lines:
        totals[product_id] = totals.get(product_id, 0) + quantity
    return dict(sorted(totals.items()))


def proposed_quantity(current_stock: int, max_stock: int, on_order: int) -> int:
    """What fills the store up, less what is coming already."""
    return max(0, max_stock - current_stock - on_order)
