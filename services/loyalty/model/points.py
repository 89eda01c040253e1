"""How many points an order earns, and how many a refund takes back."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal

from chassis.money import ZERO
from services.loyalty.model.benefits import HUNDRED, Line, Terms

BASIS_POINTS = Decimal(10_000)


def base_points(amount: Decimal, rupees_per_point: Decimal, multiplier_basis_points: int) -> int:
    """Whole points for what was paid for food; fractions are dropped after multiplying. Never negative."""
    if amount <= 0:
        return 0
    return _floor(amount / rupees_per_point * multiplier_basis_points / BASIS_POINTS)


def bonus_points(terms: Terms, lines: Sequence[Line], subtotal: Decimal, earned: int) -> int:
    """What a LOYALTY_BONUS campaign adds to an order that earned `earned` points; 0 when it does not apply.

    A percentage is of the eligible lines' share of those points.
    """
    if terms.min_order_value is not None and subtotal < terms.min_order_value:
        return 0
    lines = terms.eligible(lines)
    if not lines:
        return 0
    if terms.bonus_points is not None:
        return terms.bonus_points
    eligible = sum((line.subtotal for line in lines), ZERO)
    if subtotal <= 0 or terms.discount_value is None:
        return 0
    return _floor(earned * min(eligible / subtotal, Decimal(1)) * terms.discount_value / HUNDRED)


def share(points: int, refunded: Decimal, captured: Decimal) -> int:
    """The part of `points` that belongs to the part of the money that went back, rounded half up."""
    if points <= 0 or refunded <= 0 or captured <= 0:
        return 0
    if refunded >= captured:
        return points
    return int((points * refunded / captured).to_integral_value(ROUND_HALF_UP))


def _floor(number: Decimal) -> int:
    return int(number.to_integral_value(ROUND_FLOOR))
