"""Which store serves an address: quotes of one store, searches around a position. The rules are in the model."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from chassis import Caller
from chassis.clock import now
from chassis.errors import NotFound
from chassis.money import ZERO
from services.store import queries
from services.store.app import StoreApp
from services.store.commands import ListNearbyStores, QuoteFulfilment
from services.store.model.fulfilment import (
    DeliveryRoute,
    Fulfilment,
    Terms,
    ZoneTerms,
    calculate_fulfilment,
    find_route,
)
from services.store.model.hours import HORIZON, Schedule
from services.store.model.locations import Position, bounding_box, normalise_postal_code
from services.store.rows import NearbyRow, ServingRow
from services.store.usecases.hours import get_schedules

# At most so many stores, the nearest in the circle, are checked for opening and delivery.
MAX_CANDIDATES = 200
DEFAULT_RADIUS_METRES = 25_000
DEFAULT_RESULTS = 20
_METRES_PER_KM = 1000


@dataclass(frozen=True, slots=True)
class NearbyStore:
    """A store near a position, and whether it is open and delivers there at one point in time."""

    store: NearbyRow
    distance_metres: int
    is_open: bool
    delivers: bool
    estimated_delivery: dt.datetime | None


async def quote_fulfilment(app: StoreApp, caller: Caller, command: QuoteFulfilment) -> tuple[ServingRow, Fulfilment]:
    """The store and its terms for the order. Raises NotFound, and the errors of `calculate_fulfilment`."""
    row = await app.serving.one(command.store_id, normalise_postal_code(command.postal_code))
    if row is None:
        raise NotFound
    schedule = (await get_schedules(app, [row]))[row.id]
    fulfilment = calculate_fulfilment(
        _terms(row),
        schedule,
        _zone_terms(row),
        fulfilment=command.fulfilment,
        position=command.position,
        now=now(),
        scheduled=command.scheduled,
    )
    return row, fulfilment


async def list_nearby_stores(app: StoreApp, caller: Caller, command: ListNearbyStores) -> list[NearbyStore]:
    """Active stores around the position, nearest first; optionally only open ones, or those that deliver in time."""
    radius = command.within_metres or DEFAULT_RADIUS_METRES
    box = bounding_box(command.position, radius)
    rows = await app.db.all(
        queries.LIST_NEARBY,
        latitude=command.position.latitude,
        longitude=command.position.longitude,
        south=box.south,
        north=box.north,
        west=box.west,
        east=box.east,
        within=radius,
        postal_code=normalise_postal_code(command.postal_code),
        limit=MAX_CANDIDATES,
    )
    schedules = await get_schedules(app, rows)
    at = now()
    candidates = (_check_store(row, schedules[row.id], command.position, at) for row in rows)
    found = [store for store in candidates if _matches(store, command)]
    return found[: command.limit or DEFAULT_RESULTS]


def _check_store(row: NearbyRow, schedule: Schedule, position: Position, at: dt.datetime) -> NearbyStore:
    terms = _terms(row)
    is_open = terms.is_accepting_orders and schedule.find_opening(at) is not None
    route = find_route(terms, _zone_terms(row), position) if terms.is_accepting_orders else None
    estimate = _estimate_delivery(schedule, terms, route, at) if route is not None else None
    return NearbyStore(row, round(row.metres), is_open, route is not None, estimate)


def _estimate_delivery(schedule: Schedule, terms: Terms, route: DeliveryRoute, at: dt.datetime) -> dt.datetime | None:
    start = at if schedule.find_opening(at) else schedule.find_next_opening(at)
    if start is None or start > at + HORIZON:
        return None
    return start + dt.timedelta(minutes=terms.preparation_minutes + route.travel_minutes)


def _matches(store: NearbyStore, command: ListNearbyStores) -> bool:
    estimate, deliver_by = store.estimated_delivery, command.deliver_by
    in_time = deliver_by is None or (estimate is not None and estimate <= deliver_by)
    return in_time and (store.is_open or not command.open_now)


def _terms(row: ServingRow | NearbyRow) -> Terms:
    return Terms(
        is_active=bool(row.is_active),
        is_accepting_orders=bool(row.is_accepting_orders),
        position=Position.from_decimals(row.latitude, row.longitude),
        radius_metres=float(row.delivery_radius_km or 0) * _METRES_PER_KM,
        delivery_fee=row.delivery_fee or ZERO,
        free_delivery_above=row.free_delivery_above,
        min_order_value=row.min_order_value or ZERO,
        preparation_minutes=row.estimated_prep_time_minutes or 0,
    )


def _zone_terms(row: ServingRow | NearbyRow) -> ZoneTerms | None:
    if row.zone_id is None or row.zone_fee is None or row.zone_minutes is None:
        return None
    return ZoneTerms(row.zone_id, row.zone_fee, row.zone_minutes)
