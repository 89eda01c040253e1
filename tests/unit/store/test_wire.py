"""Enum mappings, texts and absent fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from jainshikanji.store.v1.operating_hours_pb2 import DayHours, OpeningInterval
from jainshikanji.store.v1.store_service_pb2 import (
    CreateStoreRequest,
    UpdateDeliveryZoneRequest,
    UpdateOperatingHoursRequest,
    UpdateStoreRequest,
)
from jainshikanji.type.v1.geo_point_pb2 import GeoPoint
from jainshikanji.type.v1.money_pb2 import Money
from jainshikanji.type.v1.postal_address_pb2 import PostalAddress

from chassis.errors import InvalidArgument
from services.store import wire
from services.store.model import fulfilment
from services.store.usecases.stores import make_slug, slug_candidates

ADDRESS = PostalAddress(address_line1=" 1 Marine Drive ", city="Mumbai", state="Maharashtra", postal_code="400001")


def test_the_stored_values_are_those_of_the_design_document() -> None:
    assert wire.FULFILMENTS.names() == [fulfilment.DELIVERY, fulfilment.PICKUP, fulfilment.DINE_IN]
    assert wire.FULFILMENTS.names() == ["delivery", "pickup", "dine-in"]
    assert wire.JOBS.names() == ["manager", "chef", "cashier", "delivery", "support"]
    assert wire.INVITATIONS.names() == ["pending", "sent", "refused"]


STORE_ID = "019a0000-0000-7000-8000-000000000001"


def update(**fields: Any) -> Mapping[Any, Any]:
    return wire.update_store_from_proto(UpdateStoreRequest(id=STORE_ID, **fields)).changes


def update_zone(**fields: Any) -> Mapping[Any, Any]:
    return wire.update_zone_from_proto(UpdateDeliveryZoneRequest(id=STORE_ID, zone_id=STORE_ID, **fields)).changes


def test_texts_are_trimmed() -> None:
    assert update(name="  Café 🍋 शिकंजी ") == {"name": "Café 🍋 शिकंजी"}


def test_a_blank_name_is_rejected() -> None:
    with pytest.raises(InvalidArgument) as rejected:
        update(name=" \t\n")
    assert rejected.value.violations == [("name", "must not be blank")]


def test_a_new_store_has_the_default_settings() -> None:
    new = wire.new_store_from_proto(
        CreateStoreRequest(name="Shikanji", email="a@b.in", phone="+912212345678", address=ADDRESS)
    )
    assert new.is_active is True
    assert new.is_accepting_orders is True
    assert new.time_zone == "Asia/Kolkata"
    assert new.free_delivery_above is None
    assert new.delivery_radius_km == 10
    assert new.latitude is None
    assert new.address_line1 == "1 Marine Drive"
    assert new.country == "India"


def test_false_and_zero_differ_from_absent_fields() -> None:
    request = CreateStoreRequest(
        name="Shikanji",
        email="a@b.in",
        phone="+912212345678",
        address=ADDRESS,
        is_active=False,
        delivery_radius_metres=0,
    )
    new = wire.new_store_from_proto(request)
    assert new.is_active is False
    assert new.delivery_radius_km == 0


def test_an_update_sets_only_the_fields_of_the_request() -> None:
    assert update(is_accepting_orders=False) == {"is_accepting_orders": False}
    assert update() == {}
    assert update(description="") == {"description": ""}


def test_the_threshold_of_free_delivery_can_be_set_and_removed() -> None:
    changes = update(free_delivery_above=Money(currency_code="INR", minor_units=5000))
    assert str(changes["free_delivery_above"]) == "50.00"
    assert update(remove_free_delivery_above=True) == {"free_delivery_above": None}


def test_a_position_keeps_eight_decimals() -> None:
    address = PostalAddress()
    address.CopyFrom(ADDRESS)
    address.location.CopyFrom(GeoPoint(latitude=19.123456789, longitude=-0.1))
    changes = update(address=address)
    assert (str(changes["latitude"]), str(changes["longitude"])) == ("19.12345679", "-0.10000000")


def test_postal_codes_of_a_zone_are_normalised_sorted_and_distinct() -> None:
    assert update_zone(postal_codes=["400 002", "400001", "400-001"]) == {"postal_codes": ["400001", "400002"]}
    with pytest.raises(InvalidArgument):
        update_zone(postal_codes=["- -"])


def test_a_day_that_occurs_twice_is_rejected() -> None:
    lunch = OpeningInterval(open_time="11:00", close_time="15:00")
    days = [DayHours(day_of_week=1, intervals=[lunch]), DayHours(day_of_week=1)]
    with pytest.raises(InvalidArgument) as rejected:
        wire.update_operating_hours_from_proto(UpdateOperatingHoursRequest(id=STORE_ID, days=days))
    assert rejected.value.violations[0][0] == "days[1].dayOfWeek"


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
def test_a_slug_consists_of_the_ascii_letters_of_the_name(name: str, slug: str) -> None:
    assert make_slug(name) == slug


def test_slug_candidates_get_longer_and_the_last_is_unique() -> None:
    first, second, last = slug_candidates("Shikanji", "Mumbai")
    assert (first, second) == ("shikanji", "shikanji-mumbai")
    assert last.startswith("shikanji-")
    assert last != list(slug_candidates("Shikanji", "Mumbai"))[-1]
    (only,) = slug_candidates("शिकंजी", "मुंबई")
    assert only.startswith("store-")
