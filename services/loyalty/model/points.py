"""The points that an order earns, and those that a refund reverses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from uuid import UUID

from chassis.money import ZERO
from services.loyalty.model.benefits import HUNDRED, Line, Terms

BASIS_POINTS = Decimal(10_000)


@dataclass(frozen=True, slots=True)
class AccountState:
    """Balance and version of an account after a change."""

    customer_id: UUID
    balance: int
    version: int


def calculate_base_points(amount: Decimal, rupees_per_point: Decimal, multiplier_basis_points: int) -> int:
    """Whole points for the amount paid for food, rounded down after multiplication; never negative."""
    if amount <= 0:
        return 0
    return _floor(amount / rupees_per_point * multiplier_basis_points / BASIS_POINTS)


def calculate_bonus_points(terms: Terms, lines: Sequence[Line], subtotal: Decimal, earned: int) -> int:
    """The points that a LOYALTY_BONUS campaign adds to an order with `earned` points; 0 when it does not apply.

    A percentage applies to the share of those points that the eligible lines earned.
    """
    if terms.min_order_value is not None and subtotal < terms.min_order_value:
        return 0
    lines = terms.select_eligible(lines)
    if not lines:
        return 0
    if terms.bonus_points is not None:
        return terms.bonus_points
    eligible = sum((line.subtotal for line in lines), ZERO)
    if subtotal <= 0 or terms.discount_value is None:
        return 0
    return _floor(earned * min(eligible / subtotal, Decimal(1)) * terms.discount_value / HUNDRED)


def calculate_share(points: int, refunded: Decimal, captured: Decimal) -> int:
    """The points in proportion to the refunded amount, rounded half up."""
    if points <= 0 or refunded <= 0 or captured <= 0:
        return 0
    if refunded >= captured:
        return points
    return int((points * refunded / captured).to_integral_value(ROUND_HALF_UP))


def _floor(number: Decimal) -> int:
    return int(number.to_integral_value(ROUND_FLOOR))
