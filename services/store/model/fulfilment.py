"""Whether, when and for which fee a store serves an order: one function for quotes, orders and searches."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from chassis.errors import InvalidArgument
from chassis.money import ZERO
from services.store.model.hours import HORIZON, Schedule
from services.store.model.places import Position
from services.store.model.refusals import OutOfDeliveryArea, StoreClosed, StoreNotAcceptingOrders

# The design document's words of delivery_type.
DELIVERY: Final = "delivery"
PICKUP: Final = "pickup"
DINE_IN: Final = "dine-in"

# Minutes of the way where the radius decides and no zone says it; the default of a zone's time.
RADIUS_TRAVEL_MINUTES: Final = 30


@dataclass(frozen=True, slots=True)
class Terms:
    """What the store itself says about serving, as it stands in the database."""

    is_active: bool
    is_accepting_orders: bool
    position: Position | None
    radius_metres: float
    delivery_fee: Decimal
    free_delivery_above: Decimal | None
    min_order_value: Decimal
    preparation_minutes: int


@dataclass(frozen=True, slots=True)
class ZoneTerms:
    """The active zone that lists the postal code of the place."""

    zone_id: UUID
    delivery_fee: Decimal
    travel_minutes: int


@dataclass(frozen=True, slots=True)
class Way:
    """How a delivery gets there."""

    delivery_fee: Decimal
    travel_minutes: int
    zone_id: UUID | None


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """The store's answer. Fees are before `free_delivery_above` is looked at."""

    delivery_fee: Decimal
    free_delivery_above: Decimal | None
    min_order_value: Decimal
    zone_id: UUID | None
    travel_minutes: int
    preparation_minutes: int
    ready_from: dt.datetime


def way_to(terms: Terms, zone: ZoneTerms | None, place: Position | None) -> Way | None:
    """The zone decides; where none lists the postal code, the radius does; outside both there is no way."""
    if zone is not None:
        return Way(zone.delivery_fee, zone.travel_minutes, zone.zone_id)
    if terms.position is None or place is None or terms.radius_metres <= 0:
        return None
    if terms.position.metres_to(place) > terms.radius_metres:
        return None
    return Way(terms.delivery_fee, RADIUS_TRAVEL_MINUTES, None)


def kitchen_begins(schedule: Schedule, now: dt.datetime, scheduled: dt.datetime | None) -> dt.datetime:
    """When the kitchen can begin: now, or the opening before `scheduled` where that is later.

    Raises StoreClosed when the store is closed now, or at `scheduled`; InvalidArgument for a time that is past or
    beyond the horizon.
    """
    if scheduled is not None and not now < scheduled <= now + HORIZON:
        raise InvalidArgument("scheduledDeliveryAt", f"must be in the future and at most {HORIZON.days} days off")
    opening = schedule.opening_at(scheduled or now)
    if opening is None:
        raise StoreClosed(schedule.next_opening(scheduled or now))
    return max(now, opening.opens)


def fulfil(
    terms: Terms,
    schedule: Schedule,
    zone: ZoneTerms | None,
    *,
    fulfilment: str,
    place: Position | None,
    now: dt.datetime,
    scheduled: dt.datetime | None = None,
) -> Fulfilment:
    """Serves, or raises StoreNotAcceptingOrders, StoreClosed or OutOfDeliveryArea, in this order."""
    if not (terms.is_active and terms.is_accepting_orders):
        raise StoreNotAcceptingOrders(is_active=terms.is_active)
    ready_from = kitchen_begins(schedule, now, scheduled)
    if fulfilment != DELIVERY:
        return Fulfilment(ZERO, None, ZERO, None, 0, terms.preparation_minutes, ready_from)
    way = way_to(terms, zone, place)
    if way is None:
        raise OutOfDeliveryArea
    return Fulfilment(
        delivery_fee=way.delivery_fee,
        free_delivery_above=terms.free_delivery_above,
        min_order_value=terms.min_order_value,
        zone_id=way.zone_id,
        travel_minutes=way.travel_minutes,
        preparation_minutes=terms.preparation_minutes,
        ready_from=ready_from,
    )
