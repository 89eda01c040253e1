"""Every statement of the store service."""

from __future__ import annotations

from functools import cache
from typing import Any
from typing import cast as cast_type

from sqlalchemy import Integer, Table, any_, bindparam, cast, delete, func, insert, or_, select, tuple_, update

from chassis.database import Statement, sql, statement
from services.store.model.places import EARTH_RADIUS_METRES
from services.store.model.tables import HoursException, OperatingHours, Staff, Store, Zone

_STORE = cast_type(Table, Store.__table__)
_ZONE = cast_type(Table, Zone.__table__)
_STAFF = cast_type(Table, Staff.__table__)
_KNOWN_VERSION = cast(bindparam("known_version"), Integer)

# --- stores ---

STORE = statement(select(_STORE).where(Store.id == bindparam("store_id")))
STORES = statement(select(_STORE).where(Store.id == any_(bindparam("store_ids"))))

_NEW_STORE = (
    "id", "name", "slug", "description", "email", "phone", "address_line1", "address_line2", "landmark", "city",
    "state", "postal_code", "country", "latitude", "longitude", "delivery_radius_km", "time_zone", "gstin", "is_active",
    "is_accepting_orders", "min_order_value", "delivery_fee", "free_delivery_above", "estimated_prep_time_minutes",
)  # fmt: skip
INSERT_STORE = sql(
    f"""
    INSERT INTO stores ({", ".join(_NEW_STORE)}) VALUES ({", ".join(f"%({name})s" for name in _NEW_STORE)})
    ON CONFLICT (slug) DO NOTHING RETURNING *
    """  # noqa: S608 - column names, written above
)


@cache
def stores_page(*, slug: bool, city: bool, inactive: bool, following: bool) -> Statement[Any]:
    """A page of stores by name; the flags say which filters there are and whether it follows another page."""
    query = select(_STORE).order_by(Store.name, Store.id).limit(bindparam("limit"))
    if slug:
        query = query.where(Store.slug == bindparam("slug"))
    if city:
        query = query.where(func.lower(Store.city) == func.lower(bindparam("city")))
    if not inactive:
        query = query.where(Store.is_active.is_(True))
    if following:
        query = query.where(tuple_(Store.name, Store.id) > tuple_(bindparam("after_name"), bindparam("after_id")))
    return statement(query)


@cache
def update_store(columns: tuple[str, ...]) -> Statement[Any]:
    """Sets these columns, and the next version, unless the store has another version than the known one."""
    return statement(
        update(_STORE)
        .where(Store.id == bindparam("store_id"), or_(_KNOWN_VERSION.is_(None), Store.version == _KNOWN_VERSION))
        .values(version=Store.version + 1, updated_at=func.now())
        .returning(_STORE),
        columns=columns,
    )


def _zone_of(postal_code: str) -> str:
    return f"""
    LEFT JOIN LATERAL (
        SELECT id, delivery_fee, estimated_time_minutes FROM delivery_zones
        WHERE store_id = s.id AND is_active AND postal_codes @> ARRAY[{postal_code}]
        ORDER BY delivery_fee, id LIMIT 1
    ) z ON true
    """  # noqa: S608 - a name or a parameter of this module


_ZONE_TERMS = "z.id AS zone_id, z.delivery_fee AS zone_fee, z.estimated_time_minutes AS zone_minutes"

SERVING = sql(
    f"""
    SELECT wanted.place, s.*, {_ZONE_TERMS}
    FROM unnest((SELECT %(places)s::int[]), (SELECT %(store_ids)s::uuid[]), (SELECT %(postal_codes)s::text[]))
        AS wanted(place, store_id, postal_code)
    JOIN stores s ON s.id = wanted.store_id {_zone_of("wanted.postal_code")}
    """  # noqa: S608 - parts written above
)

# Haversine over what the bounding box lets through; the box is what idx_stores_location serves.
NEARBY = sql(
    f"""
    SELECT * FROM (
        SELECT s.*, {_ZONE_TERMS},
            2 * {EARTH_RADIUS_METRES} * asin(least(1, sqrt(
                power(sin(radians(s.latitude::float8 - %(latitude)s) / 2), 2)
                + cos(radians(%(latitude)s)) * cos(radians(s.latitude::float8))
                  * power(sin(radians(s.longitude::float8 - %(longitude)s) / 2), 2)))) AS metres
        FROM stores s {_zone_of("%(postal_code)s::text")}
        WHERE s.is_active AND s.latitude BETWEEN %(south)s::numeric AND %(north)s::numeric
          AND CASE WHEN %(west)s <= %(east)s THEN s.longitude BETWEEN %(west)s::numeric AND %(east)s::numeric
                   ELSE s.longitude >= %(west)s::numeric OR s.longitude <= %(east)s::numeric END
    ) candidate
    WHERE metres <= %(within)s ORDER BY metres, id LIMIT %(limit)s
    """  # noqa: S608 - parts written above
)

# --- hours ---

SCHEDULES = sql(
    """
    SELECT s.id, s.version, s.time_zone, s.is_active AND s.is_accepting_orders AS takes_orders,
        (SELECT coalesce(jsonb_agg(jsonb_build_array(h.day_of_week, h.open_time, h.close_time)), '[]')
           FROM store_operating_hours h WHERE h.store_id = s.id AND h.is_open) AS week,
        (SELECT coalesce(jsonb_agg(jsonb_build_array(e.date, e.open_times, e.close_times, e.reason)
                                   ORDER BY e.date), '[]')
           FROM store_hours_exceptions e WHERE e.store_id = s.id AND e.date >= current_date - 2) AS exceptions
    FROM stores s WHERE s.id = ANY(%(store_ids)s)
    """
)
DELETE_WEEK = statement(delete(OperatingHours).where(OperatingHours.store_id == bindparam("store_id")))
INSERT_INTERVAL = statement(insert(OperatingHours), columns=("store_id", "day_of_week", "open_time", "close_time"))
SET_EXCEPTION = sql(
    """
    INSERT INTO store_hours_exceptions (store_id, date, open_times, close_times, reason)
    VALUES (%(store_id)s, %(date)s, %(open_times)s::time[], %(close_times)s::time[], %(reason)s)
    ON CONFLICT (store_id, date) DO UPDATE SET open_times = excluded.open_times, close_times = excluded.close_times,
        reason = excluded.reason, updated_at = now()
    """
)
COUNT_EXCEPTIONS = sql(
    "SELECT count(*) FROM store_hours_exceptions WHERE store_id = %(store_id)s AND date >= current_date - 1"
)
DELETE_EXCEPTION = statement(
    delete(HoursException).where(
        HoursException.store_id == bindparam("store_id"), HoursException.date == bindparam("date")
    )
)

# --- zones ---


@cache
def zones_page(*, following: bool) -> Statement[Any]:
    """A page of a store's zones by name."""
    query = select(_ZONE).where(Zone.store_id == bindparam("store_id")).order_by(Zone.name, Zone.id)
    if following:
        query = query.where(tuple_(Zone.name, Zone.id) > tuple_(bindparam("after_name"), bindparam("after_id")))
    return statement(query.limit(bindparam("limit")))


COUNT_ZONES = statement(select(func.count()).select_from(Zone).where(Zone.store_id == bindparam("store_id")))
ZONE = statement(select(_ZONE).where(Zone.store_id == bindparam("store_id"), Zone.id == bindparam("zone_id")))
INSERT_ZONE = statement(
    insert(_ZONE).returning(_ZONE),
    columns=("store_id", "name", "postal_codes", "delivery_fee", "estimated_time_minutes", "is_active"),
)
# Codes that another active zone of the store has; the store's row is locked while this is asked.
TAKEN_CODES = sql(
    """
    SELECT DISTINCT code FROM delivery_zones, unnest(postal_codes) code
    WHERE store_id = %(store_id)s AND is_active AND id IS DISTINCT FROM %(zone_id)s::uuid
      AND code = ANY(%(postal_codes)s::text[])
    LIMIT 20
    """
)


@cache
def update_zone(columns: tuple[str, ...]) -> Statement[Any]:
    """Sets these columns of a zone of a store."""
    return statement(
        update(_ZONE)
        .where(Zone.store_id == bindparam("of_store"), Zone.id == bindparam("zone_id"))
        .values(updated_at=func.now())
        .returning(_ZONE),
        columns=columns,
    )


DELETE_ZONE = statement(delete(Zone).where(Zone.store_id == bindparam("store_id"), Zone.id == bindparam("zone_id")))

# --- staff ---


@cache
def staff_page(*, job: bool, inactive: bool, following: bool) -> Statement[Any]:
    """A page of a store's staff by name."""
    query = select(_STAFF).where(Staff.store_id == bindparam("store_id")).order_by(Staff.name, Staff.id)
    if job:
        query = query.where(Staff.role == bindparam("role"))
    if not inactive:
        query = query.where(Staff.is_active.is_(True))
    if following:
        query = query.where(tuple_(Staff.name, Staff.id) > tuple_(bindparam("after_name"), bindparam("after_id")))
    return statement(query.limit(bindparam("limit")))


_MEMBER = select(_STAFF).where(Staff.store_id == bindparam("store_id"), Staff.id == bindparam("staff_id"))
MEMBER = statement(_MEMBER)
LOCK_MEMBER = statement(_MEMBER.with_for_update())
# A person has one record: that of somebody whose employment has ended, or who was refused, is taken over.
HIRE = sql(
    """
    WITH again AS (
        UPDATE staff SET store_id = %(store_id)s, name = %(name)s, email = %(email)s, phone = %(phone)s,
            role = %(role)s, hire_date = %(hire_date)s, termination_date = NULL, is_active = true, account_id = NULL,
            invitation = 'pending', version = version + 1, updated_at = now()
        WHERE (email_index = %(email_index)s OR email_index_next = %(email_index_next)s)
          AND (invitation = 'refused' OR (NOT is_active AND termination_date IS NOT NULL))
        RETURNING *
    ), anew AS (
        INSERT INTO staff (store_id, name, email, email_index, email_index_next, phone, role, hire_date)
        SELECT %(store_id)s, %(name)s, %(email)s, %(email_index)s, %(email_index_next)s, %(phone)s::bytea, %(role)s,
               %(hire_date)s::date
        WHERE NOT EXISTS (SELECT FROM again)
        ON CONFLICT DO NOTHING RETURNING *
    )
    SELECT * FROM again UNION ALL SELECT * FROM anew
    """
)


@cache
def update_member(columns: tuple[str, ...]) -> Statement[Any]:
    """Sets these columns of a member whose row is locked."""
    return statement(
        update(_STAFF)
        .where(Staff.id == bindparam("staff_id"))
        .values(version=Staff.version + 1, updated_at=func.now())
        .returning(_STAFF),
        columns=columns,
    )


PENDING_MEMBER = statement(
    select(_STAFF).where(Staff.id == bindparam("staff_id"), Staff.invitation == "pending", Staff.is_active.is_(True))
)
# Those whose own request should be through with it by now, oldest first.
PENDING_MEMBERS = sql(
    """
    SELECT id FROM staff WHERE invitation = 'pending' AND is_active AND updated_at < now() - %(grace)s::interval
    ORDER BY updated_at LIMIT %(limit)s
    """
)
INVITATION_SENT = sql(
    """
    UPDATE staff SET invitation = 'sent', account_id = %(account_id)s, version = version + 1, updated_at = now()
    WHERE id = %(staff_id)s AND invitation = 'pending' AND email_index = %(email_index)s RETURNING *
    """
)
INVITATION_REFUSED = sql(
    """
    UPDATE staff SET invitation = 'refused', is_active = false, version = version + 1, updated_at = now()
    WHERE id = %(staff_id)s AND invitation = 'pending' AND email_index = %(email_index)s RETURNING *
    """
)
# One day more than UTC's, so that every zone's yesterday is in; the zone decides afterwards.
LEAVING = sql(
    """
    SELECT m.id, m.store_id, m.termination_date, s.time_zone FROM staff m JOIN stores s ON s.id = m.store_id
    WHERE m.is_active AND m.termination_date <= current_date + 1 ORDER BY m.termination_date, m.id LIMIT %(limit)s
    """
)
MEMBERS_OF_ACCOUNT = statement(
    select(_STAFF).where(Staff.account_id == bindparam("account")).order_by(Staff.id).with_for_update()
)
