"""Facts of an order, collected from its events.

Events may arrive in any order and repeatedly: each sets only the fields that it knows, so the result does not depend on
the order of arrival.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Self
from uuid import UUID

from services.analytics.rows import OrderFactRow

ZERO: Final = Decimal("0.00")


class Milestone(StrEnum):
    """A state of an order. Its time is the column `<value>_at` of order_facts."""

    CONFIRMED = "confirmed"
    PREPARING = "preparing"
    READY = "ready"
    DISPATCHED = "dispatched"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


# An order in one of these states was confirmed, even if OrderConfirmed has not arrived yet.
_ACCEPTED: Final = frozenset(
    {Milestone.CONFIRMED, Milestone.PREPARING, Milestone.READY, Milestone.DISPATCHED, Milestone.DELIVERED}
)


@dataclass(frozen=True, slots=True)
class Line:
    """One product of an order."""

    product_id: UUID
    name: str
    category: str
    quantity: int
    sales: Decimal

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> Self:
        """The line that `to_json` wrote."""
        return cls(UUID(line["product_id"]), line["name"], line["category"], line["quantity"], Decimal(line["sales"]))

    def to_json(self) -> dict[str, Any]:
        """The line as it is stored in order_facts."""
        return {
            "product_id": str(self.product_id),
            "name": self.name,
            "category": self.category,
            "quantity": self.quantity,
            "sales": str(self.sales),
        }


@dataclass(frozen=True, slots=True)
class Placement:
    """The order as it was placed, from its first event."""

    number: str
    store_id: UUID
    customer_id: UUID
    placed_at: datetime
    fulfilment: str
    payment_method: str
    subtotal: Decimal
    tax: Decimal
    delivery_fee: Decimal
    discount: Decimal
    loyalty_discount: Decimal
    total: Decimal
    lines: tuple[Line, ...]

    @classmethod
    def from_row(cls, row: OrderFactRow) -> Self | None:
        """The placement that a row of order_facts stores; None before OrderCreated has arrived."""
        if row.placed_at is None:
            return None
        assert row.number is not None
        assert row.store_id is not None
        assert row.customer_id is not None
        return cls(
            number=row.number,
            store_id=row.store_id,
            customer_id=row.customer_id,
            placed_at=row.placed_at,
            fulfilment=row.fulfilment or "",
            payment_method=row.payment_method or "",
            subtotal=row.subtotal or ZERO,
            tax=row.tax or ZERO,
            delivery_fee=row.delivery_fee or ZERO,
            discount=row.discount or ZERO,
            loyalty_discount=row.loyalty_discount or ZERO,
            total=row.total or ZERO,
            lines=tuple(map(Line.from_json, row.lines or ())),
        )


@dataclass(frozen=True, slots=True)
class OrderFact:
    """All facts of one order."""

    order_id: UUID
    placement: Placement | None = None
    reached: Mapping[Milestone, datetime] = field(default_factory=dict)
    refunds: Mapping[str, Decimal] = field(default_factory=dict)
    version: int = 0

    @classmethod
    def from_row(cls, row: OrderFactRow) -> Self:
        """The fact that a row of order_facts stores."""
        reached = {milestone: at for milestone in Milestone if (at := getattr(row, f"{milestone}_at")) is not None}
        refunds = {refund_id: Decimal(amount) for refund_id, amount in row.refunds.items()}
        return cls(row.order_id, Placement.from_row(row), reached, refunds, row.version)

    def to_row(self) -> OrderFactRow:
        """The row of order_facts that stores the fact."""
        order = self.placement
        return OrderFactRow(
            order_id=self.order_id,
            number=order.number if order else None,
            store_id=order.store_id if order else None,
            customer_id=order.customer_id if order else None,
            placed_at=order.placed_at if order else None,
            fulfilment=order.fulfilment if order else None,
            payment_method=order.payment_method if order else None,
            subtotal=order.subtotal if order else None,
            tax=order.tax if order else None,
            delivery_fee=order.delivery_fee if order else None,
            discount=order.discount if order else None,
            loyalty_discount=order.loyalty_discount if order else None,
            total=order.total if order else None,
            lines=[line.to_json() for line in order.lines] if order else None,
            refunds={refund_id: str(amount) for refund_id, amount in self.refunds.items()},
            confirmed_at=self.reached.get(Milestone.CONFIRMED),
            preparing_at=self.reached.get(Milestone.PREPARING),
            ready_at=self.reached.get(Milestone.READY),
            dispatched_at=self.reached.get(Milestone.DISPATCHED),
            delivered_at=self.reached.get(Milestone.DELIVERED),
            cancelled_at=self.reached.get(Milestone.CANCELLED),
            refunded_at=self.reached.get(Milestone.REFUNDED),
            version=self.version,
        )

    def with_placement(self, placement: Placement, version: int) -> Self:
        """The fact after OrderCreated."""
        return replace(self, placement=placement, version=max(self.version, version))

    def with_milestone(self, milestone: Milestone, at: datetime, version: int) -> Self:
        """The fact after a later event. The earliest time counts, so a repetition changes nothing."""
        earliest = min(at, self.reached.get(milestone, at))
        return replace(self, reached={**self.reached, milestone: earliest}, version=max(self.version, version))

    def with_refund(self, refund_id: str, amount: Decimal) -> Self:
        """The fact after a refund; the same refund again changes nothing."""
        return replace(self, refunds={**self.refunds, refund_id: amount})

    @property
    def refunded_amount(self) -> Decimal:
        """The sum of all refunds."""
        return sum(self.refunds.values(), ZERO)

    @property
    def is_cancelled(self) -> bool:
        """Whether the order was cancelled, in any state."""
        return Milestone.CANCELLED in self.reached

    @property
    def counts(self) -> bool:
        """Whether the order is a sale: confirmed and not cancelled."""
        return self.placement is not None and not self.is_cancelled and not _ACCEPTED.isdisjoint(self.reached)

    def duration_seconds(self, start: Milestone, end: Milestone) -> int | None:
        """The seconds between two milestones; None unless the order has reached both."""
        if start not in self.reached or end not in self.reached:
            return None
        return max(0, round((self.reached[end] - self.reached[start]).total_seconds()))


@dataclass(frozen=True, slots=True)
class StoreFact:
    """Name and time zone of a store, at the version of the event that states them."""

    store_id: UUID
    name: str
    time_zone: str
    version: int
