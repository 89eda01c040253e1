"""Averages, distributions, and how long a review can be changed."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.review.model import Distribution, is_editable
from services.review.usecases import count_changes
from services.review.wire import SORTS, rating_to_proto

PRODUCT_ID = UUID("019a0000-0000-7000-8000-000000000001")
POSTED = dt.datetime(2025, 11, 1, 12, 0, tzinfo=dt.UTC)


def test_without_reviews_the_average_is_zero() -> None:
    assert Distribution().review_count == 0
    assert str(Distribution().average) == "0.00"


@pytest.mark.parametrize(
    ("counts", "average"),
    [
        ((0, 0, 0, 0, 1), "5.00"),
        ((1, 0, 0, 0, 1), "3.00"),
        ((0, 0, 0, 1, 2), "4.67"),
        ((0, 0, 0, 7, 1), "4.13"),  # 4.125 exactly: halves go up
        ((2, 0, 0, 0, 1), "2.33"),
    ],
)
def test_averages_have_two_decimals_rounded_half_up(counts: tuple[int, int, int, int, int], average: str) -> None:
    assert str(Distribution(counts).average) == average


@given(st.tuples(*[st.integers(0, 10_000)] * 5))
def test_an_average_lies_between_worst_and_best(counts: tuple[int, int, int, int, int]) -> None:
    ratings = [rating for rating, count in zip(range(1, 6), counts, strict=True) if count]
    if ratings:
        assert Decimal(min(ratings)) <= Distribution(counts).average <= Decimal(max(ratings))


def test_the_distribution_starts_with_the_best_rating() -> None:
    message = rating_to_proto(PRODUCT_ID, Distribution((1, 2, 3, 4, 5)))
    assert [(entry.rating, entry.review_count) for entry in message.distribution] == [
        (5, 5),
        (4, 4),
        (3, 3),
        (2, 2),
        (1, 1),
    ]
    assert (message.review_count, message.average) == (15, "3.67")


def test_a_changed_rating_moves_one_count_and_an_equal_one_none() -> None:
    assert count_changes(added=5, removed=2) == {"rated_1": 0, "rated_2": -1, "rated_3": 0, "rated_4": 0, "rated_5": 1}
    assert set(count_changes(added=4, removed=4).values()) == {0}
    assert count_changes(added=1)["rated_1"] == 1


def test_a_review_can_be_changed_until_just_before_seven_days() -> None:
    assert is_editable(POSTED, POSTED + dt.timedelta(days=7) - dt.timedelta(microseconds=1))
    assert not is_editable(POSTED, POSTED + dt.timedelta(days=7))


def test_every_sort_of_the_contract_is_mapped() -> None:
    assert SORTS.names() == ["newest", "highest", "lowest"]
