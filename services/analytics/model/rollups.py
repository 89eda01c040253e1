"""How orders become figures.

A fact adds `contribution(fact, zone)` to the roll-ups; when it changes, the difference between its contributions is
added. So a roll-up is at all times the sum over the facts, and a test holds it to that.
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
    """What one order adds to the roll-ups of one zone."""

    store_id: UUID
    day: date
    hour: int
    figures: Figures
    # product id → quantity, orders, sales
    products: Mapping[UUID, tuple[int, int, Decimal]]
    # customer id → orders, revenue
    customers: Mapping[UUID, tuple[int, Decimal]]


def contribution(fact: OrderFact, zone: str) -> Contribution | None:
    """Nothing until the order's first event is heard: without it neither day nor amounts are known."""
    order = fact.placement
    if order is None:
        return None
    local = order.placed_at.astimezone(ZoneInfo(zone))
    counted = fact.counts
    return Contribution(
        order.store_id,
        local.date(),
        local.hour,
        _figures(fact, order),
        _products(order) if counted else {},
        {order.customer_id: (1, order.total - fact.refunded_amount)} if counted else {},
    )


def _figures(fact: OrderFact, order: Placement) -> Figures:
    cancelled, delivered = int(fact.is_cancelled), int(Milestone.DELIVERED in fact.reached)
    if not fact.counts:
        return (1, 0, cancelled, delivered, *NOTHING[4:])
    preparation = fact.seconds(Milestone.CONFIRMED, Milestone.READY)
    delivery = fact.seconds(Milestone.DISPATCHED, Milestone.DELIVERED)
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


def _products(order: Placement) -> dict[UUID, tuple[int, int, Decimal]]:
    """A product that stands on two lines is in one order."""
    products: dict[UUID, tuple[int, int, Decimal]] = {}
    for line in order.lines:
        quantity, _, sales = products.get(line.product_id, (0, 0, ZERO))
        products[line.product_id] = (quantity + line.quantity, 1, sales + line.sales)
    return products


class Differences:
    """What roll-ups must change by, gathered over many orders."""

    def __init__(self) -> None:
        self._hours: defaultdict[tuple[Any, ...], Figures] = defaultdict(lambda: NOTHING)
        self._products: defaultdict[tuple[Any, ...], Figures] = defaultdict(lambda: (0, 0, ZERO))
        self._customers: defaultdict[tuple[Any, ...], Figures] = defaultdict(lambda: (0, ZERO))

    def change(self, before: OrderFact, after: OrderFact, zone: str) -> None:
        """One order was `before` and is `after`."""
        old, new = contribution(before, zone), contribution(after, zone)
        for part, other, sign in ((old, new, -1), (new, old, 1)):
            if part is None:
                continue
            where = (part.store_id, zone, part.day)
            _sum(self._hours, (*where, part.hour), part.figures, sign)
            # Most events change times alone; what is the same before and after need not be taken off and put back.
            stays = other is not None and (other.store_id, other.day) == (part.store_id, part.day)
            if not (stays and other is not None and other.products == part.products):
                for product_id, figures in part.products.items():
                    _sum(self._products, (*where, product_id), figures, sign)
            if not (stays and other is not None and other.customers == part.customers):
                for customer_id, spent in part.customers.items():
                    _sum(self._customers, (*where, customer_id), spent, sign)

    def hours(self) -> list[Figures]:
        """Rows of sales_hours: store, zone, day, hour, measures; in one order, so that writers do not deadlock."""
        return _rows(self._hours)

    def days(self) -> list[Figures]:
        """Rows of sales_days: store, zone, day, measures."""
        days: defaultdict[tuple[Any, ...], Figures] = defaultdict(lambda: NOTHING)
        for key, figures in self._hours.items():
            _sum(days, key[:3], figures, 1)
        return _rows(days)

    def products(self) -> list[Figures]:
        """Rows of product_days: store, zone, day, product, quantity, orders, sales."""
        return _rows(self._products)

    def customers(self) -> list[Figures]:
        """Rows of customer_days: store, zone, day, customer, orders, revenue."""
        return _rows(self._customers)


def _sum(sums: defaultdict[tuple[Any, ...], Figures], key: tuple[Any, ...], figures: Figures, sign: int) -> None:
    change = add if sign > 0 else sub
    sums[key] = tuple(map(change, sums[key], figures))


def _rows(sums: Mapping[tuple[Any, ...], Figures]) -> list[Figures]:
    return [(*key, *figures) for key, figures in sorted(sums.items()) if any(figures)]
