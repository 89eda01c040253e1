"""Enum mappings, dates and nutrition between contract and database."""

from __future__ import annotations

from decimal import Decimal

import pytest
from jainshikanji.inventory.v1.product_pb2 import NutritionFacts, ScheduledAvailability

from chassis.enums import EnumMapping
from chassis.errors import InvalidArgument
from services.inventory import wire


@pytest.mark.parametrize(
    ("mapping", "stored"),
    [
        (wire.products.SPICE_LEVELS, ["Mild", "Medium", "Hot", "Sweet"]),
        (wire.products.CUSTOMIZATION_TYPES, ["radio", "checkbox", "select"]),
        (wire.purchasing.PURCHASE_ORDER_STATUSES, ["pending", "confirmed", "received", "cancelled"]),
        (wire.stock.MOVEMENT_KINDS, ["receive", "reserve", "release", "commit", "adjust", "spoil", "return"]),
        (wire.products.SORTS, ["newest", "name", "price", "price_descending", "rating"]),
        (
            wire.products.UNITS,
            ["pieces", "ml", "litres", "grams", "kg", "glasses", "plates", "bottles", "packets", "boxes"],
        ),
    ],
)
def test_every_enum_has_the_values_of_the_database(mapping: EnumMapping, stored: list[str]) -> None:
    assert mapping.names() == stored


def test_a_schedule_has_only_its_given_dates() -> None:
    assert wire.products.schedule_from_proto(ScheduledAvailability(start_date="2025-01-01")) == {
        "startDate": "2025-01-01"
    }
    assert wire.products.schedule_from_proto(ScheduledAvailability()) is None
    with pytest.raises(InvalidArgument):
        wire.products.schedule_from_proto(ScheduledAvailability(end_date="2025-02-29"))


def test_nutrition_is_stored_in_grams_and_absent_facts_are_null() -> None:
    columns = wire.products.nutrition_from_proto(NutritionFacts(protein_mg=2500, calories=0))
    assert (columns["protein_g"], columns["calories"], columns["fat_g"]) == (Decimal("2.50"), 0, None)
