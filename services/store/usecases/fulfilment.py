"""Which store serves whom: quotes for one store, searches around a place. The rule itself is in the model."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from chassis.clock import now
from chassis.database import Row
from chassis.errors import NotFound
from chassis.money import ZERO
from services.store import queries as q
from services.store.app import StoreApp
from services.store.model.fulfilment import Fulfilment, Terms, Way, ZoneTerms, fulfil, way_to
from services.store.model.hours import HORIZON, Schedule
from services.store.model.places import Position, box_around, plain_postal_code
from services.store.usecases.hours import schedules

# Of the stores inside the circle, the nearest so many are looked at for opening and delivery.
CANDIDATES = 200
USUAL_REACH_METRES = 25_000
USUAL_RESULTS = 20
_METRES_A_KM = 1000


@dataclass(frozen=True, slots=True)
class Nearby:
    """A store near a place, as it is at one moment."""

    store: Row
    distance_metres: int
    is_open: bool
    delivers: bool
    estimate: dt.datetime | None


async def quote_fulfilment(
    app: StoreApp,
    store_id: UUID,
    *,
    fulfilment: str,
    postal_code: str,
    place: Position | None,
    scheduled: dt.datetime | None,
) -> tuple[Row, Fulfilment]:
    """The store's row and its answer. Raises NotFound, and what the model's `fulfil` raises."""
    row = await app.serving.one(store_id, plain_postal_code(postal_code))
    if row is None:
        raise NotFound
    schedule = (await schedules(app, [row]))[row.id]
    answer = fulfil(
        _terms(row), schedule, _zone(row), fulfilment=fulfilment, place=place, now=now(), scheduled=scheduled
    )
    return row, answer


async def nearby_stores(
    app: StoreApp,
    place: Position,
    *,
    postal_code: str,
    within_metres: int,
    open_now: bool,
    deliver_by: dt.datetime | None,
    limit: int,
) -> list[Nearby]:
    """Active stores around the place, nearest first, narrowed to those open now and those that deliver in time."""
    reach = within_metres or USUAL_REACH_METRES
    box = box_around(place, reach)
    rows = await app.db.all(
        q.NEARBY,
        latitude=place.latitude,
        longitude=place.longitude,
        south=box.south,
        north=box.north,
        west=box.west,
        east=box.east,
        within=reach,
        postal_code=plain_postal_code(postal_code),
        limit=CANDIDATES,
    )
    known = await schedules(app, rows)
    moment = now()
    found = (_look_at(row, known[row.id], place, moment) for row in rows)
    wanted = [store for store in found if _wanted(store, open_now=open_now, deliver_by=deliver_by)]
    return wanted[: limit or USUAL_RESULTS]


def _look_at(row: Row, schedule: Schedule, place: Position, moment: dt.datetime) -> Nearby:
    terms = _terms(row)
    is_open = terms.is_accepting_orders and schedule.opening_at(moment) is not None
    way = way_to(terms, _zone(row), place) if terms.is_accepting_orders else None
    estimate = _estimate(schedule, terms, way, moment) if way is not None else None
    return Nearby(row, round(row.metres), is_open, way is not None, estimate)


def _estimate(schedule: Schedule, terms: Terms, way: Way, moment: dt.datetime) -> dt.datetime | None:
    begins = moment if schedule.opening_at(moment) else schedule.next_opening(moment)
    if begins is None or begins > moment + HORIZON:
        return None
    return begins + dt.timedelta(minutes=terms.preparation_minutes + way.travel_minutes)


def _wanted(store: Nearby, *, open_now: bool, deliver_by: dt.datetime | None) -> bool:
    in_time = deliver_by is None or (store.estimate is not None and store.estimate <= deliver_by)
    return in_time and (store.is_open or not open_now)


def _terms(row: Row) -> Terms:
    located = row.latitude is not None and row.longitude is not None
    return Terms(
        is_active=bool(row.is_active),
        is_accepting_orders=bool(row.is_accepting_orders),
        position=Position(float(row.latitude), float(row.longitude)) if located else None,
        radius_metres=float(row.delivery_radius_km or 0) * _METRES_A_KM,
        delivery_fee=row.delivery_fee or ZERO,
        free_delivery_above=row.free_delivery_above,
        min_order_value=row.min_order_value or ZERO,
        preparation_minutes=row.estimated_prep_time_minutes or 0,
    )


def _zone(row: Row) -> ZoneTerms | None:
    if row.zone_id is None:
        return None
    return ZoneTerms(row.zone_id, row.zone_fee, row.zone_minutes)
