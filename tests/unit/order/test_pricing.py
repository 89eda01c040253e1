"""Prices of carts: the parts always sum to the total exactly."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.order.errors import BelowMinOrderValue, OrderTooLarge
from services.order.model.pricing import (
    Benefits,
    Fulfilment,
    Line,
    Price,
    compute_delivery_fee,
    compute_price,
    compute_tax,
    estimate_delivery,
    is_interstate,
)

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
MINOR = Decimal("0.01")


def rupees(amount: str) -> Decimal:
    return Decimal(amount)


def amounts(low: int, high: int) -> st.SearchStrategy[Decimal]:
    """Amounts with two decimals; the bounds are minor units."""
    return st.integers(low, high).map(lambda minor: Decimal(minor).scaleb(-2))


STORE = Fulfilment(
    "delivery",
    "Jain Shikanji, Bandra",
    "Maharashtra",
    "",
    rupees("40.00"),
    rupees("500.00"),
    rupees("0.00"),
    20,
    25,
    NOON,
)
RATES = st.sampled_from([0, 25, 300, 500, 1200, 1800, 2800])
PricedCart: TypeAlias = tuple[list[Line], Fulfilment, Benefits, str, int]


def line(unit_price: Decimal, quantity: int = 1, tax_rate: int = 500, preparation_minutes: int = 10) -> Line:
    return Line("p", "Shikanji", "SKU", "drinks", unit_price, quantity, tax_rate, preparation_minutes)


LINES = st.lists(
    st.builds(line, amounts(0, 500_000), st.integers(1, 20), RATES, st.integers(0, 90)), min_size=1, max_size=20
)


@st.composite
def carts(draw: st.DrawFn) -> PricedCart:
    lines = draw(LINES)
    subtotal = int(sum(item.subtotal for item in lines) / MINOR)
    coupon = draw(st.integers(0, subtotal))
    points = draw(st.integers(0, subtotal - coupon))
    benefits = Benefits(coupon * MINOR, points * MINOR, points * 4, draw(st.booleans()))
    fulfilment = replace(
        STORE,
        fulfilment_type=draw(st.sampled_from(["delivery", "pickup", "dine-in"])),
        delivery_fee=draw(amounts(0, 20_000)),
        free_delivery_above=draw(st.none() | amounts(0, 1_000_000)),
    )
    return lines, fulfilment, benefits, draw(st.sampled_from(["Maharashtra", "Gujarat"])), draw(RATES)


def every_amount(price: Price) -> list[Decimal]:
    taxes = [price.delivery_tax, *(item.tax for item in price.lines)]
    return [
        *(price.subtotal, price.discount, price.loyalty_discount, price.delivery_fee, price.tax, price.total),
        *(amount for tax in taxes for amount in (tax.taxable, tax.cgst, tax.sgst, tax.igst)),
        *(amount for item in price.lines for amount in (item.line.unit_price, item.line.subtotal, item.discount)),
    ]


@given(carts())
def test_the_parts_sum_to_the_total(cart: PricedCart) -> None:
    price = compute_price(*cart)
    assert price.subtotal - price.discount - price.loyalty_discount + price.delivery_fee + price.tax == price.total
    assert sum(item.line.subtotal for item in price.lines) == price.subtotal
    assert sum(item.discount for item in price.lines) == price.discount + price.loyalty_discount
    assert sum(item.tax.amount for item in price.lines) + price.delivery_tax.amount == price.tax
    assert sum(item.tax.taxable for item in price.lines) == price.subtotal - price.discount - price.loyalty_discount
    assert price.total >= 0


@given(carts())
def test_every_amount_is_a_whole_number_of_minor_units(cart: PricedCart) -> None:
    for amount in every_amount(compute_price(*cart)):
        assert isinstance(amount, Decimal)
        assert amount == amount.quantize(MINOR)


@given(carts())
def test_no_line_is_discounted_below_zero(cart: PricedCart) -> None:
    for item in compute_price(*cart).lines:
        assert 0 <= item.discount <= item.line.subtotal
        assert item.tax.taxable >= 0


@given(carts())
def test_tax_is_cgst_and_sgst_inside_a_state_and_igst_across_states(cart: PricedCart) -> None:
    price = compute_price(*cart)
    if cart[3] == "Maharashtra":
        assert price.igst == 0
        assert price.cgst == price.sgst
    else:
        assert price.cgst == price.sgst == 0


@given(amounts(0, 10_000_000), RATES)
def test_each_kind_of_tax_is_rounded_half_up(taxable: Decimal, rate: int) -> None:
    interstate, intrastate = compute_tax(taxable, rate, True), compute_tax(taxable, rate, False)
    minor = int(taxable / MINOR)
    assert interstate.igst == int(Fraction(minor * rate, 10_000) + Fraction(1, 2)) * MINOR
    assert intrastate.cgst == intrastate.sgst == int(Fraction(minor * rate, 20_000) + Fraction(1, 2)) * MINOR
    assert abs(interstate.amount - intrastate.amount) <= MINOR


@given(carts())
def test_the_same_cart_always_has_the_same_price(cart: PricedCart) -> None:
    assert compute_price(*cart) == compute_price(*cart)


def test_a_price_computed_by_hand() -> None:
    # 2 * 120.00 + 1 * 249.00 = 489.00; 10 % coupon = 48.90; delivery 40.00 at 18 %; food at 5 %.
    lines = [line(rupees("120.00"), 2), line(rupees("249.00"))]
    price = compute_price(lines, STORE, Benefits(rupees("48.90")), "Maharashtra", 1800)
    assert price.subtotal == rupees("489.00")
    assert [item.discount for item in price.lines] == [rupees("24.00"), rupees("24.90")]
    # 216.00 at 2.5 % = 5.40, 224.10 at 2.5 % = 5.6025 → 5.60, each twice; 40.00 at 9 % = 3.60 twice.
    assert [item.tax.cgst for item in price.lines] == [rupees("5.40"), rupees("5.60")]
    assert price.delivery_tax.cgst == price.delivery_tax.sgst == rupees("3.60")
    assert price.total == rupees("489.00") - rupees("48.90") + rupees("40.00") + 2 * rupees("14.60")


def test_half_a_minor_unit_is_rounded_up() -> None:
    assert compute_tax(rupees("0.10"), 500, True).igst == rupees("0.01")
    assert compute_tax(rupees("0.09"), 500, True).igst == 0


def test_delivery_is_free_from_the_threshold_on() -> None:
    assert compute_delivery_fee(rupees("499.99"), STORE) == rupees("40.00")
    assert compute_delivery_fee(rupees("500.00"), STORE) == 0


def test_pickup_has_no_delivery_fee() -> None:
    assert compute_delivery_fee(rupees("1.00"), replace(STORE, fulfilment_type="pickup")) == 0


def test_a_coupon_can_waive_the_delivery_fee() -> None:
    assert compute_delivery_fee(rupees("1.00"), STORE, Benefits(free_delivery=True)) == 0


def test_an_order_below_the_minimum_is_rejected() -> None:
    store = replace(STORE, min_order_value=rupees("100.00"))
    with pytest.raises(BelowMinOrderValue) as failed:
        compute_price([line(rupees("99.99"))], store, Benefits(), "Maharashtra", 1800)
    assert failed.value.metadata == {"min_order_value": "10000", "subtotal": "9999"}


def test_the_minimum_applies_before_discounts() -> None:
    store = replace(STORE, min_order_value=rupees("100.00"))
    compute_price([line(rupees("100.00"))], store, Benefits(rupees("90.00")), "Maharashtra", 1800)


def test_a_subtotal_above_the_maximum_is_rejected() -> None:
    with pytest.raises(OrderTooLarge):
        compute_price([line(rupees("9999999.99"), 1000)], STORE, Benefits(), "Maharashtra", 1800)


def test_a_total_above_the_maximum_is_rejected() -> None:
    with pytest.raises(OrderTooLarge) as failed:
        compute_price([line(rupees("99999999.99"))], STORE, Benefits(), "Maharashtra", 1800)
    assert failed.value.metadata == {"max_total": "9999999999"}


@pytest.mark.parametrize(
    ("supplier", "place", "interstate"),
    [("Maharashtra", " maharashtra ", False), ("Tamil Nadu", "TamilNadu", False), ("Goa", "Gujarat", True)],
)
def test_names_of_states_are_compared_without_case_and_spaces(supplier: str, place: str, interstate: bool) -> None:
    assert is_interstate(supplier, place) is interstate


def test_the_estimate_is_the_longest_preparation_and_the_travel_time() -> None:
    lines = [line(rupees("1.00"), preparation_minutes=10), line(rupees("1.00"), preparation_minutes=35)]
    assert estimate_delivery(STORE, lines, None) == NOON + timedelta(minutes=55)


def test_a_product_without_preparation_time_takes_that_of_the_store() -> None:
    assert estimate_delivery(STORE, [line(rupees("1.00"), preparation_minutes=0)], None) == NOON + timedelta(minutes=45)


def test_a_scheduled_time_can_only_postpone_the_estimate() -> None:
    later = NOON + timedelta(hours=5)
    assert estimate_delivery(STORE, [line(rupees("1.00"))], later) == later
    assert estimate_delivery(STORE, [line(rupees("1.00"))], NOON) == NOON + timedelta(minutes=30)
