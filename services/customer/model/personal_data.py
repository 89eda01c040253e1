"""Personal data: which columns are encrypted, and how a person is named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from chassis.security.encryption import FieldCipher
from services.customer.rows import EncryptedPlace, PhoneColumns

# The context of an encrypted value: its column.
EMAIL, PHONE, BIRTH_DATE = "customers.email", "customers.phone", "customers.date_of_birth"
ADDRESS_LINE1, ADDRESS_LINE2 = "customer_addresses.address_line1", "customer_addresses.address_line2"
LANDMARK = "customer_addresses.landmark"
LATITUDE, LONGITUDE = "customer_addresses.latitude", "customer_addresses.longitude"
CODE = "code_deliveries.code"
PRIVATE_KEY = "signing_keys.private_key"


@dataclass(frozen=True, slots=True)
class Place:
    """A postal address in plain text. Empty texts are absent; a position is complete or None."""

    address_line1: str
    address_line2: str
    landmark: str
    city: str
    state: str
    postal_code: str
    country: str
    position: tuple[float, float] | None


class NamedPerson(Protocol):
    """A row with the columns of a name."""

    @property
    def first_name(self) -> str | None: ...
    @property
    def last_name(self) -> str | None: ...
    @property
    def display_name(self) -> str | None: ...


def format_name(person: NamedPerson) -> str:
    """The display name, else first and last name."""
    return person.display_name or " ".join(part for part in (person.first_name, person.last_name) if part)


def encrypt_optional(cipher: FieldCipher, text: str, context: str) -> bytes | None:
    """The encrypted text; None for an empty one."""
    return cipher.encrypt(text, context) if text else None


def decrypt_optional(cipher: FieldCipher, value: bytes | None, context: str) -> str:
    """The text; empty for None."""
    return cipher.decrypt(value, context) if value is not None else ""


def encrypt_phone(cipher: FieldCipher, phone: str) -> PhoneColumns:
    """The encrypted phone number and its blind indexes; all None for an empty one."""
    if not phone:
        return PhoneColumns(None, None, None)
    return PhoneColumns(phone=cipher.encrypt(phone, PHONE), **cipher.index(phone, PHONE))


def encrypt_place(cipher: FieldCipher, place: Place) -> EncryptedPlace:
    """The columns of a postal address."""
    latitude = longitude = None
    if place.position is not None:
        latitude = cipher.encrypt(f"{place.position[0]:.8f}", LATITUDE)
        longitude = cipher.encrypt(f"{place.position[1]:.8f}", LONGITUDE)
    return EncryptedPlace(
        address_line1=cipher.encrypt(place.address_line1, ADDRESS_LINE1),
        address_line2=encrypt_optional(cipher, place.address_line2, ADDRESS_LINE2),
        landmark=encrypt_optional(cipher, place.landmark, LANDMARK),
        city=place.city,
        state=place.state,
        postal_code=place.postal_code,
        country=place.country,
        latitude=latitude,
        longitude=longitude,
    )
