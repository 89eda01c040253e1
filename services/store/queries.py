"""Every statement of the store service."""

from __future__ import annotations

from functools import cache
from uuid import UUID

from sqlalchemy import Integer, any_, bindparam, cast, delete, func, insert, or_, select, tuple_, update

from chassis.database import Statement, sql, statement
from chassis.database.rows import column_names, field_names, placeholders, table_columns
from chassis.database.tables import table_of
from services.store.commands import StaffColumn, StoreColumn, ZoneColumn
from services.store.model.locations import EARTH_RADIUS_METRES
from services.store.model.tables import HoursException, OperatingHours, Staff, Store, Zone
from services.store.rows import (
    LeavingRow,
    NearbyRow,
    NewInterval,
    NewStaffMember,
    NewStore,
    NewZone,
    ScheduleRow,
    ServingRow,
    StaffRow,
    StoreRow,
    ZoneRow,
)

_STORE = table_of(Store)
_ZONE = table_of(Zone)
_STAFF = table_of(Staff)
_STORE_COLUMNS = table_columns(StoreRow, _STORE)
_ZONE_COLUMNS = table_columns(ZoneRow, _ZONE)
_STAFF_COLUMNS = table_columns(StaffRow, _STAFF)
_KNOWN_VERSION = cast(bindparam("known_version"), Integer)


# --- stores ---

GET_STORE = statement(select(*_STORE_COLUMNS).where(Store.id == bindparam("store_id")), row=StoreRow)
GET_STORES = statement(select(*_STORE_COLUMNS).where(Store.id == any_(bindparam("store_ids"))), row=StoreRow)
INSERT_STORE = sql(
    f"""
    INSERT INTO stores ({column_names(NewStore)}) VALUES ({placeholders(NewStore)})
    ON CONFLICT (slug) DO NOTHING RETURNING {column_names(StoreRow)}
    """,  # noqa: S608 - column names of the row types
    row=StoreRow,
)


@cache
def list_stores(*, has_slug: bool, has_city: bool, include_inactive: bool, has_cursor: bool) -> Statement[StoreRow]:
    """A page of stores by name."""
    query = select(*_STORE_COLUMNS).order_by(Store.name, Store.id).limit(bindparam("limit"))
    if has_slug:
        query = query.where(Store.slug == bindparam("slug"))
    if has_city:
        query = query.where(func.lower(Store.city) == func.lower(bindparam("city")))
    if not include_inactive:
        query = query.where(Store.is_active.is_(True))
    if has_cursor:
        query = query.where(tuple_(Store.name, Store.id) > tuple_(bindparam("after_name"), bindparam("after_id")))
    return statement(query, row=StoreRow)


@cache
def update_store(columns: frozenset[StoreColumn]) -> Statement[StoreRow]:
    """Sets these columns and the next version, unless the store's version differs from the known one."""
    return statement(
        update(_STORE)
        .where(Store.id == bindparam("store_id"), or_(_KNOWN_VERSION.is_(None), Store.version == _KNOWN_VERSION))
        .values(version=Store.version + 1, updated_at=func.now())
        .returning(*_STORE_COLUMNS),
        columns=sorted(columns),
        row=StoreRow,
    )


def _join_zone(postal_code: str) -> str:
    return f"""
    LEFT JOIN LATERAL (
        SELECT id AS zone_id, delivery_fee AS zone_fee, estimated_time_minutes AS zone_minutes FROM delivery_zones
        WHERE store_id = stores.id AND is_active AND postal_codes @> ARRAY[{postal_code}]
        ORDER BY delivery_fee, id LIMIT 1
    ) zones ON true
    """  # noqa: S608 - a name or a parameter of this module


_SERVING_COLUMNS = ", ".join(
    name if name.startswith("zone_") else f"stores.{name}" for name in field_names(ServingRow) if name != "place"
)
GET_SERVING = sql(
    f"""
    SELECT wanted.place, {_SERVING_COLUMNS}
    FROM unnest((SELECT %(places)s::int[]), (SELECT %(store_ids)s::uuid[]), (SELECT %(postal_codes)s::text[]))
        AS wanted(place, store_id, postal_code)
    JOIN stores ON stores.id = wanted.store_id {_join_zone("wanted.postal_code")}
    """,  # noqa: S608 - parts written above
    row=ServingRow,
)

# Haversine distance of the stores in the bounding box, which idx_stores_location serves.
LIST_NEARBY = sql(
    f"""
    SELECT {column_names(NearbyRow)} FROM (
        SELECT {column_names(StoreRow, "stores")}, zone_id, zone_fee, zone_minutes,
            2 * {EARTH_RADIUS_METRES} * asin(least(1, sqrt(
                power(sin(radians(stores.latitude::float8 - %(latitude)s) / 2), 2)
                + cos(radians(%(latitude)s)) * cos(radians(stores.latitude::float8))
                  * power(sin(radians(stores.longitude::float8 - %(longitude)s) / 2), 2)))) AS metres
        FROM stores {_join_zone("%(postal_code)s::text")}
        WHERE stores.is_active AND stores.latitude BETWEEN %(south)s::numeric AND %(north)s::numeric
          AND CASE WHEN %(west)s <= %(east)s
                   THEN stores.longitude BETWEEN %(west)s::numeric AND %(east)s::numeric
                   ELSE stores.longitude >= %(west)s::numeric OR stores.longitude <= %(east)s::numeric END
    ) candidates
    WHERE metres <= %(within)s ORDER BY metres, id LIMIT %(limit)s
    """,  # noqa: S608 - parts written above
    row=NearbyRow,
)

# --- hours ---

LIST_SCHEDULES = sql(
    """
    SELECT s.id, s.version, s.time_zone, s.is_active AND s.is_accepting_orders AS takes_orders,
        (SELECT coalesce(jsonb_agg(jsonb_build_array(h.day_of_week, h.open_time, h.close_time)), '[]')
           FROM store_operating_hours h WHERE h.store_id = s.id AND h.is_open) AS week,
        (SELECT coalesce(jsonb_agg(jsonb_build_array(e.date, e.open_times, e.close_times, e.reason)
                                   ORDER BY e.date), '[]')
           FROM store_hours_exceptions e WHERE e.store_id = s.id AND e.date >= current_date - 2) AS exceptions
    FROM stores s WHERE s.id = ANY(%(store_ids)s::uuid[])
    """,
    row=ScheduleRow,
)
DELETE_WEEK = statement(delete(OperatingHours).where(OperatingHours.store_id == bindparam("store_id")))
INSERT_INTERVAL = sql(
    f"INSERT INTO store_operating_hours ({column_names(NewInterval)}) VALUES ({placeholders(NewInterval)})"  # noqa: S608
)
SET_EXCEPTION = sql(
    """
    INSERT INTO store_hours_exceptions (store_id, date, open_times, close_times, reason)
    VALUES (%(store_id)s, %(date)s, %(open_times)s::time[], %(close_times)s::time[], %(reason)s)
    ON CONFLICT (store_id, date) DO UPDATE SET open_times = excluded.open_times, close_times = excluded.close_times,
        reason = excluded.reason, updated_at = now()
    """
)
COUNT_EXCEPTIONS = sql(
    "SELECT count(*) FROM store_hours_exceptions WHERE store_id = %(store_id)s AND date >= current_date - 1", value=int
)
DELETE_EXCEPTION = statement(
    delete(HoursException).where(
        HoursException.store_id == bindparam("store_id"), HoursException.date == bindparam("date")
    )
)

# --- zones ---


@cache
def list_zones(*, has_cursor: bool) -> Statement[ZoneRow]:
    """A page of a store's zones by name."""
    query = select(*_ZONE_COLUMNS).where(Zone.store_id == bindparam("store_id")).order_by(Zone.name, Zone.id)
    if has_cursor:
        query = query.where(tuple_(Zone.name, Zone.id) > tuple_(bindparam("after_name"), bindparam("after_id")))
    return statement(query.limit(bindparam("limit")), row=ZoneRow)


COUNT_ZONES = statement(select(func.count()).select_from(Zone).where(Zone.store_id == bindparam("store_id")), value=int)
INSERT_ZONE = statement(insert(_ZONE).returning(*_ZONE_COLUMNS), columns=field_names(NewZone), row=ZoneRow)
# Postal codes of other active zones of the store; the store's row is locked.
LIST_TAKEN_CODES = sql(
    """
    SELECT DISTINCT code FROM delivery_zones, unnest(postal_codes) code
    WHERE store_id = %(store_id)s AND is_active AND id IS DISTINCT FROM %(zone_id)s::uuid
      AND code = ANY(%(postal_codes)s::text[])
    LIMIT 20
    """,
    value=str,
)


@cache
def update_zone(columns: frozenset[ZoneColumn]) -> Statement[ZoneRow]:
    """Sets these columns of a zone of a store."""
    return statement(
        update(_ZONE)
        .where(Zone.store_id == bindparam("of_store"), Zone.id == bindparam("zone_id"))
        .values(updated_at=func.now())
        .returning(*_ZONE_COLUMNS),
        columns=sorted(columns),
        row=ZoneRow,
    )


DELETE_ZONE = statement(delete(Zone).where(Zone.store_id == bindparam("store_id"), Zone.id == bindparam("zone_id")))

# --- staff ---


@cache
def list_staff(*, has_job: bool, include_inactive: bool, has_cursor: bool) -> Statement[StaffRow]:
    """A page of a store's staff by name."""
    query = select(*_STAFF_COLUMNS).where(Staff.store_id == bindparam("store_id")).order_by(Staff.name, Staff.id)
    if has_job:
        query = query.where(Staff.role == bindparam("role"))
    if not include_inactive:
        query = query.where(Staff.is_active.is_(True))
    if has_cursor:
        query = query.where(tuple_(Staff.name, Staff.id) > tuple_(bindparam("after_name"), bindparam("after_id")))
    return statement(query.limit(bindparam("limit")), row=StaffRow)


_MEMBER = select(*_STAFF_COLUMNS).where(Staff.store_id == bindparam("store_id"), Staff.id == bindparam("staff_id"))
GET_MEMBER = statement(_MEMBER, row=StaffRow)
LOCK_MEMBER = statement(_MEMBER.with_for_update(), row=StaffRow)
# A person has one record: a record whose employment has ended, or whose invitation was rejected, is used again.
INSERT_MEMBER = sql(
    f"""
    WITH rehired AS (
        UPDATE staff SET store_id = %(store_id)s, name = %(name)s, email = %(email)s, phone = %(phone)s,
            role = %(role)s, hire_date = %(hire_date)s, termination_date = NULL, is_active = true, account_id = NULL,
            invitation = 'pending', version = version + 1, updated_at = now()
        WHERE (email_index = %(email_index)s OR email_index_next = %(email_index_next)s)
          AND (invitation = 'refused' OR (NOT is_active AND termination_date IS NOT NULL))
        RETURNING {column_names(StaffRow)}
    ), hired AS (
        INSERT INTO staff ({column_names(NewStaffMember)})
        SELECT %(store_id)s, %(name)s, %(email)s, %(email_index)s, %(email_index_next)s, %(phone)s::bytea, %(role)s,
               %(hire_date)s::date
        WHERE NOT EXISTS (SELECT FROM rehired)
        ON CONFLICT DO NOTHING RETURNING {column_names(StaffRow)}
    )
    SELECT {column_names(StaffRow)} FROM rehired UNION ALL SELECT {column_names(StaffRow)} FROM hired
    """,  # noqa: S608 - column names of the row types
    row=StaffRow,
)


@cache
def update_member(columns: frozenset[StaffColumn]) -> Statement[StaffRow]:
    """Sets these columns of a staff member whose row is locked."""
    return statement(
        update(_STAFF)
        .where(Staff.id == bindparam("staff_id"))
        .values(version=Staff.version + 1, updated_at=func.now())
        .returning(*_STAFF_COLUMNS),
        columns=sorted(columns),
        row=StaffRow,
    )


GET_PENDING_MEMBER = statement(
    select(*_STAFF_COLUMNS).where(
        Staff.id == bindparam("staff_id"), Staff.invitation == "pending", Staff.is_active.is_(True)
    ),
    row=StaffRow,
)
# Pending invitations older than any request that would still complete them, oldest first.
LIST_PENDING_MEMBERS = sql(
    """
    SELECT id FROM staff WHERE invitation = 'pending' AND is_active AND updated_at < now() - %(grace)s::interval
    ORDER BY updated_at LIMIT %(limit)s
    """,
    value=UUID,
)
MARK_INVITATION_SENT = sql(
    f"""
    UPDATE staff SET invitation = 'sent', account_id = %(account_id)s, version = version + 1, updated_at = now()
    WHERE id = %(staff_id)s AND invitation = 'pending' AND email_index = %(email_index)s
    RETURNING {column_names(StaffRow)}
    """,  # noqa: S608 - column names of the row type
    row=StaffRow,
)
MARK_INVITATION_REJECTED = sql(
    """
    UPDATE staff SET invitation = 'refused', is_active = false, version = version + 1, updated_at = now()
    WHERE id = %(staff_id)s AND invitation = 'pending' AND email_index = %(email_index)s
    """
)
# One day beyond the date in UTC, so that yesterday of every time zone is included; the caller checks the zone.
LIST_LEAVING = sql(
    """
    SELECT m.id, m.store_id, m.termination_date, s.time_zone FROM staff m JOIN stores s ON s.id = m.store_id
    WHERE m.is_active AND m.termination_date <= current_date + 1 ORDER BY m.termination_date, m.id LIMIT %(limit)s
    """,
    row=LeavingRow,
)
LOCK_MEMBERS_OF_ACCOUNT = statement(
    select(*_STAFF_COLUMNS).where(Staff.account_id == bindparam("account")).order_by(Staff.id).with_for_update(),
    row=StaffRow,
)
