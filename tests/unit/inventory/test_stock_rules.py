"""Thresholds, transitions of purchase orders, and sums of lines."""

from __future__ import annotations

import itertools
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.inventory.errors import PurchaseOrderState
from services.inventory.model.stock import Level, check_transition, find_crossing, propose_quantity, sum_lines


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((11, 10), (10, 10), {"ran_low"}),
        ((10, 10), (9, 10), set()),
        ((11, 10), (0, 10), {"ran_low", "ran_out"}),
        ((1, 10), (0, 10), {"ran_out"}),
        ((0, 10), (5, 10), {"back_in_stock"}),
        ((0, 10), (11, 10), {"back_in_stock", "above_min_stock"}),
        ((10, 10), (11, 10), {"above_min_stock"}),
        ((11, 10), (12, 10), set()),
        ((0, 0), (1, 0), {"back_in_stock", "above_min_stock"}),
        ((5, 10), (5, 4), set()),
        ((5, 4), (5, 10), {"ran_low"}),
        ((7, 3), (7, 3), set()),
    ],
)
def test_a_change_crosses_the_thresholds_between_its_levels(
    before: tuple[int, int], after: tuple[int, int], expected: set[str]
) -> None:
    crossed = find_crossing(Level(*before), Level(*after))
    names = ("ran_low", "ran_out", "back_in_stock", "above_min_stock")
    assert {name for name in names if getattr(crossed, name)} == expected
    assert crossed.is_restocked == bool(expected & {"back_in_stock", "above_min_stock"})


@given(st.lists(st.integers(0, 20), min_size=2), st.integers(0, 10))
def test_low_and_restocked_alternate(stocks: list[int], min_stock: int) -> None:
    levels = [Level(stock, min_stock) for stock in stocks]
    crossings = [find_crossing(before, after) for before, after in itertools.pairwise(levels)]
    lows = ["low" if crossed.ran_low else "up" for crossed in crossings if crossed.ran_low or crossed.above_min_stock]
    assert all(first != second for first, second in itertools.pairwise(lows))


@pytest.mark.parametrize(
    ("status", "to"),
    [("pending", "confirmed"), ("pending", "cancelled"), ("confirmed", "received"), ("confirmed", "cancelled")],
)
def test_a_purchase_order_has_the_listed_transitions(status: str, to: str) -> None:
    check_transition(status, to)


@pytest.mark.parametrize(
    ("status", "to"),
    [
        ("pending", "received"),
        ("confirmed", "confirmed"),
        ("received", "cancelled"),
        ("cancelled", "confirmed"),
        ("received", "received"),
    ],
)
def test_any_other_transition_is_rejected(status: str, to: str) -> None:
    with pytest.raises(PurchaseOrderState) as rejected:
        check_transition(status, to)
    assert rejected.value.metadata == {"status": status.upper()}


def test_lines_of_one_product_are_summed_and_sorted() -> None:
    one, two = UUID(int=1), UUID(int=2)
    assert list(sum_lines([(two, 3), (one, 1), (two, 4)]).items()) == [(one, 1), (two, 7)]


def test_a_proposal_is_never_below_zero() -> None:
    assert propose_quantity(5, 40, 10) == 25
    assert propose_quantity(5, 40, 50) == 0
