"""Roll-ups: sums of orders by hour, day, product and customer.

A fact adds `calculate_contribution(fact, zone)` to the roll-ups; when it changes, the difference is added.
So a roll-up always equals the sum over the facts, which a test verifies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from operator import add, sub
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from services.analytics.model.facts import ZERO, Milestone, OrderFact, Placement
from services.analytics.rows import NewCustomerDay, NewProductDay, NewSalesDay, NewSalesHour

# The measures of a roll-up of orders, in the order of its columns.
COUNTS: Final = (
    "placed",
    "counted",
    "cancelled",
    "delivered",
    "prepared",
    "preparation_seconds",
    "carried",
    "delivery_seconds",
)
AMOUNTS: Final = ("gross", "refunds", "tax", "delivery_fees", "discounts")
MEASURES: Final = COUNTS + AMOUNTS
Figures = tuple[Any, ...]
NOTHING: Final[Figures] = (0,) * len(COUNTS) + (ZERO,) * len(AMOUNTS)


@dataclass(frozen=True, slots=True)
class Contribution:
    """The amounts that one order adds to the roll-ups of one time zone."""

    store_id: UUID
    day: date
    hour: int
    figures: Figures
    # product id → quantity, orders, sales
    products: Mapping[UUID, tuple[int, int, Decimal]]
    # customer id → orders, revenue
    customers: Mapping[UUID, tuple[int, Decimal]]


def calculate_contribution(fact: OrderFact, zone: str) -> Contribution | None:
    """The contribution of a fact; None before OrderCreated has arrived, which states day and amounts."""
    order = fact.placement
    if order is None:
        return None
    local = order.placed_at.astimezone(ZoneInfo(zone))
    counted = fact.counts
    return Contribution(
        order.store_id,
        local.date(),
        local.hour,
        _measures_of(fact, order),
        _products_of(order) if counted else {},
        {order.customer_id: (1, order.total - fact.refunded_amount)} if counted else {},
    )


def _measures_of(fact: OrderFact, order: Placement) -> Figures:
    cancelled, delivered = int(fact.is_cancelled), int(Milestone.DELIVERED in fact.reached)
    if not fact.counts:
        return (1, 0, cancelled, delivered, *NOTHING[4:])
    preparation = fact.duration_seconds(Milestone.CONFIRMED, Milestone.READY)
    delivery = fact.duration_seconds(Milestone.DISPATCHED, Milestone.DELIVERED)
    return (
        1,
        1,
        cancelled,
        delivered,
        int(preparation is not None),
        preparation or 0,
        int(delivery is not None),
        delivery or 0,
        order.total,
        fact.refunded_amount,
        order.tax,
        order.delivery_fee,
        order.discount + order.loyalty_discount,
    )


def _products_of(order: Placement) -> dict[UUID, tuple[int, int, Decimal]]:
    """Quantity, orders and sales by product; several lines of a product count as one order."""
    products: dict[UUID, tuple[int, int, Decimal]] = {}
    for line in order.lines:
        quantity, _, sales = products.get(line.product_id, (0, 0, ZERO))
        products[line.product_id] = (quantity + line.quantity, 1, sales + line.sales)
    return products


class Differences:
    """The changes of roll-ups, summed over many orders."""

    def __init__(self) -> None:
        self._hours: defaultdict[tuple[Any, ...], Figures] = defaultdict(lambda: NOTHING)
        self._products: defaultdict[tuple[Any, ...], Figures] = defaultdict(lambda: (0, 0, ZERO))
        self._customers: defaultdict[tuple[Any, ...], Figures] = defaultdict(lambda: (0, ZERO))

    def change(self, before: OrderFact, after: OrderFact, zone: str) -> None:
        """Adds the change of one order from `before` to `after`."""
        old, new = calculate_contribution(before, zone), calculate_contribution(after, zone)
        for part, other, sign in ((old, new, -1), (new, old, 1)):
            if part is None:
                continue
            where = (part.store_id, zone, part.day)
            _add_to(self._hours, (*where, part.hour), part.figures, sign)
            # Most events only change times; equal amounts need not be subtracted and added again.
            same_day = other is not None and (other.store_id, other.day) == (part.store_id, part.day)
            if not (same_day and other is not None and other.products == part.products):
                for product_id, figures in part.products.items():
                    _add_to(self._products, (*where, product_id), figures, sign)
            if not (same_day and other is not None and other.customers == part.customers):
                for customer_id, spent in part.customers.items():
                    _add_to(self._customers, (*where, customer_id), spent, sign)

    def hours(self) -> list[NewSalesHour]:
        """Changes of sales_hours, sorted by key, so that concurrent writers do not deadlock."""
        return [NewSalesHour._make(row) for row in _sorted_rows(self._hours)]

    def days(self) -> list[NewSalesDay]:
        """Changes of sales_days."""
        days: defaultdict[tuple[Any, ...], Figures] = defaultdict(lambda: NOTHING)
        for key, figures in self._hours.items():
            _add_to(days, key[:3], figures, 1)
        return [NewSalesDay._make(row) for row in _sorted_rows(days)]

    def products(self) -> list[NewProductDay]:
        """Changes of product_days."""
        return [NewProductDay._make(row) for row in _sorted_rows(self._products)]

    def customers(self) -> list[NewCustomerDay]:
        """Changes of customer_days."""
        return [NewCustomerDay._make(row) for row in _sorted_rows(self._customers)]


def _add_to(sums: defaultdict[tuple[Any, ...], Figures], key: tuple[Any, ...], figures: Figures, sign: int) -> None:
    change = add if sign > 0 else sub
    sums[key] = tuple(map(change, sums[key], figures))


def _sorted_rows(sums: Mapping[tuple[Any, ...], Figures]) -> list[Figures]:
    return [(*key, *figures) for key, figures in sorted(sums.items()) if any(figures)]
