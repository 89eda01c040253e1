"""Inputs of the use cases, as the servicer reads them from requests."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from uuid import UUID

from services.store.model.hours import Interval
from services.store.model.locations import Position

# Columns that a request may change.
StoreColumn: TypeAlias = Literal[
    "name",
    "slug",
    "description",
    "email",
    "phone",
    "address_line1",
    "address_line2",
    "landmark",
    "city",
    "state",
    "postal_code",
    "country",
    "latitude",
    "longitude",
    "delivery_radius_km",
    "time_zone",
    "gstin",
    "is_active",
    "is_accepting_orders",
    "min_order_value",
    "delivery_fee",
    "free_delivery_above",
    "estimated_prep_time_minutes",
]
ZoneColumn: TypeAlias = Literal["name", "postal_codes", "delivery_fee", "estimated_time_minutes", "is_active"]
StaffColumn: TypeAlias = Literal[
    "name",
    "email",
    "email_index",
    "email_index_next",
    "phone",
    "role",
    "is_active",
    "hire_date",
    "termination_date",
]
StoreChanges: TypeAlias = Mapping[StoreColumn, Any]
ZoneChanges: TypeAlias = Mapping[ZoneColumn, Any]


@dataclass(frozen=True, slots=True)
class ListStores:
    """Filters of the list of stores; empty text does not filter."""

    slug: str
    city: str
    include_inactive: bool


@dataclass(frozen=True, slots=True)
class UpdateStore:
    """New values of a store; `known_version` is the version of the etag, None without one."""

    store_id: UUID
    changes: StoreChanges
    known_version: int | None


@dataclass(frozen=True, slots=True)
class QuoteFulfilment:
    """An order that a store may serve. `scheduled` None means as soon as possible."""

    store_id: UUID
    fulfilment: str
    postal_code: str
    position: Position | None
    scheduled: dt.datetime | None


@dataclass(frozen=True, slots=True)
class ListNearbyStores:
    """A search around a position; 0 for `within_metres` and `limit` means the default."""

    position: Position
    postal_code: str
    within_metres: int
    open_now: bool
    deliver_by: dt.datetime | None
    limit: int


@dataclass(frozen=True, slots=True)
class UpdateOperatingHours:
    """The whole week of a store; days without intervals are closed."""

    store_id: UUID
    week: Mapping[int, Sequence[Interval]]
    known_version: int | None


@dataclass(frozen=True, slots=True)
class SetHoursException:
    """The hours of one date; no intervals means closed."""

    store_id: UUID
    date: dt.date
    intervals: Sequence[Interval]
    reason: str


@dataclass(frozen=True, slots=True)
class UpdateZone:
    """New values of a delivery zone."""

    store_id: UUID
    zone_id: UUID
    changes: ZoneChanges


@dataclass(frozen=True, slots=True)
class ListStaff:
    """Filters of the list of staff members; `job` None does not filter."""

    store_id: UUID
    job: str | None
    include_inactive: bool


@dataclass(frozen=True, slots=True)
class AddStaffMember:
    """A person to add to a store's staff and to invite."""

    store_id: UUID
    name: str
    email: str
    phone: str
    job: str
    hire_date: dt.date | None


@dataclass(frozen=True, slots=True)
class UpdateStaffMember:
    """New values of a staff member; the phone in plain text."""

    store_id: UUID
    staff_id: UUID
    changes: Mapping[StaffColumn, Any]
    known_version: int | None
