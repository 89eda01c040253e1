"""Rows to messages, and what people type to what is kept."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from jainshikanji.customer.v1 import (
    address_pb2,
    customer_pb2,
    customer_service_pb2,
    favorite_pb2,
    session_pb2,
)
from jainshikanji.customer.v1 import preferences_pb2 as likes
from jainshikanji.inventory.v1.product_pb2 import SpiceLevel
from jainshikanji.loyalty.v1.tier_pb2 import LoyaltyTier
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod
from jainshikanji.store.v1.staff_pb2 import StaffJob
from jainshikanji.type.v1.geo_point_pb2 import GeoPoint
from jainshikanji.type.v1.postal_address_pb2 import PostalAddress

from chassis.database import Row
from chassis.enums import EnumMapping
from chassis.errors import InvalidArgument
from chassis.money import money_to_proto
from chassis.pii import normalise_phone
from chassis.security.encryption import FieldCipher
from chassis.timestamps import timestamp_to_proto
from services.customer.model import DEFAULT_COUNTRY, DEFAULT_SPICE_LEVEL, EARLIEST_BIRTH

GENDERS = EnumMapping(customer_pb2.Gender)
TIERS = EnumMapping(LoyaltyTier, style=str.capitalize)
ADDRESS_TYPES = EnumMapping(address_pb2.AddressType)
SPICE_LEVELS = EnumMapping(SpiceLevel, style=str.capitalize)
DIETS = EnumMapping(likes.DietaryRestriction, {"GLUTEN_FREE": "gluten-free", "NUT_FREE": "nut-free"})
PAYMENT_METHODS = EnumMapping(PaymentMethod)
DELIVERY_TIMES = EnumMapping(likes.PreferredDeliveryTime)
DEVICE_TYPES = EnumMapping(session_pb2.DeviceType)
JOBS = EnumMapping(StaffJob)

EMAIL, PHONE, BIRTH = "customers.email", "customers.phone", "customers.date_of_birth"
LINE1, LINE2 = "customer_addresses.address_line1", "customer_addresses.address_line2"
LANDMARK = "customer_addresses.landmark"
LATITUDE, LONGITUDE = "customer_addresses.latitude", "customer_addresses.longitude"
NO_PHONE = {"phone": None, "phone_index": None, "phone_index_next": None}


def phone_columns(cipher: FieldCipher, phone: str) -> dict[str, bytes | None]:
    """The sealed phone and its blind indexes; all None for none."""
    return {"phone": cipher.encrypt(phone, PHONE), **cipher.index(phone, PHONE)} if phone else dict(NO_PHONE)


def text(value: str, field: str) -> str:
    """Text of a request, or empty. Blanks alone are refused."""
    if value and not value.strip():
        raise InvalidArgument(field, "must not be blank")
    return value


def phone(value: str, field: str = "phone") -> str:
    """E.164, or empty."""
    if not value:
        return ""
    try:
        return normalise_phone(value)
    except ValueError:
        raise InvalidArgument(field, "is not a phone number") from None


def birth(value: str, field: str = "dateOfBirth") -> str:
    """A day of the past as YYYY-MM-DD, or empty."""
    if not value:
        return ""
    try:
        day = date.fromisoformat(value)
    except ValueError:
        raise InvalidArgument(field, "is not a day of the calendar") from None
    if not EARLIEST_BIRTH <= day <= datetime.now(UTC).date():
        raise InvalidArgument(field, f"must be between {EARLIEST_BIRTH} and today")
    return value


def sealed(cipher: FieldCipher, value: str, context: str) -> bytes | None:
    """The sealed value; None for empty."""
    return cipher.encrypt(value, context) if value else None


def opened(cipher: FieldCipher, value: bytes | None, context: str) -> str:
    """The text; empty for None."""
    return cipher.decrypt(value, context) if value is not None else ""


def name(row: Row) -> str:
    """What a person is called: the name they chose, else first and last name."""
    return row.display_name or " ".join(part for part in (row.first_name, row.last_name) if part)


def customer(row: Row, cipher: FieldCipher) -> customer_pb2.Customer:
    return customer_pb2.Customer(
        id=str(row.id),
        etag=str(row.version),
        email=opened(cipher, row.email, EMAIL),
        phone=opened(cipher, row.phone, PHONE),
        first_name=row.first_name or "",
        last_name=row.last_name or "",
        display_name=name(row),
        date_of_birth=opened(cipher, row.date_of_birth, BIRTH),
        gender=GENDERS.to_proto(row.gender) if row.gender else customer_pb2.Gender.UNSPECIFIED,
        locale=row.locale,
        email_verified=row.email_verified,
        phone_verified=row.phone_verified,
        is_active=row.is_active,
        loyalty_points=row.loyalty_points,
        loyalty_tier=TIERS.to_proto(row.loyalty_tier),
        total_orders=row.total_orders,
        total_spent=money_to_proto(row.total_spent),
        last_login_at=timestamp_to_proto(row.last_login),
        created_at=timestamp_to_proto(row.created_at),
        updated_at=timestamp_to_proto(row.updated_at),
    )


def address_columns(place: PostalAddress, cipher: FieldCipher) -> dict[str, Any]:
    """The columns of an address that a postal address fills."""
    located = place.HasField("location")
    return {
        "address_line1": cipher.encrypt(text(place.address_line1, "address.addressLine1"), LINE1),
        "address_line2": sealed(cipher, text(place.address_line2, "address.addressLine2"), LINE2),
        "landmark": sealed(cipher, text(place.landmark, "address.landmark"), LANDMARK),
        "city": text(place.city, "address.city"),
        "state": text(place.state, "address.state"),
        "postal_code": place.postal_code,
        "country": text(place.country, "address.country") or DEFAULT_COUNTRY,
        "latitude": cipher.encrypt(f"{place.location.latitude:.8f}", LATITUDE) if located else None,
        "longitude": cipher.encrypt(f"{place.location.longitude:.8f}", LONGITUDE) if located else None,
    }


def postal_address(row: Row, cipher: FieldCipher) -> PostalAddress:
    place = PostalAddress(
        address_line1=cipher.decrypt(row.address_line1, LINE1),
        address_line2=opened(cipher, row.address_line2, LINE2),
        landmark=opened(cipher, row.landmark, LANDMARK),
        city=row.city,
        state=row.state,
        postal_code=row.postal_code,
        country=row.country or DEFAULT_COUNTRY,
    )
    if row.latitude is not None and row.longitude is not None:
        latitude, longitude = cipher.decrypt(row.latitude, LATITUDE), cipher.decrypt(row.longitude, LONGITUDE)
        place.location.CopyFrom(GeoPoint(latitude=float(latitude), longitude=float(longitude)))
    return place


def address(row: Row, cipher: FieldCipher) -> address_pb2.Address:
    return address_pb2.Address(
        id=str(row.id),
        etag=str(row.version),
        customer_id=str(row.customer_id),
        type=ADDRESS_TYPES.to_proto(row.type),
        label=row.label or "",
        address=postal_address(row, cipher),
        is_default=row.is_default,
        created_at=timestamp_to_proto(row.created_at),
        updated_at=timestamp_to_proto(row.updated_at),
    )


def preferences(row: Row) -> likes.Preferences:
    """Of a row whose preferences may all be NULL because they were never written."""
    return likes.Preferences(
        customer_id=str(row.customer_id),
        preferred_spice_level=SPICE_LEVELS.to_proto(row.preferred_spice_level or DEFAULT_SPICE_LEVEL),
        dietary_restrictions=[DIETS.to_proto(word) for word in row.dietary_restrictions or ()],
        favorite_categories=row.favorite_categories or (),
        preferred_payment_method=PAYMENT_METHODS.to_proto(row.preferred_payment_method)
        if row.preferred_payment_method
        else PaymentMethod.UNSPECIFIED,
        preferred_delivery_time=DELIVERY_TIMES.to_proto(row.preferred_delivery_time)
        if row.preferred_delivery_time
        else likes.PreferredDeliveryTime.UNSPECIFIED,
        updated_at=timestamp_to_proto(row.updated_at),
    )


def favorite(row: Row) -> favorite_pb2.Favorite:
    return favorite_pb2.Favorite(product_id=str(row.product_id), created_at=timestamp_to_proto(row.created_at))


def session(row: Row, current: object) -> session_pb2.Session:
    return session_pb2.Session(
        id=str(row.id),
        device_type=DEVICE_TYPES.to_proto(row.device_type) if row.device_type else session_pb2.DeviceType.UNSPECIFIED,
        device_id=row.device_id or "",
        ip_address=row.ip_address or "",
        user_agent=row.user_agent or "",
        is_current=row.id == current,
        created_at=timestamp_to_proto(row.created_at),
        last_accessed_at=timestamp_to_proto(row.last_accessed_at),
        expires_at=timestamp_to_proto(row.expires_at),
    )


def contact(row: Row, cipher: FieldCipher) -> customer_service_pb2.Contact:
    return customer_service_pb2.Contact(
        customer_id=str(row.id),
        name=name(row),
        email=opened(cipher, row.email, EMAIL),
        phone=opened(cipher, row.phone, PHONE),
        locale=row.locale,
    )


def ordering_customer(row: Row, cipher: FieldCipher, *, with_address: bool) -> customer_service_pb2.OrderingCustomer:
    return customer_service_pb2.OrderingCustomer(
        customer_id=str(row.id),
        name=name(row),
        email=opened(cipher, row.email, EMAIL),
        phone=opened(cipher, row.phone, PHONE),
        address=postal_address(row, cipher) if with_address else None,
    )
