"""What is known of an order.

A fact gathers what the order's events say, in whatever order and however often they come: each event sets what it alone
knows, so the result does not depend on the order of arrival.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, Self
from uuid import UUID

ZERO: Final = Decimal("0.00")


class Milestone(StrEnum):
    """What an order can reach. The words are columns of order_facts, with `_at`."""

    CONFIRMED = "confirmed"
    PREPARING = "preparing"
    READY = "ready"
    DISPATCHED = "dispatched"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


# Whoever has reached one of these was accepted, whether or not OrderConfirmed has been heard yet.
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


@dataclass(frozen=True, slots=True)
class Placement:
    """What was ordered, as the order's first event tells it."""

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


@dataclass(frozen=True, slots=True)
class OrderFact:
    """All that is known of one order."""

    order_id: UUID
    placement: Placement | None = None
    reached: Mapping[Milestone, datetime] = field(default_factory=dict)
    refunds: Mapping[str, Decimal] = field(default_factory=dict)
    version: int = 0

    def placed(self, placement: Placement, version: int) -> Self:
        """The order's first event."""
        return replace(self, placement=placement, version=max(self.version, version))

    def has_reached(self, milestone: Milestone, at: datetime, version: int) -> Self:
        """One of its later events. The earliest time counts, so a repeat changes nothing."""
        earliest = min(at, self.reached.get(milestone, at))
        return replace(self, reached={**self.reached, milestone: earliest}, version=max(self.version, version))

    def refunded(self, refund_id: str, amount: Decimal) -> Self:
        """Money of it went back. A repeat of the same refund changes nothing."""
        return replace(self, refunds={**self.refunds, refund_id: amount})

    @property
    def refunded_amount(self) -> Decimal:
        """What has gone back in all."""
        return sum(self.refunds.values(), ZERO)

    @property
    def is_cancelled(self) -> bool:
        """Cancelled, in whatever state."""
        return Milestone.CANCELLED in self.reached

    @property
    def counts(self) -> bool:
        """Whether it is a sale: confirmed and not cancelled."""
        return self.placement is not None and not self.is_cancelled and not _ACCEPTED.isdisjoint(self.reached)

    def seconds(self, start: Milestone, end: Milestone) -> int | None:
        """How long it took from one to the other; None when it has not reached both."""
        if start not in self.reached or end not in self.reached:
            return None
        return max(0, round((self.reached[end] - self.reached[start]).total_seconds()))
