"""Between the contracts and the rows: words, times, money, etags."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from jainshikanji.store.v1.delivery_zone_pb2 import DeliveryZone
from jainshikanji.store.v1.events_pb2 import StaffGranted, StaffRevoked, StoreCreated, StoreUpdated
from jainshikanji.store.v1.operating_hours_pb2 import DayHours, HoursException, OpeningInterval, OperatingHours
from jainshikanji.store.v1.staff_pb2 import InvitationState, StaffJob, StaffMember
from jainshikanji.store.v1.staff_service_pb2 import UpdateStaffMemberRequest
from jainshikanji.store.v1.store_pb2 import Store
from jainshikanji.store.v1.store_service_pb2 import (
    CreateDeliveryZoneRequest,
    CreateStoreRequest,
    QuoteFulfilmentResponse,
    UpdateDeliveryZoneRequest,
    UpdateStoreRequest,
)
from jainshikanji.type.v1.fulfilment_type_pb2 import FulfilmentType
from jainshikanji.type.v1.geo_point_pb2 import GeoPoint
from jainshikanji.type.v1.postal_address_pb2 import PostalAddress

from chassis.enums import EnumMapping
from chassis.errors import InvalidArgument
from chassis.money import CURRENCY, money_from_proto, money_to_proto
from chassis.timestamps import parse_optional_date, timestamp_to_proto
from services.store.model.fulfilment import Fulfilment
from services.store.model.hours import DAYS_A_WEEK, Interval
from services.store.model.places import Position, plain_postal_code

JOBS = EnumMapping(StaffJob)
INVITATIONS = EnumMapping(InvitationState)
FULFILMENTS = EnumMapping(FulfilmentType, exceptions={"DINE_IN": "dine-in"})

_METRES_A_KM = 1000
_DEGREES = Decimal("0.00000001")
# By the name that request and column share.
_TEXT_FIELDS = ("slug", "email", "phone", "time_zone", "gstin")
_PLAIN_FIELDS = ("is_active", "is_accepting_orders", "estimated_prep_time_minutes")
_MONEY_FIELDS = ("min_order_value", "delivery_fee", "free_delivery_above")

# --- values ---


def etag(version: int) -> str:
    """What a client sends back to have a stale write refused."""
    return f"v{version}"


def known_version(given: str) -> int | None:
    """The version that an etag names: None without an etag, 0 for one that no thing ever had."""
    if not given:
        return None
    digits = given.strip('"').removeprefix("v")
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < len("2147483647") else 0


def required_text(field: str, given: str) -> str:
    """Without blanks around it; refused when nothing is left."""
    plain = given.strip()
    if not plain:
        raise InvalidArgument(field, "must not be blank")
    return plain


def position(point: GeoPoint) -> Position:
    return Position(point.latitude, point.longitude)


# --- stores ---


def store_message(row: Any) -> Store:
    """A row of stores as the public resource."""
    return Store(
        id=str(row.id),
        name=row.name,
        slug=row.slug,
        description=row.description or "",
        email=row.email,
        phone=row.phone,
        address=_address(row),
        time_zone=row.time_zone,
        gstin=row.gstin or "",
        is_active=row.is_active,
        is_accepting_orders=row.is_accepting_orders,
        min_order_value=money_to_proto(row.min_order_value),
        delivery_fee=money_to_proto(row.delivery_fee),
        free_delivery_above=None if row.free_delivery_above is None else money_to_proto(row.free_delivery_above),
        delivery_radius_metres=int((row.delivery_radius_km or 0) * _METRES_A_KM),
        estimated_prep_time_minutes=row.estimated_prep_time_minutes,
        etag=etag(row.version),
        created_at=timestamp_to_proto(row.created_at),
        updated_at=timestamp_to_proto(row.updated_at),
    )


def _address(row: Any) -> PostalAddress:
    known = row.latitude is not None and row.longitude is not None
    return PostalAddress(
        address_line1=row.address_line1,
        address_line2=row.address_line2 or "",
        landmark=row.landmark or "",
        city=row.city,
        state=row.state,
        postal_code=row.postal_code,
        country=row.country,
        location=GeoPoint(latitude=float(row.latitude), longitude=float(row.longitude)) if known else None,
    )


def new_store_columns(request: CreateStoreRequest) -> dict[str, Any]:
    """Columns of a new store: what the request gives over what is usual. `slug` is empty where it is to be made."""
    usual = {
        "description": "",
        "gstin": "",
        "is_active": True,
        "is_accepting_orders": True,
        "min_order_value": Decimal(0),
        "delivery_fee": Decimal(0),
        "free_delivery_above": None,
        "delivery_radius_km": Decimal(10),
        "estimated_prep_time_minutes": 30,
    }
    given = store_columns(request)
    return {**usual, **given, "slug": request.slug, "time_zone": request.time_zone or "Asia/Kolkata"}


def store_columns(request: CreateStoreRequest | UpdateStoreRequest) -> dict[str, Any]:
    """Columns that the request gives; absent optional fields are not among them."""
    present = {field.name for field, _ in request.ListFields()}
    columns: dict[str, Any] = {name: getattr(request, name) for name in _PLAIN_FIELDS if name in present}
    columns |= {name: getattr(request, name) for name in _TEXT_FIELDS if name in present}
    if "description" in present:
        columns["description"] = request.description.strip()
    if "name" in present:
        columns["name"] = required_text("name", request.name)
    if "address" in present:
        columns |= _address_columns(request.address)
    for name in _MONEY_FIELDS:
        if name in present:
            columns[name] = money_from_proto(getattr(request, name))
    if "delivery_radius_metres" in present:
        columns["delivery_radius_km"] = Decimal(request.delivery_radius_metres) / _METRES_A_KM
    if isinstance(request, UpdateStoreRequest) and request.remove_free_delivery_above:
        columns["free_delivery_above"] = None
    return columns


def _address_columns(address: PostalAddress) -> dict[str, Any]:
    known = address.HasField("location")
    return {
        "address_line1": required_text("address.addressLine1", address.address_line1),
        "address_line2": address.address_line2.strip(),
        "landmark": address.landmark.strip(),
        "city": required_text("address.city", address.city),
        "state": required_text("address.state", address.state),
        "postal_code": address.postal_code.strip(),
        "country": address.country.strip() or "India",
        "latitude": Decimal(repr(address.location.latitude)).quantize(_DEGREES) if known else None,
        "longitude": Decimal(repr(address.location.longitude)).quantize(_DEGREES) if known else None,
    }


def store_created(row: Any) -> StoreCreated:
    return StoreCreated(**_store_facts(row), occurred_at=timestamp_to_proto(row.created_at))


def store_updated(row: Any) -> StoreUpdated:
    return StoreUpdated(**_store_facts(row), occurred_at=timestamp_to_proto(row.updated_at))


def _store_facts(row: Any) -> dict[str, Any]:
    names = ("version", "name", "city", "state", "time_zone", "is_active", "is_accepting_orders")
    return {"store_id": str(row.id), **{name: getattr(row, name) for name in names}}


def fulfilment_message(row: Any, fulfilment: Fulfilment) -> QuoteFulfilmentResponse:
    """The store's answer with what an order keeps of the store."""
    above = fulfilment.free_delivery_above
    return QuoteFulfilmentResponse(
        store_id=str(row.id),
        store_name=row.name,
        state=row.state,
        time_zone=row.time_zone,
        currency=CURRENCY,
        delivery_fee=money_to_proto(fulfilment.delivery_fee),
        free_delivery_above=None if above is None else money_to_proto(above),
        min_order_value=money_to_proto(fulfilment.min_order_value),
        zone_id=str(fulfilment.zone_id or ""),
        travel_minutes=fulfilment.travel_minutes,
        preparation_minutes=fulfilment.preparation_minutes,
        ready_from=timestamp_to_proto(fulfilment.ready_from),
        gstin=row.gstin or "",
    )


# --- hours ---


def intervals(messages: Iterable[OpeningInterval]) -> list[Interval]:
    """In order of their beginning."""
    return sorted(
        Interval(dt.time.fromisoformat(item.open_time), dt.time.fromisoformat(item.close_time)) for item in messages
    )


def week(messages: Iterable[DayHours]) -> dict[int, list[Interval]]:
    """By day of the week. Refuses a day that comes twice."""
    days: dict[int, list[Interval]] = {}
    for at, message in enumerate(messages):
        if message.day_of_week in days:
            raise InvalidArgument(f"days[{at}].dayOfWeek", "comes twice")
        days[message.day_of_week] = intervals(message.intervals)
    return days


def operating_hours_message(
    store_id: str,
    zone: str,
    version: int,
    days: Mapping[int, Sequence[Interval]],
    exceptions: Iterable[tuple[dt.date, Sequence[Interval], str]],
) -> OperatingHours:
    """The hours without what depends on the moment."""
    return OperatingHours(
        store_id=store_id,
        time_zone=zone,
        days=[DayHours(day_of_week=day, intervals=_interval_messages(days.get(day, ()))) for day in range(DAYS_A_WEEK)],
        exceptions=[
            HoursException(date=day.isoformat(), intervals=_interval_messages(of_day), reason=reason)
            for day, of_day, reason in exceptions
        ],
        etag=etag(version),
    )


def _interval_messages(of_day: Iterable[Interval]) -> list[OpeningInterval]:
    return [
        OpeningInterval(open_time=f"{item.opens:%H:%M}", close_time=f"{item.closes:%H:%M}") for item in sorted(of_day)
    ]


# --- zones ---


def zone_columns(request: CreateDeliveryZoneRequest | UpdateDeliveryZoneRequest) -> dict[str, Any]:
    """Columns that the request gives."""
    present = {field.name for field, _ in request.ListFields()}
    columns: dict[str, Any] = {
        name: getattr(request, name) for name in ("estimated_time_minutes", "is_active") if name in present
    }
    if "name" in present:
        columns["name"] = required_text("name", request.name)
    if "postal_codes" in present:
        columns["postal_codes"] = _postal_codes(request.postal_codes)
    if "delivery_fee" in present:
        columns["delivery_fee"] = money_from_proto(request.delivery_fee)
    return columns


def _postal_codes(codes: Iterable[str]) -> list[str]:
    plain = sorted({plain_postal_code(code) for code in codes})
    if "" in plain:
        raise InvalidArgument("postalCodes", "must have letters or digits")
    return plain


def zone_message(row: Any) -> DeliveryZone:
    return DeliveryZone(
        id=str(row.id),
        store_id=str(row.store_id),
        name=row.name,
        postal_codes=row.postal_codes or (),
        delivery_fee=money_to_proto(row.delivery_fee),
        estimated_time_minutes=row.estimated_time_minutes,
        is_active=row.is_active,
        created_at=timestamp_to_proto(row.created_at),
        updated_at=timestamp_to_proto(row.updated_at),
    )


# --- staff ---


def staff_message(row: Any, email: str, phone: str) -> StaffMember:
    """A row of staff with its opened email and phone."""
    return StaffMember(
        id=str(row.id),
        store_id=str(row.store_id),
        name=row.name,
        email=email,
        phone=phone,
        job=JOBS.to_proto(row.role),
        is_active=row.is_active,
        hire_date=row.hire_date.isoformat() if row.hire_date else "",
        termination_date=row.termination_date.isoformat() if row.termination_date else "",
        account_id=str(row.account_id or ""),
        invitation_state=INVITATIONS.to_proto(row.invitation),
        etag=etag(row.version),
        created_at=timestamp_to_proto(row.created_at),
        updated_at=timestamp_to_proto(row.updated_at),
    )


def staff_changes(request: UpdateStaffMemberRequest) -> dict[str, Any]:
    """What the request gives, by column; the phone still open."""
    present = {field.name for field, _ in request.ListFields()}
    changes: dict[str, Any] = {}
    if "name" in present:
        changes["name"] = required_text("name", request.name)
    if "phone" in present:
        changes["phone"] = request.phone
    if "job" in present:
        changes["role"] = JOBS.from_proto(request.job)
    if "is_active" in present:
        changes["is_active"] = request.is_active
    if "hire_date" in present:
        changes["hire_date"] = parse_optional_date("hireDate", request.hire_date)
    if "termination_date" in present:
        changes["termination_date"] = parse_optional_date("terminationDate", request.termination_date)
    return changes


def staff_granted(row: Any) -> StaffGranted:
    return StaffGranted(**_grant(row), occurred_at=timestamp_to_proto(row.updated_at))


def staff_revoked(row: Any) -> StaffRevoked:
    return StaffRevoked(**_grant(row), occurred_at=timestamp_to_proto(row.updated_at))


def _grant(row: Any) -> dict[str, Any]:
    return {
        "staff_id": str(row.id),
        "version": row.version,
        "account_id": str(row.account_id),
        "store_id": str(row.store_id),
        "job": JOBS.to_proto(row.role),
    }
