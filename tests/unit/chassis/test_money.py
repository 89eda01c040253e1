from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jainshikanji.type.v1.money_pb2 import Money

from chassis import money

amounts = st.decimals(min_value=0, max_value=10_000_000, places=2)


@given(amounts)
def test_an_amount_is_unchanged_by_conversion_to_proto_and_back(amount: Decimal) -> None:
    assert money.money_from_proto(money.money_to_proto(amount)) == amount


def test_rupees_become_paise() -> None:
    assert money.money_to_proto(Decimal("249.00")) == Money(currency_code="INR", minor_units=24900)


def test_no_amount_is_converted_to_zero() -> None:
    assert money.money_to_proto(None).minor_units == 0


def test_a_fraction_of_a_paisa_is_rejected() -> None:
    with pytest.raises(ValueError, match="fractions"):
        money.money_to_proto(Decimal("1.005"))


@pytest.mark.parametrize(("amount", "rounded"), [("12.445", "12.45"), ("0.005", "0.01"), ("0.0045", "0.00")])
def test_halves_of_a_paisa_round_up(amount: str, rounded: str) -> None:
    assert money.round_half_up(Decimal(amount)) == Decimal(rounded)


@given(amounts, st.lists(amounts, min_size=1, max_size=30))
def test_allocated_parts_sum_exactly_and_none_is_off_by_more_than_a_paisa(
    amount: Decimal, weights: list[Decimal]
) -> None:
    parts = money.allocate(amount, weights)
    assert sum(parts) == amount
    total = sum(weights)
    if total:
        for part, weight in zip(parts, weights, strict=True):
            assert abs(part - amount * weight / total) < Decimal("0.01")


@given(amounts, st.lists(amounts, min_size=1, max_size=30))
def test_no_part_of_a_positive_amount_is_negative(amount: Decimal, weights: list[Decimal]) -> None:
    assert min(money.allocate(amount, weights)) >= 0
