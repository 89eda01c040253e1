"""Points of orders and of refunds."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.loyalty.model.benefits import Line, Terms
from services.loyalty.model.points import calculate_base_points, calculate_bonus_points, calculate_share

TEN = Decimal(10)
amounts = st.integers(0, 10_000_000).map(lambda minor: Decimal(minor).scaleb(-2))
points_counts = st.integers(0, 1_000_000)


@pytest.mark.parametrize(
    ("amount", "multiplier", "points"),
    [
        ("0", 10_000, 0),
        ("9.99", 10_000, 0),
        ("10", 10_000, 1),
        ("499.99", 10_000, 49),
        ("500", 12_500, 62),
        ("505", 15_000, 75),
        ("500", 20_000, 100),
        ("-5", 10_000, 0),
    ],
)
def test_ten_rupees_earn_a_point_times_the_multiplier_of_the_tier_rounded_down(
    amount: str, multiplier: int, points: int
) -> None:
    assert calculate_base_points(Decimal(amount), TEN, multiplier) == points


@given(amounts, amounts)
def test_a_higher_amount_never_earns_fewer_points(one: Decimal, more: Decimal) -> None:
    assert calculate_base_points(one + more, TEN, 12_500) >= calculate_base_points(one, TEN, 12_500)


@given(points_counts, amounts, st.lists(amounts, max_size=6))
def test_the_share_of_a_refund_grows_with_its_amount_up_to_one(
    points: int, captured: Decimal, refunds: list[Decimal]
) -> None:
    shares = [calculate_share(points, min(refunded, captured), captured) for refunded in sorted(refunds)]
    assert shares == sorted(shares)
    assert all(0 <= part <= points for part in shares)
    assert calculate_share(points, captured, captured) == (points if captured else 0)


@pytest.mark.parametrize(
    ("points", "refunded", "captured", "part"),
    [
        (100, "350", "1050", 33),
        (100, "525", "1050", 50),
        (1, "525", "1050", 1),
        (100, "0", "1050", 0),
        (100, "1", "0", 0),
        (0, "1", "1", 0),
    ],
)
def test_the_share_of_a_refund_is_rounded_half_up(points: int, refunded: str, captured: str, part: int) -> None:
    assert calculate_share(points, Decimal(refunded), Decimal(captured)) == part


LEMON, MINT = UUID(int=1), UUID(int=2)
LINES = [Line(LEMON, "Drinks", Decimal(100), 1), Line(MINT, "Snacks", Decimal(300), 1)]


def bonus(discount_type: str | None, value: int | None, **more: Any) -> int:
    terms = Terms("loyalty_bonus", discount_type, Decimal(value) if value else None, **more)
    return calculate_bonus_points(terms, LINES, Decimal(400), 40)


def test_a_bonus_is_a_fixed_number_or_a_percentage_of_the_eligible_share() -> None:
    assert bonus("percentage", 100) == 40
    assert bonus("percentage", 50, products=frozenset([LEMON])) == 5
    assert bonus(None, None, bonus_points=77) == 77
    assert bonus(None, None, bonus_points=77, categories=frozenset(["Snacks"])) == 77


def test_a_bonus_that_does_not_apply_is_zero() -> None:
    assert bonus("percentage", 100, min_order_value=Decimal(401)) == 0
    assert bonus(None, None, bonus_points=77, categories=frozenset(["Thali"])) == 0
    assert calculate_bonus_points(Terms("loyalty_bonus", "percentage", Decimal(100)), LINES, Decimal(0), 0) == 0
