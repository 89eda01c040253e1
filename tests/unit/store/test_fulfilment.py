"""Whether, when and at which fee a store serves an order."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from chassis.errors import InvalidArgument
from services.store.errors import OutOfDeliveryArea, StoreClosed, StoreNotAcceptingOrders
from services.store.model.fulfilment import (
    DELIVERY,
    DINE_IN,
    PICKUP,
    RADIUS_TRAVEL_MINUTES,
    Fulfilment,
    Terms,
    ZoneTerms,
    calculate_fulfilment,
)
from services.store.model.hours import Interval, Schedule
from services.store.model.locations import Position

KOLKATA = ZoneInfo("Asia/Kolkata")
MUMBAI = Position(19.076, 72.8777)
TERMS = Terms(
    is_active=True,
    is_accepting_orders=True,
    position=MUMBAI,
    radius_metres=5_000,
    delivery_fee=Decimal("40.00"),
    free_delivery_above=Decimal("499.00"),
    min_order_value=Decimal("149.00"),
    preparation_minutes=25,
)
ZONE = ZoneTerms(UUID(int=7), Decimal("15.00"), 12)
LUNCH = Schedule(KOLKATA, {day: [Interval(dt.time(11), dt.time(15))] for day in range(7)})
NOON = dt.datetime(2025, 11, 28, 12, 0, tzinfo=KOLKATA)
NEAR = Position(19.085, 72.88)
FAR = Position(19.2, 72.9)


def serve(
    terms: Terms = TERMS,
    zone: ZoneTerms | None = None,
    fulfilment: str = DELIVERY,
    position: Position | None = NEAR,
    now: dt.datetime = NOON,
    scheduled: dt.datetime | None = None,
) -> Fulfilment:
    return calculate_fulfilment(
        terms, LUNCH, zone, fulfilment=fulfilment, position=position, now=now, scheduled=scheduled
    )


def test_the_zone_decides_fee_and_time_even_inside_the_radius() -> None:
    answer = serve(zone=ZONE)
    assert (answer.delivery_fee, answer.travel_minutes, answer.zone_id) == (Decimal("15.00"), 12, ZONE.zone_id)


def test_the_zone_decides_outside_the_radius_and_without_a_position() -> None:
    assert serve(zone=ZONE, position=FAR).zone_id == ZONE.zone_id
    assert serve(zone=ZONE, position=None).zone_id == ZONE.zone_id


def test_without_a_zone_the_radius_decides_with_the_stores_fee() -> None:
    answer = serve()
    assert (answer.delivery_fee, answer.travel_minutes, answer.zone_id) == (
        Decimal("40.00"),
        RADIUS_TRAVEL_MINUTES,
        None,
    )


@pytest.mark.parametrize("position", [FAR, None])
def test_no_delivery_outside_of_zones_and_radius(position: Position | None) -> None:
    with pytest.raises(OutOfDeliveryArea):
        serve(position=position)


def test_the_radius_counts_to_the_metre() -> None:
    distance = MUMBAI.metres_to(NEAR)
    assert serve(replace(TERMS, radius_metres=distance)).zone_id is None
    with pytest.raises(OutOfDeliveryArea):
        serve(replace(TERMS, radius_metres=distance - 0.1))


def test_a_store_without_radius_or_position_delivers_to_zones_only() -> None:
    with pytest.raises(OutOfDeliveryArea):
        serve(replace(TERMS, radius_metres=0), position=MUMBAI)
    with pytest.raises(OutOfDeliveryArea):
        serve(replace(TERMS, position=None), position=MUMBAI)


@pytest.mark.parametrize("fulfilment", [PICKUP, DINE_IN])
def test_pickup_and_dine_in_have_no_fee_and_no_minimum(fulfilment: str) -> None:
    answer = serve(fulfilment=fulfilment, position=None)
    assert answer.delivery_fee == 0
    assert answer.min_order_value == 0
    assert answer.free_delivery_above is None
    assert (answer.travel_minutes, answer.preparation_minutes) == (0, 25)


def test_a_delivery_carries_the_stores_minimum_and_threshold() -> None:
    answer = serve(zone=ZONE)
    assert (answer.min_order_value, answer.free_delivery_above) == (Decimal("149.00"), Decimal("499.00"))


def test_inactivity_is_reported_before_other_errors() -> None:
    with pytest.raises(StoreNotAcceptingOrders) as rejected:
        serve(replace(TERMS, is_active=False), position=FAR, now=NOON + dt.timedelta(hours=8))
    assert rejected.value.metadata == {"cause": "INACTIVE"}


def test_a_paused_store_rejects_scheduled_orders_too() -> None:
    with pytest.raises(StoreNotAcceptingOrders) as rejected:
        serve(replace(TERMS, is_accepting_orders=False), scheduled=NOON + dt.timedelta(days=1))
    assert rejected.value.metadata == {"cause": "PAUSED"}


def test_a_closed_store_rejects_orders_and_names_its_next_opening() -> None:
    with pytest.raises(StoreClosed) as rejected:
        serve(now=dt.datetime(2025, 11, 28, 15, 0, tzinfo=KOLKATA))
    assert rejected.value.metadata == {"next_opening_at": "2025-11-29T05:30:00Z"}


def test_the_kitchen_of_an_open_store_starts_now() -> None:
    assert serve().ready_from == NOON


def test_an_order_for_today_starts_now_and_one_for_tomorrow_at_the_opening() -> None:
    assert serve(scheduled=NOON + dt.timedelta(hours=2)).ready_from == NOON
    tomorrow = serve(scheduled=NOON + dt.timedelta(days=1))
    assert tomorrow.ready_from == dt.datetime(2025, 11, 29, 11, 0, tzinfo=KOLKATA)


def test_a_closed_store_accepts_orders_for_its_opening_hours() -> None:
    evening = dt.datetime(2025, 11, 28, 20, 0, tzinfo=KOLKATA)
    answer = serve(now=evening, scheduled=dt.datetime(2025, 11, 29, 11, 0, tzinfo=KOLKATA))
    assert answer.ready_from == dt.datetime(2025, 11, 29, 11, 0, tzinfo=KOLKATA)


def test_an_order_for_a_time_when_the_store_is_closed_is_rejected() -> None:
    with pytest.raises(StoreClosed):
        serve(scheduled=dt.datetime(2025, 11, 28, 15, 0, tzinfo=KOLKATA))


@pytest.mark.parametrize(
    "scheduled", [NOON, NOON - dt.timedelta(minutes=1), NOON + dt.timedelta(days=8, microseconds=1)]
)
def test_a_scheduled_time_in_the_past_or_beyond_the_horizon_is_rejected(scheduled: dt.datetime) -> None:
    with pytest.raises(InvalidArgument) as rejected:
        serve(scheduled=scheduled)
    assert rejected.value.violations[0][0] == "scheduledDeliveryAt"
