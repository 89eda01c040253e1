"""EnumMapping, names, texts and positions between contract and database."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jainshikanji.type.v1.geo_point_pb2 import GeoPoint
from jainshikanji.type.v1.postal_address_pb2 import PostalAddress

from chassis.errors import InvalidArgument
from chassis.security.encryption import FieldCipher
from services.customer import wire
from services.customer.usecases import codes

CIPHER = FieldCipher({"1": b"f" * 32}, b"i" * 32)


def test_the_database_keeps_the_words_of_its_checks_and_comments() -> None:
    assert wire.ADDRESS_TYPES.names() == ["home", "work", "other"]
    assert wire.TIERS.names() == ["Bronze", "Silver", "Gold", "Platinum"]
    assert wire.DIETS.names() == ["vegan", "jain", "gluten-free", "nut-free"]
    assert wire.SPICE_LEVELS.names() == ["Mild", "Medium", "Hot", "Sweet"]
    assert wire.DELIVERY_TIMES.names() == ["morning", "afternoon", "evening"]
    assert wire.PAYMENT_METHODS.names() == ["upi", "card", "netbanking", "cod", "wallet", "emi"]
    assert wire.JOBS.names() == ["manager", "chef", "cashier", "delivery", "support"]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_text_is_kept_as_it_is_or_refused_with_its_field(value: str) -> None:
    if value and not value.strip():
        with pytest.raises(InvalidArgument) as refusal:
            wire.text(value, "label")
        assert refusal.value.violations[0][0] == "label"
    else:
        assert wire.text(value, "label") == value


@pytest.mark.parametrize("value", ["2000-02-29", "1900-01-01"])
def test_a_birth_day_is_a_day(value: str) -> None:
    assert wire.birth(value) == value


@pytest.mark.parametrize("value", ["1999-02-29", "0000-01-01", "1899-12-31", "9999-12-31", "1999-13-01"])
def test_what_cannot_be_a_birth_day_is_refused(value: str) -> None:
    with pytest.raises(InvalidArgument):
        wire.birth(value)


def test_a_person_is_called_as_they_chose_else_by_their_names() -> None:
    person = SimpleNamespace(display_name="Ash", first_name="Asha", last_name="Jain")
    assert wire.name(person) == "Ash"
    person.display_name = None
    assert wire.name(person) == "Asha Jain"
    person.last_name = None
    assert wire.name(person) == "Asha"


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_a_position_survives_to_a_millimetre(latitude: float, longitude: float) -> None:
    place = PostalAddress(
        address_line1="12, Hill Road",
        city="Mumbai",
        state="Maharashtra",
        postal_code="400050",
        location=GeoPoint(latitude=latitude, longitude=longitude),
    )
    found = wire.postal_address(SimpleNamespace(**wire.address_columns(place, CIPHER)), CIPHER)
    assert abs(found.location.latitude - latitude) < 1e-8
    assert abs(found.location.longitude - longitude) < 1e-8
    assert found.country == "India"


def test_sealed_columns_are_bound_to_their_place() -> None:
    from chassis.security.encryption import DecryptionError

    sealed = CIPHER.encrypt("asha@example.in", wire.EMAIL)
    with pytest.raises(DecryptionError):
        CIPHER.decrypt(sealed, wire.PHONE)
    assert not set(CIPHER.index("x", wire.EMAIL).values()) & set(CIPHER.index("x", wire.PHONE).values())


def test_codes_are_long_enough_unlike_and_typed_in_any_way() -> None:
    made = {codes.generate() for _ in range(200)}
    assert len(made) == 200
    for code in made:
        assert len(codes.normalise(code)) == codes.LENGTH
        assert set(codes.normalise(code)) <= set(codes.ALPHABET)
        assert codes.normalise(f" {code.lower().replace('-', ' - ')}\n") == codes.normalise(code)
    assert len(set(codes.ALPHABET)) == 32
