"""Hours, zones, quotes and searches on a real database."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from jainshikanji.store.v1 import store_service_pb2 as pb
from jainshikanji.store.v1.operating_hours_pb2 import DayHours, OpeningInterval
from jainshikanji.type.v1.fulfilment_type_pb2 import FulfilmentType
from jainshikanji.type.v1.geo_point_pb2 import GeoPoint

from chassis import ids
from chassis.clock import now
from chassis.database import sql
from chassis.process.service import Process
from services.store import queries
from tests import harness
from tests.harness import catch_error, rpc_error
from tests.integration.store.conftest import MakeStore, address, always_open, rupees

KOLKATA = dt.timezone(dt.timedelta(hours=5, minutes=30))
DELIVERY, PICKUP, DINE_IN = FulfilmentType.DELIVERY, FulfilmentType.PICKUP, FulfilmentType.DINE_IN
CLOSED = [DayHours(day_of_week=0)]
NEAR = GeoPoint(latitude=18.95, longitude=72.83)


def interval(text: str) -> OpeningInterval:
    opens, closes = text.split("-")
    return OpeningInterval(open_time=opens, close_time=closes)


def in_store(days: int = 0) -> dt.datetime:
    return now().astimezone(KOLKATA) + dt.timedelta(days=days)


def stamp(moment: dt.datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(moment.astimezone(dt.UTC))
    return message


@pytest.fixture
def order(as_caller: Any) -> Any:
    return as_caller(harness.service("order"))


async def test_hours_are_replaced_as_a_whole_and_read_back(admin: Any, public: Any, make_store: MakeStore) -> None:
    store = await make_store()
    days = [
        DayHours(day_of_week=5, intervals=[interval("18:00-02:00"), interval("11:00-15:00")]),
        DayHours(day_of_week=0, intervals=[interval("09:30-22:00")]),
    ]
    answer = await admin.UpdateOperatingHours(pb.UpdateOperatingHoursRequest(id=store.id, days=days))
    read = await public.GetOperatingHours(pb.GetOperatingHoursRequest(id=store.id))
    assert [day.day_of_week for day in read.days] == list(range(7))
    assert [(i.open_time, i.close_time) for i in read.days[5].intervals] == [("11:00", "15:00"), ("18:00", "02:00")]
    assert [len(day.intervals) for day in read.days] == [1, 0, 0, 0, 0, 2, 0]
    assert read.time_zone == "Asia/Kolkata"
    assert read.etag == answer.etag != store.etag
    assert read.is_open != read.HasField("next_opening_at")


async def test_a_store_without_hours_is_closed_and_one_open_around_the_clock_is_open(
    admin: Any, public: Any, make_store: MakeStore
) -> None:
    store = await make_store(open_always=False)
    hours = await public.GetOperatingHours(pb.GetOperatingHoursRequest(id=store.id))
    assert not hours.is_open
    assert not hours.HasField("next_opening_at")
    hours = await admin.UpdateOperatingHours(always_open(store.id))
    assert hours.is_open
    assert not hours.HasField("open_until")
    await admin.UpdateStore(pb.UpdateStoreRequest(id=store.id, is_accepting_orders=False))
    assert not (await public.GetOperatingHours(pb.GetOperatingHoursRequest(id=store.id))).is_open


async def test_hours_of_an_unknown_store_are_not_found(admin: Any, public: Any) -> None:
    nowhere = str(ids.new_id())
    for call in (
        public.GetOperatingHours(pb.GetOperatingHoursRequest(id=nowhere)),
        admin.UpdateOperatingHours(pb.UpdateOperatingHoursRequest(id=nowhere, days=CLOSED)),
        public.ListDeliveryZones(pb.ListDeliveryZonesRequest(id=nowhere)),
    ):
        assert (await catch_error(call)).code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    "days",
    [
        [DayHours(day_of_week=1, intervals=[interval("10:00-12:00"), interval("11:59-13:00")])],
        [
            DayHours(day_of_week=6, intervals=[interval("20:00-02:00")]),
            DayHours(day_of_week=0, intervals=[interval("01:00-05:00")]),
        ],
        [DayHours(day_of_week=1, intervals=[interval("24:00-12:00")])],
        [DayHours(day_of_week=7)],
        [DayHours(intervals=[interval("10:00-12:00")])],
        [DayHours(day_of_week=1), DayHours(day_of_week=1)],
        [],
    ],
    ids=[
        "overlap",
        "overlap at the end of the week",
        "no such time",
        "no such day",
        "no day",
        "a day twice",
        "nothing",
    ],
)
async def test_invalid_hours_are_rejected(admin: Any, make_store: MakeStore, days: list[DayHours]) -> None:
    store = await make_store()
    answer = await catch_error(admin.UpdateOperatingHours(pb.UpdateOperatingHoursRequest(id=store.id, days=days)))
    assert answer.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_exception_closes_a_date_until_it_is_removed(
    admin: Any, public: Any, order: Any, make_store: MakeStore
) -> None:
    store = await make_store()
    today = in_store().date().isoformat()
    hours = await admin.SetHoursException(pb.SetHoursExceptionRequest(id=store.id, date=today, reason=" Paryushan "))
    assert [(e.date, len(e.intervals), e.reason) for e in hours.exceptions] == [(today, 0, "Paryushan")]
    assert not hours.is_open
    answer = await catch_error(
        order.QuoteFulfilment(pb.QuoteFulfilmentRequest(store_id=store.id, fulfilment_type=PICKUP))
    )
    assert answer.reason == "STORE_CLOSED"
    assert dt.datetime.fromisoformat(answer.metadata["next_opening_at"]).astimezone(KOLKATA).time() == dt.time(0)
    removal = pb.RemoveHoursExceptionRequest(id=store.id, date=today)
    await admin.RemoveHoursException(removal)
    await admin.RemoveHoursException(removal)
    assert (await public.GetOperatingHours(pb.GetOperatingHoursRequest(id=store.id))).is_open


@pytest.mark.parametrize(("days", "field"), [(-1, "date"), (731, "date")])
async def test_an_exception_is_between_today_and_two_years_ahead(
    admin: Any, make_store: MakeStore, days: int, field: str
) -> None:
    store = await make_store()
    request = pb.SetHoursExceptionRequest(id=store.id, date=in_store(days).date().isoformat())
    assert list((await catch_error(admin.SetHoursException(request))).violations) == [field]


async def test_a_zone_is_listed_changed_and_deleted(admin: Any, public: Any, make_store: MakeStore) -> None:
    store = await make_store()
    made = await admin.CreateDeliveryZone(
        pb.CreateDeliveryZoneRequest(
            id=store.id, name="Fort", postal_codes=["400 001", "400-023"], delivery_fee=rupees(15)
        )
    )
    assert (made.store_id, list(made.postal_codes)) == (store.id, ["400001", "400023"])
    assert (made.estimated_time_minutes, made.is_active, made.delivery_fee) == (30, True, rupees(15))
    changed = await admin.UpdateDeliveryZone(
        pb.UpdateDeliveryZoneRequest(id=store.id, zone_id=made.id, estimated_time_minutes=20)
    )
    assert (changed.estimated_time_minutes, list(changed.postal_codes)) == (20, ["400001", "400023"])
    listed = await public.ListDeliveryZones(pb.ListDeliveryZonesRequest(id=store.id))
    assert list(listed.delivery_zones) == [changed]
    await admin.DeleteDeliveryZone(pb.DeleteDeliveryZoneRequest(id=store.id, zone_id=made.id))
    assert not (await public.ListDeliveryZones(pb.ListDeliveryZonesRequest(id=store.id))).delivery_zones
    again = admin.DeleteDeliveryZone(pb.DeleteDeliveryZoneRequest(id=store.id, zone_id=made.id))
    assert (await catch_error(again)).code is grpc.StatusCode.NOT_FOUND


async def test_zones_are_paged_by_name(admin: Any, public: Any, make_store: MakeStore) -> None:
    store = await make_store()
    for n, name in enumerate("CAB"):
        await admin.CreateDeliveryZone(
            pb.CreateDeliveryZoneRequest(id=store.id, name=name, postal_codes=[f"40000{n}"], delivery_fee=rupees(1))
        )
    first = await public.ListDeliveryZones(pb.ListDeliveryZonesRequest(id=store.id, page_size=2))
    second = await public.ListDeliveryZones(
        pb.ListDeliveryZonesRequest(id=store.id, page_size=2, page_token=first.next_page_token)
    )
    assert [zone.name for zone in (*first.delivery_zones, *second.delivery_zones)] == ["A", "B", "C"]
    assert second.next_page_token == ""


async def test_a_postal_code_is_in_one_active_zone_also_with_concurrent_requests(
    admin: Any, make_store: MakeStore
) -> None:
    store, other = await make_store(), await make_store()

    def zone(store_id: str, *codes: str, **fields: Any) -> pb.CreateDeliveryZoneRequest:
        return pb.CreateDeliveryZoneRequest(
            id=store_id, name="Zone", postal_codes=codes, delivery_fee=rupees(5), **fields
        )

    outcomes = await asyncio.gather(
        *(admin.CreateDeliveryZone(zone(store.id, "400001")) for _ in range(4)), return_exceptions=True
    )
    losers = [rpc_error(outcome) for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)]
    assert [loser.reason for loser in losers] == ["POSTAL_CODE_TAKEN"] * 3
    assert losers[0].metadata == {"postal_codes": "400001"}
    await admin.CreateDeliveryZone(zone(other.id, "400001"))
    sleeping = await admin.CreateDeliveryZone(zone(store.id, "400 001", "400002", is_active=False))
    waking = pb.UpdateDeliveryZoneRequest(id=store.id, zone_id=sleeping.id, is_active=True)
    assert (await catch_error(admin.UpdateDeliveryZone(waking))).reason == "POSTAL_CODE_TAKEN"
    waking.postal_codes.append("400002")
    assert (await admin.UpdateDeliveryZone(waking)).is_active


async def test_a_zone_of_another_store_is_not_found(admin: Any, manager: Any, make_store: MakeStore) -> None:
    mine, other = await make_store(), await make_store()
    zone = await admin.CreateDeliveryZone(
        pb.CreateDeliveryZoneRequest(id=other.id, name="Z", postal_codes=["400001"], delivery_fee=rupees(5))
    )
    request = pb.UpdateDeliveryZoneRequest(id=mine.id, zone_id=zone.id, name="stolen")
    assert (await catch_error(manager(mine.id).UpdateDeliveryZone(request))).code is grpc.StatusCode.NOT_FOUND


async def test_a_quote_takes_the_zone_before_the_radius(admin: Any, order: Any, make_store: MakeStore) -> None:
    store = await make_store(gstin="27ABCDE1234F1Z5")
    zone = await admin.CreateDeliveryZone(
        pb.CreateDeliveryZoneRequest(
            id=store.id, name="Fort", postal_codes=["400001"], delivery_fee=rupees(15), estimated_time_minutes=12
        )
    )
    asked = pb.QuoteFulfilmentRequest(store_id=store.id, fulfilment_type=DELIVERY, postal_code="400 001", location=NEAR)
    quote = await order.QuoteFulfilment(asked)
    assert (quote.zone_id, quote.delivery_fee, quote.travel_minutes) == (zone.id, rupees(15), 12)
    assert (quote.store_id, quote.store_name, quote.state) == (store.id, store.name, "Maharashtra")
    assert (quote.time_zone, quote.currency, quote.gstin) == ("Asia/Kolkata", "INR", "27ABCDE1234F1Z5")
    assert (quote.free_delivery_above, quote.min_order_value) == (rupees(499), rupees(149))
    assert abs(quote.ready_from.ToDatetime(dt.UTC) - now()) < dt.timedelta(seconds=5)
    await admin.UpdateDeliveryZone(pb.UpdateDeliveryZoneRequest(id=store.id, zone_id=zone.id, is_active=False))
    quote = await order.QuoteFulfilment(asked)
    assert (quote.zone_id, quote.delivery_fee, quote.travel_minutes) == ("", rupees(40), 30)


async def test_outside_of_zones_and_radius_a_delivery_is_rejected_and_a_pickup_accepted(
    order: Any, make_store: MakeStore
) -> None:
    store = await make_store()
    far = GeoPoint(latitude=28.6, longitude=77.2)
    for place in (
        {"postal_code": "110001", "location": far},
        {"postal_code": "110001"},
        {"location": far},
    ):
        request = pb.QuoteFulfilmentRequest(store_id=store.id, fulfilment_type=DELIVERY, **place)
        answer = await catch_error(order.QuoteFulfilment(request))
        assert (answer.code, answer.reason) == (grpc.StatusCode.ABORTED, "OUT_OF_DELIVERY_AREA")
    for kind in (PICKUP, DINE_IN):
        quote = await order.QuoteFulfilment(pb.QuoteFulfilmentRequest(store_id=store.id, fulfilment_type=kind))
        assert (quote.delivery_fee, quote.min_order_value, quote.travel_minutes) == (rupees(0), rupees(0), 0)
        assert not quote.HasField("free_delivery_above")


async def test_a_delivery_without_address_is_invalid(order: Any, make_store: MakeStore) -> None:
    store = await make_store()
    answer = await catch_error(
        order.QuoteFulfilment(pb.QuoteFulfilmentRequest(store_id=store.id, fulfilment_type=DELIVERY))
    )
    assert answer.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_each_cause_of_rejection_has_its_own_reason(admin: Any, order: Any, make_store: MakeStore) -> None:
    store = await make_store(open_always=False)
    asked = pb.QuoteFulfilmentRequest(store_id=store.id, fulfilment_type=PICKUP)
    assert (await catch_error(order.QuoteFulfilment(asked))).reason == "STORE_CLOSED"
    await admin.UpdateStore(pb.UpdateStoreRequest(id=store.id, is_accepting_orders=False))
    answer = await catch_error(order.QuoteFulfilment(asked))
    assert (answer.reason, answer.metadata) == ("STORE_NOT_ACCEPTING_ORDERS", {"cause": "PAUSED"})
    await admin.UpdateStore(pb.UpdateStoreRequest(id=store.id, is_active=False))
    assert (await catch_error(order.QuoteFulfilment(asked))).metadata == {"cause": "INACTIVE"}
    asked.store_id = str(ids.new_id())
    assert (await catch_error(order.QuoteFulfilment(asked))).code is grpc.StatusCode.NOT_FOUND


async def test_a_change_of_hours_applies_to_the_next_quote(admin: Any, order: Any, make_store: MakeStore) -> None:
    store = await make_store()
    asked = pb.QuoteFulfilmentRequest(store_id=store.id, fulfilment_type=PICKUP)
    for _ in range(3):
        await order.QuoteFulfilment(asked)
        await admin.UpdateOperatingHours(pb.UpdateOperatingHoursRequest(id=store.id, days=CLOSED))
        assert (await catch_error(order.QuoteFulfilment(asked))).reason == "STORE_CLOSED"
        await admin.UpdateOperatingHours(always_open(store.id))


async def test_a_scheduled_order_starts_at_the_opening_before_it(admin: Any, order: Any, make_store: MakeStore) -> None:
    store = await make_store(open_always=False)
    day = in_store(2)
    days = [DayHours(day_of_week=day.isoweekday() % 7, intervals=[interval("11:00-15:00")])]
    await admin.UpdateOperatingHours(pb.UpdateOperatingHoursRequest(id=store.id, days=days))
    noon = day.replace(hour=12, minute=0, second=0, microsecond=0)
    asked = pb.QuoteFulfilmentRequest(store_id=store.id, fulfilment_type=PICKUP, scheduled_delivery_at=stamp(noon))
    quote = await order.QuoteFulfilment(asked)
    assert quote.ready_from.ToDatetime(dt.UTC) == noon.replace(hour=11)
    asked.scheduled_delivery_at.CopyFrom(stamp(noon.replace(hour=15)))
    assert (await catch_error(order.QuoteFulfilment(asked))).reason == "STORE_CLOSED"
    for days_off in (-1, 9):
        asked.scheduled_delivery_at.CopyFrom(stamp(in_store(days_off)))
        assert list((await catch_error(order.QuoteFulfilment(asked))).violations) == ["scheduledDeliveryAt"]


async def test_only_order_may_request_a_fulfilment_quote(as_caller: Any, make_store: MakeStore) -> None:
    store = await make_store()
    asked = pb.QuoteFulfilmentRequest(store_id=store.id, fulfilment_type=PICKUP)
    for caller in (harness.anonymous(), harness.admin(), harness.service("payment")):
        assert (await catch_error(as_caller(caller).QuoteFulfilment(asked))).code is grpc.StatusCode.PERMISSION_DENIED


async def test_stores_around_a_position_are_sorted_by_distance(admin: Any, public: Any, make_store: MakeStore) -> None:
    def somewhere(latitude: float, longitude: float) -> Any:
        return address(location=GeoPoint(latitude=latitude, longitude=longitude))

    # In the Pacific, on both sides of the antimeridian, where no other test has stores.
    base = -20 - (ids.new_id().int % 10_000) / 1_000
    near = await make_store(address=somewhere(base, 179.99))
    across = await make_store(address=somewhere(base, -179.97))
    closed = await make_store(address=somewhere(base, 179.95), open_always=False)
    far = await make_store(address=somewhere(base, 179.5))
    inactive = await make_store(address=somewhere(base, 179.99))
    await admin.UpdateStore(pb.UpdateStoreRequest(id=inactive.id, is_active=False))
    asked = pb.ListNearbyStoresRequest(latitude=base, longitude=179.99, within_metres=10_000)
    found = (await public.ListNearbyStores(asked)).stores
    assert [store.store.id for store in found] == [near.id, across.id, closed.id]
    assert [store.distance_metres < 1 for store in found] == [True, False, False]
    assert [store.is_open for store in found] == [True, True, False]
    assert [store.delivers for store in found] == [True, True, True]
    assert [store.HasField("estimated_delivery_at") for store in found] == [True, True, False]
    asked.within_metres = 100_000
    assert far.id in {store.store.id for store in (await public.ListNearbyStores(asked)).stores}
    asked.open_now, asked.max_results = True, 1
    assert [store.store.id for store in (await public.ListNearbyStores(asked)).stores] == [near.id]
    asked.max_results = 0
    asked.deliver_by.CopyFrom(stamp(now() + dt.timedelta(minutes=59)))
    assert not (await public.ListNearbyStores(asked)).stores
    asked.deliver_by.CopyFrom(stamp(now() + dt.timedelta(minutes=61)))
    assert {store.store.id for store in (await public.ListNearbyStores(asked)).stores} == {near.id, across.id}


async def test_a_search_requires_a_position(public: Any) -> None:
    answer = await catch_error(public.ListNearbyStores(pb.ListNearbyStoresRequest(latitude=1)))
    assert list(answer.violations) == ["longitude"]


async def test_a_search_around_a_position_uses_the_location_index(process: Process) -> None:
    explain = sql("EXPLAIN " + bytes(queries.LIST_NEARBY.text).decode(), value=str)
    async with process.app.db.transaction() as tx:
        await tx.run(sql("SET LOCAL enable_seqscan = off"))
        plan = await tx.all(
            explain,
            latitude=1.0,
            longitude=1.0,
            south=0.9,
            north=1.1,
            west=0.9,
            east=1.1,
            within=10_000,
            postal_code="",
            limit=10,
        )
    assert "idx_stores_location" in "\n".join(plan)
