"""What a cart costs: whatever is shown sums exactly, always."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.order.model.pricing import (
    Benefits,
    Fulfilment,
    Line,
    Price,
    delivery_fee,
    estimate,
    is_interstate,
    price,
    tax_on,
)
from services.order.model.refusals import BelowMinOrderValue, OrderTooLarge

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
STORE = Fulfilment("delivery", "Jain Shikanji, Bandra", "Maharashtra", "", 4000, 50_000, 0, 20, 25, NOON)
RATES = st.sampled_from([0, 25, 300, 500, 1200, 1800, 2800])


def line(unit_price: int, quantity: int = 1, tax_rate: int = 500, preparation_minutes: int = 10) -> Line:
    return Line("p", "Shikanji", "SKU", "drinks", unit_price, quantity, tax_rate, preparation_minutes)


LINES = st.lists(
    st.builds(line, st.integers(0, 500_000), st.integers(1, 20), RATES, st.integers(0, 90)), min_size=1, max_size=20
)


@st.composite
def carts(draw: st.DrawFn) -> tuple[list[Line], Fulfilment, Benefits, str, int]:
    lines = draw(LINES)
    subtotal = sum(item.subtotal for item in lines)
    coupon = draw(st.integers(0, subtotal))
    points = draw(st.integers(0, subtotal - coupon))
    benefits = Benefits(coupon, points, points * 4, draw(st.booleans()))
    fulfilment = replace(
        STORE,
        fulfilment_type=draw(st.sampled_from(["delivery", "pickup", "dine-in"])),
        delivery_fee=draw(st.integers(0, 20_000)),
        free_delivery_above=draw(st.none() | st.integers(0, 1_000_000)),
    )
    return lines, fulfilment, benefits, draw(st.sampled_from(["Maharashtra", "Gujarat"])), draw(RATES)


def computed(cart: tuple[list[Line], Fulfilment, Benefits, str, int]) -> Price:
    return price(*cart)


@given(carts())
def test_the_parts_sum_to_the_total(cart: tuple[list[Line], Fulfilment, Benefits, str, int]) -> None:
    whole = computed(cart)
    assert whole.subtotal - whole.discount - whole.loyalty_discount + whole.delivery_fee + whole.tax == whole.total
    assert sum(item.line.subtotal for item in whole.lines) == whole.subtotal
    assert sum(item.discount for item in whole.lines) == whole.discount + whole.loyalty_discount
    assert sum(item.tax.amount for item in whole.lines) + whole.delivery_tax.amount == whole.tax
    assert sum(item.tax.taxable for item in whole.lines) == whole.subtotal - whole.discount - whole.loyalty_discount
    assert whole.total >= 0


@given(carts())
def test_no_line_is_discounted_below_zero(cart: tuple[list[Line], Fulfilment, Benefits, str, int]) -> None:
    for item in computed(cart).lines:
        assert 0 <= item.discount <= item.line.subtotal
        assert item.tax.taxable >= 0


@given(carts())
def test_tax_is_central_and_state_inside_a_state_and_integrated_across(
    cart: tuple[list[Line], Fulfilment, Benefits, str, int],
) -> None:
    whole = computed(cart)
    if cart[3] == "Maharashtra":
        assert whole.igst == 0
        assert whole.cgst == whole.sgst
    else:
        assert whole.cgst == whole.sgst == 0


@given(st.integers(0, 10_000_000), RATES)
def test_each_kind_of_tax_is_rounded_half_up(taxable: int, rate: int) -> None:
    across, inside = tax_on(taxable, rate, True), tax_on(taxable, rate, False)
    assert across.igst == int(Fraction(taxable * rate, 10_000) + Fraction(1, 2))
    assert inside.cgst == inside.sgst == int(Fraction(taxable * rate, 20_000) + Fraction(1, 2))
    assert abs(across.amount - inside.amount) <= 1


@given(carts())
def test_the_same_cart_always_costs_the_same(cart: tuple[list[Line], Fulfilment, Benefits, str, int]) -> None:
    assert computed(cart) == computed(cart)


def test_a_bill_as_a_person_would_compute_it() -> None:
    # 2 * 120.00 + 1 * 249.00 = 489.00; 10 % coupon = 48.90; delivery 40.00 at 18 %; food at 5 %.
    whole = price([line(12_000, 2), line(24_900)], STORE, Benefits(4890), "Maharashtra", 1800)
    assert whole.subtotal == 48_900
    assert [item.discount for item in whole.lines] == [2400, 2490]
    # 216.00 at 2.5 % = 5.40, 224.10 at 2.5 % = 5.6025 → 5.60, each twice; 40.00 at 9 % = 3.60 twice.
    assert [item.tax.cgst for item in whole.lines] == [540, 560]
    assert whole.delivery_tax.cgst == whole.delivery_tax.sgst == 360
    assert whole.total == 48_900 - 4890 + 4000 + 2 * (540 + 560 + 360)


def test_half_a_paisa_is_rounded_up() -> None:
    assert tax_on(10, 500, True).igst == 1
    assert tax_on(9, 500, True).igst == 0


def test_delivery_is_free_from_the_threshold_on() -> None:
    assert delivery_fee(49_999, STORE) == 4000
    assert delivery_fee(50_000, STORE) == 0


def test_nothing_is_delivered_for_pickup_so_nothing_is_charged() -> None:
    assert delivery_fee(100, replace(STORE, fulfilment_type="pickup")) == 0


def test_a_coupon_can_waive_the_delivery() -> None:
    assert delivery_fee(100, STORE, Benefits(free_delivery=True)) == 0


def test_an_order_below_the_minimum_is_refused() -> None:
    with pytest.raises(BelowMinOrderValue) as refused:
        price([line(9_999)], replace(STORE, min_order_value=10_000), Benefits(), "Maharashtra", 1800)
    assert refused.value.metadata == {"min_order_value": "10000", "subtotal": "9999"}


def test_the_minimum_is_compared_before_discounts() -> None:
    price([line(10_000)], replace(STORE, min_order_value=10_000), Benefits(9_000), "Maharashtra", 1800)


def test_an_order_beyond_the_columns_is_refused() -> None:
    with pytest.raises(OrderTooLarge):
        price([line(9_999_999_99, 1000)], STORE, Benefits(), "Maharashtra", 1800)


def test_an_order_whose_tax_leaves_the_columns_is_refused() -> None:
    with pytest.raises(OrderTooLarge):
        price([line(9_999_999_999)], STORE, Benefits(), "Maharashtra", 1800)


@pytest.mark.parametrize(
    ("supplier", "place", "across"),
    [("Maharashtra", " maharashtra ", False), ("Tamil Nadu", "TamilNadu", False), ("Goa", "Gujarat", True)],
)
def test_states_are_compared_as_people_write_them(supplier: str, place: str, across: bool) -> None:
    assert is_interstate(supplier, place) is across


def test_the_estimate_is_the_longest_preparation_and_the_way() -> None:
    lines = [line(1, preparation_minutes=10), line(1, preparation_minutes=35)]
    assert estimate(STORE, lines, None) == NOON + timedelta(minutes=55)


def test_a_product_that_says_nothing_takes_the_stores_time() -> None:
    assert estimate(STORE, [line(1, preparation_minutes=0)], None) == NOON + timedelta(minutes=45)


def test_a_wish_for_later_moves_the_estimate_and_one_for_sooner_does_not() -> None:
    later = NOON + timedelta(hours=5)
    assert estimate(STORE, [line(1)], later) == later
    assert estimate(STORE, [line(1)], NOON) == NOON + timedelta(minutes=30)
