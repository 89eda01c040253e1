"""EnumMapping, etags, texts and what an absent field means."""

from __future__ import annotations

import pytest
from jainshikanji.store.v1.operating_hours_pb2 import DayHours, OpeningInterval
from jainshikanji.store.v1.store_service_pb2 import (
    CreateStoreRequest,
    UpdateDeliveryZoneRequest,
    UpdateStoreRequest,
)
from jainshikanji.type.v1.geo_point_pb2 import GeoPoint
from jainshikanji.type.v1.money_pb2 import Money
from jainshikanji.type.v1.postal_address_pb2 import PostalAddress

from chassis.errors import InvalidArgument
from services.store import wire
from services.store.model import fulfilment
from services.store.usecases.stores import slug_candidates, slug_of

ADDRESS = PostalAddress(address_line1=" 1 Marine Drive ", city="Mumbai", state="Maharashtra", postal_code="400001")


def test_the_database_keeps_the_seeds_words() -> None:
    assert wire.FULFILMENTS.names() == [fulfilment.DELIVERY, fulfilment.PICKUP, fulfilment.DINE_IN]
    assert wire.FULFILMENTS.names() == ["delivery", "pickup", "dine-in"]
    assert wire.JOBS.names() == ["manager", "chef", "cashier", "delivery", "support"]
    assert wire.INVITATIONS.names() == ["pending", "sent", "refused"]


@pytest.mark.parametrize(
    ("etag", "version"),
    [("", None), ("v7", 7), ('"v7"', 7), ("7", 7), ("x", 0), ("v", 0), ("v-1", 0), ("v٣", 0), ("v99999999999", 0)],
)
def test_an_etag_names_a_version_or_one_that_never_was(etag: str, version: int | None) -> None:
    assert wire.known_version(etag) == version


def test_an_etag_that_was_given_is_understood() -> None:
    assert wire.known_version(wire.etag(41)) == 41


def test_texts_are_trimmed() -> None:
    assert wire.required_text("name", "  Café 🍋 शिकंजी ") == "Café 🍋 शिकंजी"


def test_a_blank_name_is_refused() -> None:
    with pytest.raises(InvalidArgument) as refused:
        wire.required_text("name", " \t\n")
    assert refused.value.violations == [("name", "must not be blank")]


def test_a_new_store_has_the_usual_settings_unless_told_otherwise() -> None:
    columns = wire.new_store_columns(CreateStoreRequest(name="Shikanji", address=ADDRESS))
    assert columns["is_active"] is True
    assert columns["is_accepting_orders"] is True
    assert columns["time_zone"] == "Asia/Kolkata"
    assert columns["free_delivery_above"] is None
    assert columns["delivery_radius_km"] == 10
    assert columns["latitude"] is None
    assert columns["address_line1"] == "1 Marine Drive"
    assert columns["country"] == "India"


def test_false_and_zero_are_told_from_absent() -> None:
    columns = wire.new_store_columns(
        CreateStoreRequest(name="Shikanji", address=ADDRESS, is_active=False, delivery_radius_metres=0)
    )
    assert columns["is_active"] is False
    assert columns["delivery_radius_km"] == 0


def test_an_update_sets_only_what_is_given() -> None:
    assert wire.store_columns(UpdateStoreRequest(is_accepting_orders=False)) == {"is_accepting_orders": False}
    assert wire.store_columns(UpdateStoreRequest()) == {}
    assert wire.store_columns(UpdateStoreRequest(description="")) == {"description": ""}


def test_the_threshold_of_free_delivery_can_be_set_and_taken_away() -> None:
    fifty = UpdateStoreRequest(free_delivery_above=Money(currency_code="INR", minor_units=5000))
    assert str(wire.store_columns(fifty)["free_delivery_above"]) == "50.00"
    assert wire.store_columns(UpdateStoreRequest(remove_free_delivery_above=True)) == {"free_delivery_above": None}


def test_a_position_keeps_eight_decimals() -> None:
    address = PostalAddress()
    address.CopyFrom(ADDRESS)
    address.location.CopyFrom(GeoPoint(latitude=19.123456789, longitude=-0.1))
    columns = wire.store_columns(UpdateStoreRequest(address=address))
    assert (str(columns["latitude"]), str(columns["longitude"])) == ("19.12345679", "-0.10000000")


def test_postal_codes_of_a_zone_are_plain_sorted_and_single() -> None:
    request = UpdateDeliveryZoneRequest(postal_codes=["400 002", "400001", "400-001"])
    assert wire.zone_columns(request) == {"postal_codes": ["400001", "400002"]}
    with pytest.raises(InvalidArgument):
        wire.zone_columns(UpdateDeliveryZoneRequest(postal_codes=["- -"]))


def test_a_day_that_comes_twice_is_refused() -> None:
    lunch = OpeningInterval(open_time="11:00", close_time="15:00")
    with pytest.raises(InvalidArgument) as refused:
        wire.week([DayHours(day_of_week=1, intervals=[lunch]), DayHours(day_of_week=1)])
    assert refused.value.violations[0][0] == "days[1].dayOfWeek"


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Jain Shikanji, Bandra (West)", "jain-shikanji-bandra-west"),
        ("Café Ñandú", "cafe-nandu"),
        ("जैन शिकंजी", ""),
        ("--", ""),
        ("a" * 300, "a" * 200),
    ],
)
def test_a_slug_is_made_of_what_is_ascii_in_the_name(name: str, slug: str) -> None:
    assert slug_of(name) == slug


def test_slug_candidates_get_longer_and_never_run_out_of_difference() -> None:
    first, second, last = slug_candidates("Shikanji", "Mumbai")
    assert (first, second) == ("shikanji", "shikanji-mumbai")
    assert last.startswith("shikanji-")
    assert last != list(slug_candidates("Shikanji", "Mumbai"))[-1]
    (only,) = slug_candidates("शिकंजी", "मुंबई")
    assert only.startswith("store-")
