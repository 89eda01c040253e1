"""Row types: what the statements return, and what they insert."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID


class StoreRow(NamedTuple):
    """A row of `stores`."""

    id: UUID
    name: str
    slug: str
    description: str | None
    email: str
    phone: str
    address_line1: str
    address_line2: str | None
    landmark: str | None
    city: str
    state: str
    postal_code: str
    country: str | None
    latitude: Decimal | None
    longitude: Decimal | None
    delivery_radius_km: Decimal | None
    time_zone: str
    gstin: str | None
    is_active: bool | None
    is_accepting_orders: bool | None
    min_order_value: Decimal | None
    delivery_fee: Decimal | None
    free_delivery_above: Decimal | None
    estimated_prep_time_minutes: int | None
    version: int
    created_at: dt.datetime | None
    updated_at: dt.datetime | None


class ServingRow(NamedTuple):
    """A store, and its active zone for a postal code, as quotes need them."""

    place: int
    id: UUID
    version: int
    name: str
    state: str
    time_zone: str
    gstin: str | None
    latitude: Decimal | None
    longitude: Decimal | None
    delivery_radius_km: Decimal | None
    is_active: bool | None
    is_accepting_orders: bool | None
    min_order_value: Decimal | None
    delivery_fee: Decimal | None
    free_delivery_above: Decimal | None
    estimated_prep_time_minutes: int | None
    zone_id: UUID | None
    zone_fee: Decimal | None
    zone_minutes: int | None


class NearbyRow(NamedTuple):
    """A store near a position: its row, its active zone for a postal code, and its distance in metres."""

    id: UUID
    name: str
    slug: str
    description: str | None
    email: str
    phone: str
    address_line1: str
    address_line2: str | None
    landmark: str | None
    city: str
    state: str
    postal_code: str
    country: str | None
    latitude: Decimal | None
    longitude: Decimal | None
    delivery_radius_km: Decimal | None
    time_zone: str
    gstin: str | None
    is_active: bool | None
    is_accepting_orders: bool | None
    min_order_value: Decimal | None
    delivery_fee: Decimal | None
    free_delivery_above: Decimal | None
    estimated_prep_time_minutes: int | None
    version: int
    created_at: dt.datetime | None
    updated_at: dt.datetime | None
    zone_id: UUID | None
    zone_fee: Decimal | None
    zone_minutes: int | None
    metres: float


class ScheduleRow(NamedTuple):
    """The hours of a store: JSON arrays of (day, opens, closes) and of (date, opens, closes, reason)."""

    id: UUID
    version: int
    time_zone: str
    takes_orders: bool | None
    week: list[Any]
    exceptions: list[Any]


class ZoneRow(NamedTuple):
    """A row of `delivery_zones`."""

    id: UUID
    store_id: UUID
    name: str
    postal_codes: list[str] | None
    delivery_fee: Decimal
    estimated_time_minutes: int
    is_active: bool | None
    created_at: dt.datetime | None
    updated_at: dt.datetime | None


class StaffRow(NamedTuple):
    """A row of `staff`; email and phone are encrypted."""

    id: UUID
    store_id: UUID
    name: str
    email: bytes
    email_index: bytes
    phone: bytes | None
    role: str
    is_active: bool | None
    hire_date: dt.date | None
    termination_date: dt.date | None
    account_id: UUID | None
    invitation: str
    version: int
    created_at: dt.datetime | None
    updated_at: dt.datetime | None


class LeavingRow(NamedTuple):
    """An active staff member whose last day may be over in the store's time zone."""

    id: UUID
    store_id: UUID
    termination_date: dt.date
    time_zone: str


@dataclass(frozen=True, slots=True)
class NewStore:
    """A row to insert into `stores`."""

    id: UUID
    name: str
    slug: str
    description: str
    email: str
    phone: str
    address_line1: str
    address_line2: str
    landmark: str
    city: str
    state: str
    postal_code: str
    country: str
    latitude: Decimal | None
    longitude: Decimal | None
    delivery_radius_km: Decimal
    time_zone: str
    gstin: str
    is_active: bool
    is_accepting_orders: bool
    min_order_value: Decimal
    delivery_fee: Decimal
    free_delivery_above: Decimal | None
    estimated_prep_time_minutes: int


@dataclass(frozen=True, slots=True)
class NewInterval:
    """A row to insert into `store_operating_hours`."""

    store_id: UUID
    day_of_week: int
    open_time: dt.time
    close_time: dt.time


@dataclass(frozen=True, slots=True)
class NewZone:
    """A row to insert into `delivery_zones`."""

    store_id: UUID
    name: str
    postal_codes: list[str]
    delivery_fee: Decimal
    estimated_time_minutes: int
    is_active: bool


@dataclass(frozen=True, slots=True)
class NewStaffMember:
    """A row to insert into `staff`; email and phone are encrypted."""

    store_id: UUID
    name: str
    email: bytes
    email_index: bytes
    email_index_next: bytes
    phone: bytes | None
    role: str
    hire_date: dt.date | None
