"""EnumMapping of enums, days and nutrition between the contract and the database."""

from __future__ import annotations

from decimal import Decimal

import pytest
from jainshikanji.inventory.v1.product_pb2 import NutritionFacts, ScheduledAvailability

from chassis.enums import EnumMapping
from chassis.errors import InvalidArgument
from services.inventory import wire


@pytest.mark.parametrize(
    ("words", "in_the_database"),
    [
        (wire.SPICE_LEVEL, ["Mild", "Medium", "Hot", "Sweet"]),
        (wire.CUSTOMIZATION_TYPE, ["radio", "checkbox", "select"]),
        (wire.PURCHASE_ORDER_STATUS, ["pending", "confirmed", "received", "cancelled"]),
        (wire.MOVEMENT_KIND, ["receive", "reserve", "release", "commit", "adjust", "spoil", "return"]),
        (wire.SORT, ["newest", "name", "price", "price_descending", "rating"]),
        (
            wire.UNIT,
            ["pieces", "ml", "litres", "grams", "kg", "glasses", "plates", "bottles", "packets", "boxes"],
        ),
    ],
)
def test_every_enum_has_the_words_of_the_database(words: EnumMapping, in_the_database: list[str]) -> None:
    assert words.names() == in_the_database


def test_a_schedule_keeps_only_the_days_it_has() -> None:
    assert wire.schedule_column(ScheduledAvailability(start_date="2025-01-01")) == {"startDate": "2025-01-01"}
    assert wire.schedule_column(ScheduledAvailability()) is None
    with pytest.raises(InvalidArgument):
        wire.schedule_column(ScheduledAvailability(end_date="2025-02-29"))


def test_nutrition_is_kept_in_grams_and_what_is_not_known_is_null() -> None:
    columns = wire.nutrition_columns(NutritionFacts(protein_mg=2500, calories=0))
    assert (columns["protein_g"], columns["calories"], columns["fat_g"]) == (Decimal("2.50"), 0, None)
