"""Whether, when and at which fee a store serves an order; quotes, orders and searches use the same functions."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from chassis.errors import InvalidArgument
from chassis.money import ZERO
from services.store.errors import OutOfDeliveryArea, StoreClosed, StoreNotAcceptingOrders
from services.store.model.hours import HORIZON, Schedule
from services.store.model.locations import Position

# Stored values of delivery_type.
DELIVERY: Final = "delivery"
PICKUP: Final = "pickup"
DINE_IN: Final = "dine-in"

# Travel time inside the delivery radius, where no zone states it; also the default of zones.
RADIUS_TRAVEL_MINUTES: Final = 30


@dataclass(frozen=True, slots=True)
class Terms:
    """The store's own terms."""

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
    """The terms of the active zone that lists the postal code."""

    zone_id: UUID
    delivery_fee: Decimal
    travel_minutes: int


@dataclass(frozen=True, slots=True)
class DeliveryRoute:
    """Fee and travel time of a delivery; `zone_id` is None inside the radius."""

    delivery_fee: Decimal
    travel_minutes: int
    zone_id: UUID | None


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """The store's terms for an order. The fee does not consider `free_delivery_above`."""

    delivery_fee: Decimal
    free_delivery_above: Decimal | None
    min_order_value: Decimal
    zone_id: UUID | None
    travel_minutes: int
    preparation_minutes: int
    ready_from: dt.datetime


def find_route(terms: Terms, zone: ZoneTerms | None, position: Position | None) -> DeliveryRoute | None:
    """The route by the zone, without a zone by the radius; None outside of both."""
    if zone is not None:
        return DeliveryRoute(zone.delivery_fee, zone.travel_minutes, zone.zone_id)
    if terms.position is None or position is None or terms.radius_metres <= 0:
        return None
    if terms.position.metres_to(position) > terms.radius_metres:
        return None
    return DeliveryRoute(terms.delivery_fee, RADIUS_TRAVEL_MINUTES, None)


def find_start(schedule: Schedule, now: dt.datetime, scheduled: dt.datetime | None) -> dt.datetime:
    """When the kitchen can start: now, or the opening before `scheduled` when that is later.

    Raises StoreClosed when the store is closed now, or at `scheduled`; InvalidArgument for a time in the past or
    beyond the horizon.
    """
    if scheduled is not None and not now < scheduled <= now + HORIZON:
        raise InvalidArgument("scheduledDeliveryAt", f"must be in the future and at most {HORIZON.days} days ahead")
    opening = schedule.find_opening(scheduled or now)
    if opening is None:
        raise StoreClosed(schedule.find_next_opening(scheduled or now))
    return max(now, opening.opens)


def calculate_fulfilment(
    terms: Terms,
    schedule: Schedule,
    zone: ZoneTerms | None,
    *,
    fulfilment: str,
    position: Position | None,
    now: dt.datetime,
    scheduled: dt.datetime | None = None,
) -> Fulfilment:
    """The terms for an order. Raises StoreNotAcceptingOrders, StoreClosed or OutOfDeliveryArea, in this order."""
    if not (terms.is_active and terms.is_accepting_orders):
        raise StoreNotAcceptingOrders(is_active=terms.is_active)
    ready_from = find_start(schedule, now, scheduled)
    if fulfilment != DELIVERY:
        return Fulfilment(ZERO, None, ZERO, None, 0, terms.preparation_minutes, ready_from)
    route = find_route(terms, zone, position)
    if route is None:
        raise OutOfDeliveryArea
    return Fulfilment(
        delivery_fee=route.delivery_fee,
        free_delivery_above=terms.free_delivery_above,
        min_order_value=terms.min_order_value,
        zone_id=route.zone_id,
        travel_minutes=route.travel_minutes,
        preparation_minutes=terms.preparation_minutes,
        ready_from=ready_from,
    )
