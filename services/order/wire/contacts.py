"""Copies of personal data that an order keeps: sealed in its columns, open only on the way to who may see them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from jainshikanji.type.v1.geo_point_pb2 import GeoPoint
from jainshikanji.type.v1.postal_address_pb2 import PostalAddress

from chassis.security.encryption import FieldCipher

_FIELDS = ("address_line1", "address_line2", "landmark", "city", "state", "postal_code", "country")


@dataclass(frozen=True, slots=True)
class Contact:
    """How to reach the customer of an order, and where it goes."""

    email: str
    phone: str
    address: PostalAddress | None


def seal(contact: Contact, cipher: FieldCipher) -> dict[str, bytes | None]:
    """The contact's columns of `orders`."""
    columns: dict[str, bytes | None] = {
        "customer_email": cipher.encrypt(contact.email, "orders.customer_email"),
        "customer_phone": cipher.encrypt(contact.phone, "orders.customer_phone"),
        "delivery_address": None,
        "delivery_latitude": None,
        "delivery_longitude": None,
    }
    if (address := contact.address) is not None:
        text = json.dumps({name: getattr(address, name) for name in _FIELDS}, ensure_ascii=False)
        columns["delivery_address"] = cipher.encrypt(text, "orders.delivery_address")
        if address.HasField("location"):
            point = address.location
            columns["delivery_latitude"] = cipher.encrypt(repr(point.latitude), "orders.delivery_latitude")
            columns["delivery_longitude"] = cipher.encrypt(repr(point.longitude), "orders.delivery_longitude")
    return columns


def unseal(row: Any, cipher: FieldCipher) -> Contact:
    """The contact in a row of `orders`. An erased address is none."""
    email = cipher.decrypt(row.customer_email, "orders.customer_email")
    phone = cipher.decrypt(row.customer_phone, "orders.customer_phone")
    if row.delivery_address is None:
        return Contact(email, phone, None)
    fields = json.loads(cipher.decrypt(row.delivery_address, "orders.delivery_address"))
    if not fields:
        return Contact(email, phone, None)
    address = PostalAddress(**fields)
    if row.delivery_latitude is not None and row.delivery_longitude is not None:
        latitude = float(cipher.decrypt(row.delivery_latitude, "orders.delivery_latitude"))
        longitude = float(cipher.decrypt(row.delivery_longitude, "orders.delivery_longitude"))
        address.location.CopyFrom(GeoPoint(latitude=latitude, longitude=longitude))
    return Contact(email, phone, address)


def erased(cipher: FieldCipher) -> dict[str, bytes]:
    """What the sealed columns that must not be NULL hold after erasure."""
    return {
        "no_email": cipher.encrypt("", "orders.customer_email"),
        "no_phone": cipher.encrypt("", "orders.customer_phone"),
        "no_address": cipher.encrypt("{}", "orders.delivery_address"),
    }


def seal_position(point: GeoPoint, cipher: FieldCipher) -> dict[str, bytes]:
    """The columns of `order_tracking`."""
    return {
        "latitude": cipher.encrypt(repr(point.latitude), "order_tracking.latitude"),
        "longitude": cipher.encrypt(repr(point.longitude), "order_tracking.longitude"),
    }


def unseal_position(row: Any, cipher: FieldCipher) -> GeoPoint:
    """The position in a row of `order_tracking`."""
    return GeoPoint(
        latitude=float(cipher.decrypt(row.latitude, "order_tracking.latitude")),
        longitude=float(cipher.decrypt(row.longitude, "order_tracking.longitude")),
    )
