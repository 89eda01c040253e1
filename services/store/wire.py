"""Conversion between messages of the contracts and rows, commands and values of the service."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from jainshikanji.store.v1.delivery_zone_pb2 import DeliveryZone
from jainshikanji.store.v1.events_pb2 import StaffGranted, StaffRevoked, StoreCreated, StoreUpdated
from jainshikanji.store.v1.operating_hours_pb2 import DayHours, HoursException, OpeningInterval, OperatingHours
from jainshikanji.store.v1.staff_pb2 import InvitationState, StaffJob, StaffMember
from jainshikanji.store.v1.staff_service_pb2 import AddStaffMemberRequest, ListStaffRequest, UpdateStaffMemberRequest
from jainshikanji.store.v1.store_pb2 import Store
from jainshikanji.store.v1.store_service_pb2 import (
    CreateDeliveryZoneRequest,
    CreateStoreRequest,
    ListNearbyStoresRequest,
    ListStoresRequest,
    QuoteFulfilmentRequest,
    QuoteFulfilmentResponse,
    SetHoursExceptionRequest,
    UpdateDeliveryZoneRequest,
    UpdateOperatingHoursRequest,
    UpdateStoreRequest,
)
from jainshikanji.type.v1.fulfilment_type_pb2 import FulfilmentType
from jainshikanji.type.v1.geo_point_pb2 import GeoPoint
from jainshikanji.type.v1.postal_address_pb2 import PostalAddress

from chassis.database.rows import column_values
from chassis.enums import EnumMapping
from chassis.errors import InvalidArgument
from chassis.ids import new_id
from chassis.money import CURRENCY, money_from_proto, money_to_proto
from chassis.rpc.etags import version_from_etag, version_to_etag
from chassis.timestamps import optional_datetime_from_proto, parse_date, parse_optional_date, timestamp_to_proto
from services.store.commands import (
    AddStaffMember,
    ListNearbyStores,
    ListStaff,
    ListStores,
    QuoteFulfilment,
    SetHoursException,
    StaffColumn,
    StoreChanges,
    StoreColumn,
    UpdateOperatingHours,
    UpdateStaffMember,
    UpdateStore,
    UpdateZone,
    ZoneChanges,
    ZoneColumn,
)
from services.store.model import hours as model
from services.store.model.fulfilment import Fulfilment
from services.store.model.hours import DAYS_A_WEEK, Interval, read_interval
from services.store.model.locations import Position, normalise_postal_code
from services.store.rows import NearbyRow, NewStore, NewZone, ServingRow, StaffRow, StoreRow, ZoneRow

JOBS = EnumMapping(StaffJob)
INVITATIONS = EnumMapping(InvitationState)
FULFILMENTS = EnumMapping(FulfilmentType, exceptions={"DINE_IN": "dine-in"})

_METRES_PER_KM = 1000
_DEGREES = Decimal("0.00000001")
_DEFAULT_ZONE_MINUTES = 30
# Fields with the name of their column.
_TEXT_FIELDS: Final[tuple[StoreColumn, ...]] = ("slug", "email", "phone", "time_zone", "gstin")
_PLAIN_FIELDS: Final[tuple[StoreColumn, ...]] = ("is_active", "is_accepting_orders", "estimated_prep_time_minutes")
_MONEY_FIELDS: Final[tuple[StoreColumn, ...]] = ("min_order_value", "delivery_fee", "free_delivery_above")

# --- values ---


def _required_text(field: str, text: str) -> str:
    """The trimmed text. Raises InvalidArgument when it is blank."""
    plain = text.strip()
    if not plain:
        raise InvalidArgument(field, "must not be blank")
    return plain


def position_from_proto(point: GeoPoint) -> Position:
    return Position(point.latitude, point.longitude)


# --- stores ---


def serialize_store(row: StoreRow) -> bytes:
    """The store as a serialized message, for the cache."""
    return store_to_proto(row).SerializeToString()


def store_to_proto(row: StoreRow | NearbyRow) -> Store:
    """The public resource."""
    return Store(
        id=str(row.id),
        name=row.name,
        slug=row.slug,
        description=row.description or "",
        email=row.email,
        phone=row.phone,
        address=_address_to_proto(row),
        time_zone=row.time_zone,
        gstin=row.gstin or "",
        is_active=bool(row.is_active),
        is_accepting_orders=bool(row.is_accepting_orders),
        min_order_value=money_to_proto(row.min_order_value),
        delivery_fee=money_to_proto(row.delivery_fee),
        free_delivery_above=None if row.free_delivery_above is None else money_to_proto(row.free_delivery_above),
        delivery_radius_metres=int((row.delivery_radius_km or 0) * _METRES_PER_KM),
        estimated_prep_time_minutes=row.estimated_prep_time_minutes or 0,
        etag=version_to_etag(row.version),
        created_at=timestamp_to_proto(row.created_at),
        updated_at=timestamp_to_proto(row.updated_at),
    )


def _address_to_proto(row: StoreRow | NearbyRow) -> PostalAddress:
    position = Position.from_decimals(row.latitude, row.longitude)
    return PostalAddress(
        address_line1=row.address_line1,
        address_line2=row.address_line2 or "",
        landmark=row.landmark or "",
        city=row.city,
        state=row.state,
        postal_code=row.postal_code,
        country=row.country or "",
        location=GeoPoint(latitude=position.latitude, longitude=position.longitude) if position else None,
    )


def new_store_from_proto(request: CreateStoreRequest) -> NewStore:
    """A new store: the values of the request over the defaults. `slug` is empty when it is to be derived."""
    defaults: StoreChanges = {
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
    values = column_values({**defaults, **_store_changes(request)})
    values |= {"slug": request.slug, "time_zone": request.time_zone or "Asia/Kolkata"}
    return NewStore(id=new_id(), **values)


def list_stores_from_proto(request: ListStoresRequest) -> ListStores:
    return ListStores(slug=request.slug, city=request.city.strip(), include_inactive=request.include_inactive)


def update_store_from_proto(request: UpdateStoreRequest) -> UpdateStore:
    return UpdateStore(
        store_id=UUID(request.id), changes=_store_changes(request), known_version=version_from_etag(request.etag)
    )


def _store_changes(request: CreateStoreRequest | UpdateStoreRequest) -> StoreChanges:
    """The columns of the fields that the request has."""
    present = {field.name for field, _ in request.ListFields()}
    columns: dict[StoreColumn, Any] = {
        name: getattr(request, name) for name in (*_PLAIN_FIELDS, *_TEXT_FIELDS) if name in present
    }
    if "description" in present:
        columns["description"] = request.description.strip()
    if "name" in present:
        columns["name"] = _required_text("name", request.name)
    if "address" in present:
        columns |= _address_columns(request.address)
    for name in _MONEY_FIELDS:
        if name in present:
            columns[name] = money_from_proto(getattr(request, name))
    if "delivery_radius_metres" in present:
        columns["delivery_radius_km"] = Decimal(request.delivery_radius_metres) / _METRES_PER_KM
    if isinstance(request, UpdateStoreRequest) and request.remove_free_delivery_above:
        columns["free_delivery_above"] = None
    return columns


def _address_columns(address: PostalAddress) -> dict[StoreColumn, Any]:
    known = address.HasField("location")
    return {
        "address_line1": _required_text("address.addressLine1", address.address_line1),
        "address_line2": address.address_line2.strip(),
        "landmark": address.landmark.strip(),
        "city": _required_text("address.city", address.city),
        "state": _required_text("address.state", address.state),
        "postal_code": address.postal_code.strip(),
        "country": address.country.strip() or "India",
        "latitude": Decimal(repr(address.location.latitude)).quantize(_DEGREES) if known else None,
        "longitude": Decimal(repr(address.location.longitude)).quantize(_DEGREES) if known else None,
    }


def store_created_to_proto(row: StoreRow) -> StoreCreated:
    return StoreCreated(**_store_facts(row), occurred_at=timestamp_to_proto(row.created_at))


def store_updated_to_proto(row: StoreRow) -> StoreUpdated:
    return StoreUpdated(**_store_facts(row), occurred_at=timestamp_to_proto(row.updated_at))


def _store_facts(row: StoreRow) -> dict[str, Any]:
    names = ("version", "name", "city", "state", "time_zone", "is_active", "is_accepting_orders")
    return {"store_id": str(row.id), **{name: getattr(row, name) for name in names}}


def quote_fulfilment_from_proto(request: QuoteFulfilmentRequest) -> QuoteFulfilment:
    return QuoteFulfilment(
        store_id=UUID(request.store_id),
        fulfilment=FULFILMENTS.from_proto(request.fulfilment_type),
        postal_code=request.postal_code,
        position=position_from_proto(request.location) if request.HasField("location") else None,
        scheduled=optional_datetime_from_proto(request, "scheduled_delivery_at"),
    )


def list_nearby_stores_from_proto(request: ListNearbyStoresRequest) -> ListNearbyStores:
    return ListNearbyStores(
        position=Position(request.latitude, request.longitude),
        postal_code=request.postal_code,
        within_metres=request.within_metres,
        open_now=request.open_now,
        deliver_by=optional_datetime_from_proto(request, "deliver_by"),
        limit=request.max_results,
    )


def fulfilment_to_proto(row: ServingRow, fulfilment: Fulfilment) -> QuoteFulfilmentResponse:
    """The terms for an order, with the facts about the store that the order copies."""
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


def _intervals_from_proto(messages: Iterable[OpeningInterval]) -> list[Interval]:
    """In order of opening."""
    return sorted(read_interval(message.open_time, message.close_time) for message in messages)


def update_operating_hours_from_proto(request: UpdateOperatingHoursRequest) -> UpdateOperatingHours:
    return UpdateOperatingHours(
        store_id=UUID(request.id),
        week=_week_from_proto(request.days),
        known_version=version_from_etag(request.etag),
    )


def set_exception_from_proto(request: SetHoursExceptionRequest) -> SetHoursException:
    return SetHoursException(
        store_id=UUID(request.id),
        date=parse_date("date", request.date),
        intervals=_intervals_from_proto(request.intervals),
        reason=request.reason.strip(),
    )


def _week_from_proto(messages: Iterable[DayHours]) -> dict[int, list[Interval]]:
    """The intervals by day of the week. Raises InvalidArgument when a day occurs twice."""
    days: dict[int, list[Interval]] = {}
    for at, message in enumerate(messages):
        if message.day_of_week in days:
            raise InvalidArgument(f"days[{at}].dayOfWeek", "must occur once")
        days[message.day_of_week] = _intervals_from_proto(message.intervals)
    return days


def operating_hours_to_proto(hours: model.OperatingHours) -> OperatingHours:
    return OperatingHours(
        store_id=str(hours.store_id),
        time_zone=hours.time_zone,
        days=[
            DayHours(day_of_week=day, intervals=_intervals_to_proto(hours.week.get(day, ())))
            for day in range(DAYS_A_WEEK)
        ],
        exceptions=[
            HoursException(
                date=exception.date.isoformat(),
                intervals=_intervals_to_proto(exception.intervals),
                reason=exception.reason,
            )
            for exception in hours.exceptions
        ],
        is_open=hours.is_open,
        open_until=timestamp_to_proto(hours.open_until),
        next_opening_at=timestamp_to_proto(hours.next_opening),
        etag=version_to_etag(hours.version),
    )


def _intervals_to_proto(intervals: Iterable[Interval]) -> list[OpeningInterval]:
    return [
        OpeningInterval(open_time=f"{interval.opens:%H:%M}", close_time=f"{interval.closes:%H:%M}")
        for interval in sorted(intervals)
    ]


# --- zones ---


def new_zone_from_proto(request: CreateDeliveryZoneRequest) -> NewZone:
    """A new zone: the values of the request over the defaults."""
    defaults: ZoneChanges = {"estimated_time_minutes": _DEFAULT_ZONE_MINUTES, "is_active": True}
    values = column_values({**defaults, **_zone_changes(request)})
    return NewZone(store_id=UUID(request.id), **values)


def update_zone_from_proto(request: UpdateDeliveryZoneRequest) -> UpdateZone:
    return UpdateZone(store_id=UUID(request.id), zone_id=UUID(request.zone_id), changes=_zone_changes(request))


def _zone_changes(request: CreateDeliveryZoneRequest | UpdateDeliveryZoneRequest) -> ZoneChanges:
    """The columns of the fields that the request has."""
    present = {field.name for field, _ in request.ListFields()}
    columns: dict[ZoneColumn, Any] = {}
    if "estimated_time_minutes" in present:
        columns["estimated_time_minutes"] = request.estimated_time_minutes
    if "is_active" in present:
        columns["is_active"] = request.is_active
    if "name" in present:
        columns["name"] = _required_text("name", request.name)
    if "postal_codes" in present:
        columns["postal_codes"] = _postal_codes(request.postal_codes)
    if "delivery_fee" in present:
        columns["delivery_fee"] = money_from_proto(request.delivery_fee)
    return columns


def _postal_codes(codes: Iterable[str]) -> list[str]:
    plain = sorted({normalise_postal_code(code) for code in codes})
    if "" in plain:
        raise InvalidArgument("postalCodes", "must contain letters or digits")
    return plain


def zone_to_proto(row: ZoneRow) -> DeliveryZone:
    return DeliveryZone(
        id=str(row.id),
        store_id=str(row.store_id),
        name=row.name,
        postal_codes=row.postal_codes or (),
        delivery_fee=money_to_proto(row.delivery_fee),
        estimated_time_minutes=row.estimated_time_minutes,
        is_active=bool(row.is_active),
        created_at=timestamp_to_proto(row.created_at),
        updated_at=timestamp_to_proto(row.updated_at),
    )


# --- staff ---


def staff_member_to_proto(row: StaffRow, email: str, phone: str) -> StaffMember:
    """The staff member with the decrypted email and phone."""
    return StaffMember(
        id=str(row.id),
        store_id=str(row.store_id),
        name=row.name,
        email=email,
        phone=phone,
        job=JOBS.to_proto(row.role),
        is_active=bool(row.is_active),
        hire_date=row.hire_date.isoformat() if row.hire_date else "",
        termination_date=row.termination_date.isoformat() if row.termination_date else "",
        account_id=str(row.account_id or ""),
        invitation_state=INVITATIONS.to_proto(row.invitation),
        etag=version_to_etag(row.version),
        created_at=timestamp_to_proto(row.created_at),
        updated_at=timestamp_to_proto(row.updated_at),
    )


def list_staff_from_proto(request: ListStaffRequest) -> ListStaff:
    return ListStaff(
        store_id=UUID(request.id),
        job=JOBS.from_proto(request.job) if request.job else None,
        include_inactive=request.include_inactive,
    )


def add_staff_member_from_proto(request: AddStaffMemberRequest) -> AddStaffMember:
    return AddStaffMember(
        store_id=UUID(request.id),
        name=_required_text("name", request.name),
        email=request.email,
        phone=request.phone,
        job=JOBS.from_proto(request.job),
        hire_date=parse_optional_date("hireDate", request.hire_date),
    )


def update_staff_member_from_proto(request: UpdateStaffMemberRequest) -> UpdateStaffMember:
    return UpdateStaffMember(
        store_id=UUID(request.id),
        staff_id=UUID(request.staff_id),
        changes=_staff_changes(request),
        known_version=version_from_etag(request.etag),
    )


def _staff_changes(request: UpdateStaffMemberRequest) -> dict[StaffColumn, Any]:
    """The columns of the fields that the request has; the phone in plain text."""
    present = {field.name for field, _ in request.ListFields()}
    changes: dict[StaffColumn, Any] = {}
    if "name" in present:
        changes["name"] = _required_text("name", request.name)
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


def staff_granted_to_proto(row: StaffRow) -> StaffGranted:
    return StaffGranted(**_grant(row), occurred_at=timestamp_to_proto(row.updated_at))


def staff_revoked_to_proto(row: StaffRow) -> StaffRevoked:
    return StaffRevoked(**_grant(row), occurred_at=timestamp_to_proto(row.updated_at))


def _grant(row: StaffRow) -> dict[str, Any]:
    return {
        "staff_id": str(row.id),
        "version": row.version,
        "account_id": str(row.account_id),
        "store_id": str(row.store_id),
        "job": JOBS.to_proto(row.role),
    }
