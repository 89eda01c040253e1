"""Enum mappings, names, texts and positions between contract and database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jainshikanji.customer.v1 import customer_service_pb2 as pb
from jainshikanji.type.v1.geo_point_pb2 import GeoPoint
from jainshikanji.type.v1.postal_address_pb2 import PostalAddress

from chassis.database.rows import parameters
from chassis.errors import InvalidArgument
from chassis.security.encryption import FieldCipher
from services.customer import wire
from services.customer.commands import NewAccount
from services.customer.model.codes import ALPHABET, CODE_LENGTH, generate_code, normalise_code
from services.customer.model.personal_data import EMAIL, PHONE, encrypt_place, format_name
from services.customer.rows import AddressRow

ID = UUID(int=1)
CIPHER = FieldCipher({"1": b"f" * 32}, b"i" * 32)


def test_the_stored_values_are_those_of_the_check_constraints() -> None:
    assert wire.ADDRESS_TYPES.names() == ["home", "work", "other"]
    assert wire.TIERS.names() == ["Bronze", "Silver", "Gold", "Platinum"]
    assert wire.DIETS.names() == ["vegan", "jain", "gluten-free", "nut-free"]
    assert wire.SPICE_LEVELS.names() == ["Mild", "Medium", "Hot", "Sweet"]
    assert wire.DELIVERY_TIMES.names() == ["morning", "afternoon", "evening"]
    assert wire.PAYMENT_METHODS.names() == ["upi", "card", "netbanking", "cod", "wallet", "emi"]
    assert wire.JOBS.names() == ["manager", "chef", "cashier", "delivery", "support"]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_text_is_not_changed_and_blank_text_is_rejected_with_its_field(value: str) -> None:
    if value and not value.strip():
        with pytest.raises(InvalidArgument) as rejected:
            wire.parse_text(value, "label")
        assert rejected.value.violations[0][0] == "label"
    else:
        assert wire.parse_text(value, "label") == value


@pytest.mark.parametrize("value", ["2000-02-29", "1900-01-01"])
def test_a_past_date_is_a_birth_date(value: str) -> None:
    assert wire.parse_birth_date(value) == value


@pytest.mark.parametrize("value", ["1999-02-29", "0000-01-01", "1899-12-31", "9999-12-31", "1999-13-01"])
def test_an_invalid_birth_date_is_rejected(value: str) -> None:
    with pytest.raises(InvalidArgument):
        wire.parse_birth_date(value)


def test_an_invalid_profile_reports_its_first_invalid_field() -> None:
    fields: dict[str, Any] = {
        "first_name": " ",
        "last_name": " ",
        "display_name": " ",
        "phone": "12",
        "date_of_birth": "2001-02-29",
    }
    reported = []
    while fields:
        with pytest.raises(InvalidArgument) as rejected:
            wire.update_profile_from_proto(pb.UpdateCustomerRequest(id=str(ID), **fields))
        reported.append(rejected.value.violations[0][0])
        del fields[next(iter(fields))]
    assert reported == ["firstName", "lastName", "displayName", "phone", "dateOfBirth"]


def test_the_display_name_takes_precedence_over_first_and_last_name() -> None:
    assert format_name(NewAccount("", display_name="Ash", first_name="Asha", last_name="Jain")) == "Ash"
    assert format_name(NewAccount("", first_name="Asha", last_name="Jain")) == "Asha Jain"
    assert format_name(NewAccount("", first_name="Asha")) == "Asha"


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_a_position_keeps_eight_decimals(latitude: float, longitude: float) -> None:
    place = PostalAddress(
        address_line1="12, Hill Road",
        city="Mumbai",
        state="Maharashtra",
        postal_code="400050",
        location=GeoPoint(latitude=latitude, longitude=longitude),
    )
    columns = encrypt_place(CIPHER, wire.place_from_proto(place))
    now = datetime.now(UTC)
    row = AddressRow(
        id=ID,
        customer_id=ID,
        version=1,
        type="home",
        label=None,
        **parameters(columns),
        is_default=True,
        created_at=now,
        updated_at=now,
    )
    found = wire.place_to_proto(row, CIPHER)
    assert abs(found.location.latitude - latitude) < 1e-8
    assert abs(found.location.longitude - longitude) < 1e-8
    assert found.country == "India"


def test_an_encrypted_value_is_bound_to_its_column() -> None:
    from chassis.security.encryption import DecryptionError

    encrypted = CIPHER.encrypt("asha@example.in", EMAIL)
    with pytest.raises(DecryptionError):
        CIPHER.decrypt(encrypted, PHONE)
    assert not set(CIPHER.index("x", EMAIL).values()) & set(CIPHER.index("x", PHONE).values())


def test_codes_are_random_and_compared_without_case_and_separators() -> None:
    generated = {generate_code() for _ in range(200)}
    assert len(generated) == 200
    for code in generated:
        assert len(normalise_code(code)) == CODE_LENGTH
        assert set(normalise_code(code)) <= set(ALPHABET)
        assert normalise_code(f" {code.lower().replace('-', ' - ')}\n") == normalise_code(code)
    assert len(set(ALPHABET)) == 32
