"""Money: minor units in contracts, Decimal major units inside services, NUMERIC in databases; never a float."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

from jainshikanji.type.v1.money_pb2 import Money

CURRENCY = "INR"
MINOR = Decimal("0.01")
ZERO = Decimal("0.00")


def money_from_proto(money: Money) -> Decimal:
    """Major units with two places."""
    return from_minor_units(money.minor_units)


def money_to_proto(amount: Decimal | None, currency: str = CURRENCY) -> Money:
    """The amount in minor units; None is zero. Raises ValueError for fractions of a minor unit."""
    return Money(currency_code=currency, minor_units=to_minor_units(amount or ZERO))


def from_minor_units(minor_units: int) -> Decimal:
    """Major units with two places: 24900 are Decimal('249.00')."""
    return Decimal(minor_units).scaleb(-2)


def to_minor_units(amount: Decimal) -> int:
    """Minor units: Decimal('249.00') are 24900. Raises ValueError for fractions of a minor unit."""
    exact = amount.scaleb(2)
    if exact != (whole := int(exact)):
        raise ValueError(f"{amount} has fractions of a minor unit")
    return whole


def round_half_up(amount: Decimal) -> Decimal:
    """Rounded to minor units, halves away from zero."""
    return amount.quantize(MINOR, rounding=ROUND_HALF_UP)


def allocate(amount: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """Splits the amount in proportion to the weights; the parts sum to it exactly (largest remainders first).

    With all weights zero the first part takes everything. No weights and an amount of zero give no parts.
    """
    total = sum(weights, ZERO)
    if not weights:
        if amount:
            raise ValueError("an amount cannot be split into no parts")
        return []
    if total == 0:
        return [amount, *([ZERO] * (len(weights) - 1))]
    minor = to_minor_units(amount)
    exact = [minor * weight / total for weight in weights]
    parts = [int(share) for share in exact]
    step = 1 if minor >= 0 else -1
    by_remainder = sorted(range(len(parts)), key=lambda i: (-abs(exact[i] - parts[i]), i))
    for index in by_remainder[: abs(minor - sum(parts))]:
        parts[index] += step
    return [from_minor_units(part) for part in parts]
