"""What coupons and points take off a cart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.money import ZERO
from services.loyalty.errors import CouponExhausted, CouponInvalid, InsufficientPoints
from services.loyalty.model.benefits import (
    Benefits,
    Cart,
    Customer,
    Line,
    Terms,
    Usage,
    calculate_benefits,
)

LEMON, MINT, SALT = (UUID(int=number) for number in (1, 2, 3))
PRODUCTS = [LEMON, MINT, SALT]
CATEGORIES = ["Drinks", "Snacks"]
QUARTER = Decimal("0.25")
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def rupees(text: str | int) -> Decimal:
    return Decimal(text).quantize(Decimal("0.01"))


def line(price: str, quantity: int = 1, product_id: UUID = LEMON, category: str = "Drinks") -> Line:
    return Line(product_id, category, rupees(price) * quantity, quantity)


def cart(*lines: Line, fee: str = "40") -> Cart:
    return Cart(lines, sum((one.subtotal for one in lines), ZERO), rupees(fee))


def terms(kind: str = "discount", discount: str | None = "percentage", value: str | None = "10", **more: Any) -> Terms:
    return Terms(kind, discount, Decimal(value) if value else None, **more)


def coupon_discount(basket: Cart, coupon: Terms) -> Decimal:
    return calculate_benefits(basket, coupon, 0, 0, QUARTER).coupon_discount


# --- properties -------------------------------------------------------------------------------------------------------

prices = st.integers(1, 500_000).map(lambda minor: Decimal(minor).scaleb(-2))
lines = st.builds(
    lambda price, quantity, product_id, category: Line(product_id, category, price * quantity, quantity),
    prices,
    st.integers(1, 1000),
    st.sampled_from(PRODUCTS),
    st.sampled_from(CATEGORIES),
)
carts = st.builds(
    lambda items, fee: cart(*items, fee=str(fee)), st.lists(lines, min_size=1, max_size=8), st.just(ZERO) | prices
)
discounts = st.sampled_from(
    [
        ("discount", "percentage"),
        ("discount", "fixed"),
        ("discount", "free_item"),
        ("bogo", "free_item"),
        ("bogo", "percentage"),
        ("free_delivery", "free_delivery"),
        ("loyalty_bonus", "percentage"),
        ("loyalty_bonus", None),
        ("referral", "fixed"),
        ("referral", None),
        ("reward", "free_item"),
        ("reward", "fixed"),
    ]
)


@st.composite
def coupons(draw: st.DrawFn) -> Terms:
    kind, discount = draw(discounts)
    value = {
        "percentage": st.integers(1, 10_000).map(lambda points: Decimal(points).scaleb(-2)),
        "fixed": prices,
    }.get(discount or "")
    return Terms(
        kind,
        discount,
        draw(value) if value is not None else None,
        max_discount=draw(st.none() | prices),
        min_order_value=draw(st.none() | prices),
        products=draw(st.frozensets(st.sampled_from(PRODUCTS))),
        categories=draw(st.frozensets(st.sampled_from(CATEGORIES))),
    )


@given(carts, st.none() | coupons(), st.integers(0, 10_000_000), st.sampled_from(["0.25", "1", "0.10", "0.333"]))
def test_a_discount_never_exceeds_the_eligible_amount(
    basket: Cart, coupon: Terms | None, points: int, rupees_of_point: str
) -> None:
    rate = Decimal(rupees_of_point)
    try:
        found = calculate_benefits(basket, coupon, points, points, rate)
    except CouponInvalid:
        return
    assert found.coupon_discount >= 0
    assert found.points_discount >= 0
    assert found.coupon_discount + found.points_discount <= basket.subtotal
    assert 0 <= found.points_used <= points
    assert abs(found.points_discount - found.points_used * rate) < Decimal("0.01")
    for amount in (found.coupon_discount, found.points_discount):
        assert amount == amount.quantize(Decimal("0.01"))
    if coupon is not None:
        eligible = coupon.select_eligible(basket.lines)
        assert found.coupon_discount <= sum((one.subtotal for one in eligible), ZERO)
        if coupon.max_discount is not None:
            assert found.coupon_discount <= coupon.max_discount
        if coupon.min_order_value is not None:
            assert basket.subtotal >= coupon.min_order_value
    if found.free_delivery:
        assert basket.delivery_fee > 0


@given(carts, coupons(), st.integers(0, 10_000), st.randoms())
def test_the_order_of_the_lines_does_not_change_the_discount(
    basket: Cart, coupon: Terms, points: int, shuffle: Any
) -> None:
    mixed = list(basket.lines)
    shuffle.shuffle(mixed)

    def price(lines: list[Line]) -> Benefits | str:
        try:
            return calculate_benefits(
                Cart(lines, basket.subtotal, basket.delivery_fee), coupon, points, points, QUARTER
            )
        except CouponInvalid as rpc_error:
            return rpc_error.metadata["cause"]

    assert price(mixed) == price(list(basket.lines))


@given(carts, coupons(), st.integers(0, 1_000_000))
def test_points_are_redeemed_up_to_the_value_of_the_cart(basket: Cart, coupon: Terms, points: int) -> None:
    try:
        found = calculate_benefits(basket, coupon, points, points, QUARTER)
    except CouponInvalid:
        return
    left = basket.subtotal - found.coupon_discount - found.points_discount
    assert found.points_used == points or left < QUARTER


# --- examples ---------------------------------------------------------------------------------------------------------


def test_without_coupon_and_points_there_is_no_discount() -> None:
    assert calculate_benefits(cart(line("99")), None, 0, 0, QUARTER) == Benefits()


def test_a_percentage_is_rounded_half_up_to_paise_and_capped() -> None:
    basket = cart(line("99.99", 3))
    assert coupon_discount(basket, terms(value="12.50")) == rupees("37.50")
    assert coupon_discount(cart(line("0.10")), terms(value="5")) == rupees("0.01")
    assert coupon_discount(basket, terms(max_discount=rupees(20))) == rupees(20)


def test_a_fixed_discount_is_capped_at_the_eligible_lines() -> None:
    basket = cart(line("30"), line("500", product_id=MINT))
    assert coupon_discount(basket, terms(discount="fixed", value="100")) == rupees(100)
    only_lemon = terms(discount="fixed", value="100", products=frozenset([LEMON]))
    assert coupon_discount(basket, only_lemon) == rupees(30)


def test_a_line_is_eligible_by_product_or_by_category() -> None:
    basket = cart(line("100"), line("200", product_id=MINT, category="Snacks"), line("400", product_id=SALT))
    coupon = terms(products=frozenset([SALT]), categories=frozenset(["Snacks"]))
    assert coupon_discount(basket, coupon) == rupees(60)
    with pytest.raises(CouponInvalid) as rpc_error:
        coupon_discount(basket, terms(categories=frozenset(["Thali"])))
    assert rpc_error.value.metadata == {"cause": "NO_ELIGIBLE_ITEM"}


def test_the_minimum_order_value_counts_all_lines_before_the_discount() -> None:
    basket = cart(line("100"), line("200", product_id=MINT))
    coupon = terms(products=frozenset([LEMON]), min_order_value=rupees(300))
    assert coupon_discount(basket, coupon) == rupees(10)
    with pytest.raises(CouponInvalid) as rpc_error:
        coupon_discount(basket, terms(min_order_value=rupees("300.01")))
    assert rpc_error.value.metadata == {"cause": "ORDER_TOO_SMALL", "min_order_value": "30001"}


@pytest.mark.parametrize(
    ("lines", "given_away"),
    [
        ([line("100", 2)], "100"),
        ([line("100", 3)], "100"),
        ([line("100"), line("60", product_id=MINT)], "60"),
        ([line("100", 2), line("60"), line("40", 2)], "80"),
        ([line("100", 4), line("10")], "110"),
    ],
)
def test_of_every_two_units_the_cheapest_are_free(lines: list[Line], given_away: str) -> None:
    coupon = terms("bogo", "free_item", None)
    assert coupon_discount(cart(*lines), coupon) == rupees(given_away)
    half = terms("bogo", "percentage", "50")
    assert coupon_discount(cart(*lines), half) == rupees(given_away) / 2


def test_a_single_unit_gets_no_free_unit() -> None:
    with pytest.raises(CouponInvalid):
        coupon_discount(cart(line("100")), terms("bogo", "free_item", None))


def test_a_free_item_is_the_cheapest_eligible_unit() -> None:
    basket = cart(line("100", 2), line("60", 3, MINT))
    assert coupon_discount(basket, terms(discount="free_item", value=None)) == rupees(60)
    lemon = terms(discount="free_item", value=None, products=frozenset([LEMON]))
    assert coupon_discount(basket, lemon) == rupees(100)


def test_free_delivery_waives_the_fee_and_requires_one() -> None:
    coupon = terms("free_delivery", "free_delivery", None)
    assert calculate_benefits(cart(line("100")), coupon, 0, 0, QUARTER) == Benefits(free_delivery=True)
    with pytest.raises(CouponInvalid) as rpc_error:
        calculate_benefits(cart(line("100"), fee="0"), coupon, 0, 0, QUARTER)
    assert rpc_error.value.metadata == {"cause": "NO_DELIVERY_FEE"}


def test_a_bonus_of_points_gives_no_discount() -> None:
    assert coupon_discount(cart(line("100")), terms("loyalty_bonus", "percentage", "100")) == 0
    assert coupon_discount(cart(line("100")), terms("loyalty_bonus", None, None, bonus_points=50)) == 0


def test_points_apply_after_the_coupon_and_never_to_the_delivery_fee() -> None:
    found = calculate_benefits(cart(line("100"), fee="500"), terms(value="50"), 1000, 1000, QUARTER)
    assert (found.coupon_discount, found.points_used, found.points_discount) == (rupees(50), 200, rupees(50))


def test_more_points_than_the_balance_are_rejected_even_if_fewer_would_be_redeemed() -> None:
    with pytest.raises(InsufficientPoints) as rpc_error:
        calculate_benefits(cart(line("1")), None, 101, 100, QUARTER)
    assert rpc_error.value.metadata == {"asked": "101", "available": "100"}


@pytest.mark.parametrize(
    ("customer", "segments"),
    [
        (Customer(), {"bronze", "new"}),
        (Customer("Gold", NOW - timedelta(days=59)), {"gold"}),
        (Customer("Silver", NOW - timedelta(days=61)), {"silver", "lapsed"}),
    ],
)
def test_a_customer_is_in_the_segment_of_the_tier_and_possibly_new_or_lapsed(
    customer: Customer, segments: set[str]
) -> None:
    assert customer.segments(NOW, timedelta(days=60)) == segments


def test_a_coupon_for_segments_requires_one_of_them() -> None:
    terms(segments=frozenset(["gold", "lapsed"])).check_customer({"gold"})
    terms().check_customer({"bronze"})
    with pytest.raises(CouponInvalid):
        terms(segments=frozenset(["gold"])).check_customer({"silver", "new"})


@pytest.mark.parametrize(
    ("usage", "left"),
    [
        (Usage(), None),
        (Usage(limit=10, used=4), 6),
        (Usage(per_customer=2, used_by_customer=1), 1),
        (Usage(limit=10, used=9, per_customer=5), 1),
        (Usage(limit=10, used=10), 0),
        (Usage(limit=1, used=5), 0),
    ],
)
def test_the_remaining_uses_are_the_smaller_of_both_limits(usage: Usage, left: int | None) -> None:
    assert usage.left == left
    if left == 0:
        with pytest.raises(CouponExhausted):
            usage.check()
    else:
        usage.check()
