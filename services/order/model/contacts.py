"""Contacts of customers: an order has encrypted copies, which are decrypted only for callers who may see them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TypedDict

from chassis.security.encryption import FieldCipher
from services.order.rows import OrderRow


@dataclass(frozen=True, slots=True)
class Location:
    """A point on the earth, in degrees."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address; the encrypted column is the JSON object of its fields."""

    address_line1: str
    address_line2: str
    landmark: str
    city: str
    state: str
    postal_code: str
    country: str


@dataclass(frozen=True, slots=True)
class Contact:
    """Email and phone of the customer, and where the order is delivered. `location` belongs to the address."""

    email: str
    phone: str
    address: Address | None = None
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class OrderingCustomer:
    """The customer of a new order."""

    name: str
    contact: Contact


class EncryptedContact(TypedDict):
    """The columns of `orders` that hold a contact."""

    customer_email: bytes
    customer_phone: bytes
    delivery_address: bytes | None
    delivery_latitude: bytes | None
    delivery_longitude: bytes | None


def encrypt_contact(contact: Contact, cipher: FieldCipher) -> EncryptedContact:
    """The columns for the contact."""
    columns: EncryptedContact = {
        "customer_email": cipher.encrypt(contact.email, "orders.customer_email"),
        "customer_phone": cipher.encrypt(contact.phone, "orders.customer_phone"),
        "delivery_address": None,
        "delivery_latitude": None,
        "delivery_longitude": None,
    }
    if contact.address is not None:
        text = json.dumps(asdict(contact.address), ensure_ascii=False)
        columns["delivery_address"] = cipher.encrypt(text, "orders.delivery_address")
        if (point := contact.location) is not None:
            columns["delivery_latitude"] = cipher.encrypt(repr(point.latitude), "orders.delivery_latitude")
            columns["delivery_longitude"] = cipher.encrypt(repr(point.longitude), "orders.delivery_longitude")
    return columns


def decrypt_contact(row: OrderRow, cipher: FieldCipher) -> Contact:
    """The contact of the order. After erasure it has no address."""
    email = cipher.decrypt(row.customer_email, "orders.customer_email")
    phone = cipher.decrypt(row.customer_phone, "orders.customer_phone")
    if row.delivery_address is None:
        return Contact(email, phone)
    fields = json.loads(cipher.decrypt(row.delivery_address, "orders.delivery_address"))
    if not fields:
        return Contact(email, phone)
    location = None
    if row.delivery_latitude is not None and row.delivery_longitude is not None:
        location = Location(
            float(cipher.decrypt(row.delivery_latitude, "orders.delivery_latitude")),
            float(cipher.decrypt(row.delivery_longitude, "orders.delivery_longitude")),
        )
    return Contact(email, phone, Address(**fields), location)


def encrypt_erased_contact(cipher: FieldCipher) -> dict[str, bytes]:
    """Encrypted empty values, for the columns that must not be NULL after erasure."""
    return {
        "no_email": cipher.encrypt("", "orders.customer_email"),
        "no_phone": cipher.encrypt("", "orders.customer_phone"),
        "no_address": cipher.encrypt("{}", "orders.delivery_address"),
    }


def encrypt_location(location: Location, cipher: FieldCipher) -> tuple[bytes, bytes]:
    """Latitude and longitude for `order_tracking`."""
    return (
        cipher.encrypt(repr(location.latitude), "order_tracking.latitude"),
        cipher.encrypt(repr(location.longitude), "order_tracking.longitude"),
    )


def decrypt_location(latitude: bytes, longitude: bytes, cipher: FieldCipher) -> Location:
    """The location in a row of `order_tracking`."""
    return Location(
        float(cipher.decrypt(latitude, "order_tracking.latitude")),
        float(cipher.decrypt(longitude, "order_tracking.longitude")),
    )
