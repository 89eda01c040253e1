"""Stores in the running service: create, update, find, cache."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import grpc
import pytest
from jainshikanji.store.v1 import store_service_pb2 as pb
from jainshikanji.store.v1.events_pb2 import StoreCreated, StoreUpdated
from jainshikanji.store.v1.store_service_pb2_grpc import StoreServiceStub

from chassis import ids
from chassis.database import sql
from chassis.process.service import Process
from tests import harness
from tests.harness import Platform, catch_error, rpc_error
from tests.integration.store.conftest import MakeStore, address, new_store, rupees


class EventRow(NamedTuple):
    type: str
    version: int
    payload: bytes


LIST_EVENTS = sql("SELECT type, version, payload FROM outbox WHERE key = %(key)s ORDER BY seq", row=EventRow)


async def test_a_new_store_is_public(admin: Any, public: Any) -> None:
    made = await admin.CreateStore(new_store(name="  शिकंजी 🍋 ", gstin="27ABCDE1234F1Z5"))
    read = await public.GetStore(pb.GetStoreRequest(id=made.id))
    assert read == made
    assert made.name == "शिकंजी 🍋"
    assert made.slug.startswith("store-")
    assert (made.address.city, made.address.country) == ("Mumbai", "India")
    assert made.address.location.latitude == 18.944
    assert made.time_zone == "Asia/Kolkata"
    assert made.free_delivery_above.minor_units == 49900
    assert made.delivery_radius_metres == 5000
    assert (made.is_active, made.is_accepting_orders, made.estimated_prep_time_minutes) == (True, True, 30)


async def test_absent_fields_of_a_new_store_have_defaults(admin: Any) -> None:
    request = pb.CreateStoreRequest(name="Plain", email="p@x.example", phone="2212345678", address=address())
    made = await admin.CreateStore(request)
    assert not made.HasField("free_delivery_above")
    assert made.delivery_fee.minor_units == 0
    assert made.delivery_radius_metres == 10_000


async def test_equal_names_get_different_slugs(admin: Any) -> None:
    name = f"Twin {ids.new_id().hex[-10:]}"
    slugs = [(await admin.CreateStore(new_store(name=name))).slug for _ in range(4)]
    assert len(set(slugs)) == 4
    assert slugs[1] == f"{slugs[0]}-mumbai"


async def test_equal_names_at_the_same_time_get_different_slugs(admin: Any) -> None:
    name = f"Twin {ids.new_id().hex[-10:]}"
    stores = await asyncio.gather(*(admin.CreateStore(new_store(name=name)) for _ in range(6)))
    assert len({store.slug for store in stores}) == 6


async def test_a_slug_belongs_to_one_store(admin: Any, make_store: MakeStore) -> None:
    first, second = await make_store(), await make_store()
    answer = await catch_error(admin.CreateStore(new_store(slug=first.slug)))
    assert (answer.code, answer.reason) == (grpc.StatusCode.ALREADY_EXISTS, "SLUG_TAKEN")
    answer = await catch_error(admin.UpdateStore(pb.UpdateStoreRequest(id=second.id, slug=first.slug)))
    assert (answer.code, answer.metadata) == (grpc.StatusCode.ALREADY_EXISTS, {"slug": first.slug})


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": " "}, "name"),
        ({"time_zone": "Mars/Olympus"}, "timeZone"),
        ({"time_zone": "EST"}, "timeZone"),
        ({"email": "no-address"}, "email"),
        ({"slug": "Not A Slug"}, "slug"),
        ({"gstin": "27"}, "gstin"),
        ({"delivery_fee": rupees(-1)}, "deliveryFee"),
        ({"delivery_radius_metres": -1}, "deliveryRadiusMetres"),
        ({"name": "a\0b"}, "name"),
    ],
)
async def test_an_invalid_store_is_rejected_with_field_violations(
    admin: Any, fields: dict[str, Any], field: str
) -> None:
    answer = await catch_error(admin.CreateStore(new_store(**fields)))
    assert answer.code is grpc.StatusCode.INVALID_ARGUMENT
    assert list(answer.violations) == [field]


async def test_an_update_changes_its_fields_and_publishes_the_next_version(
    admin: Any, public: Any, make_store: MakeStore, process: Process
) -> None:
    store = await make_store(open_always=False)
    changed = await admin.UpdateStore(pb.UpdateStoreRequest(id=store.id, name="New", is_accepting_orders=False))
    assert (changed.name, changed.is_accepting_orders, changed.email) == ("New", False, store.email)
    assert changed.etag != store.etag
    assert await public.GetStore(pb.GetStoreRequest(id=store.id)) == changed
    created, updated = await process.app.db.all(LIST_EVENTS, key=store.id)
    assert (created.type, created.version) == (StoreCreated.DESCRIPTOR.full_name, 1)
    assert (updated.type, updated.version) == (StoreUpdated.DESCRIPTOR.full_name, 2)
    event = StoreUpdated.FromString(updated.payload)
    assert (event.store_id, event.version, event.name, event.is_accepting_orders) == (store.id, 2, "New", False)


async def test_free_delivery_can_be_removed(admin: Any, make_store: MakeStore) -> None:
    store = await make_store(open_always=False)
    changed = await admin.UpdateStore(pb.UpdateStoreRequest(id=store.id, remove_free_delivery_above=True))
    assert not changed.HasField("free_delivery_above")


async def test_a_stale_etag_is_rejected_and_one_of_two_concurrent_writers_succeeds(
    admin: Any, make_store: MakeStore
) -> None:
    store = await make_store(open_always=False)
    writes = [
        admin.UpdateStore(pb.UpdateStoreRequest(id=store.id, name=f"Writer {n}", etag=store.etag)) for n in range(4)
    ]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    losers = [rpc_error(outcome) for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)]
    assert len(losers) == 3
    assert {(loser.code, loser.reason) for loser in losers} == {(grpc.StatusCode.ABORTED, "STALE_ETAG")}


async def test_a_manager_changes_the_store_except_the_columns_of_admins(manager: Any, make_store: MakeStore) -> None:
    store = await make_store(open_always=False)
    mine = manager(store.id)
    assert (await mine.UpdateStore(pb.UpdateStoreRequest(id=store.id, description="x"))).description == "x"
    for request in (
        pb.UpdateStoreRequest(id=store.id, is_active=False),
        pb.UpdateStoreRequest(id=store.id, slug="mine"),
    ):
        answer = await catch_error(mine.UpdateStore(request))
        assert answer.code is grpc.StatusCode.PERMISSION_DENIED


async def test_another_store_is_not_found(manager: Any, make_store: MakeStore) -> None:
    mine, other = await make_store(open_always=False), await make_store(open_always=False)
    foreign = await catch_error(manager(mine.id).UpdateStore(pb.UpdateStoreRequest(id=other.id, name="x")))
    missing = await catch_error(manager(mine.id).UpdateStore(pb.UpdateStoreRequest(id=str(ids.new_id()), name="x")))
    assert foreign == missing
    assert foreign.code is grpc.StatusCode.NOT_FOUND


async def test_active_stores_are_paged_by_name(admin: Any, public: Any, make_store: MakeStore) -> None:
    city = f"City {ids.new_id().hex}"
    made = [await make_store(open_always=False, name=name, address=address(city=city)) for name in "CABED"]
    await admin.UpdateStore(pb.UpdateStoreRequest(id=made[0].id, is_active=False))
    names, token = [], ""
    for _ in range(3):
        page = await public.ListStores(pb.ListStoresRequest(city=city.upper(), page_size=2, page_token=token))
        names.append([store.name for store in page.stores])
        token = page.next_page_token
        if not token:
            break
    assert names == [["A", "B"], ["D", "E"]]
    everything = await admin.ListStores(pb.ListStoresRequest(city=city, include_inactive=True))
    assert [store.name for store in everything.stores] == list("ABCDE")
    answer = await catch_error(public.ListStores(pb.ListStoresRequest(city=city, include_inactive=True)))
    assert answer.code is grpc.StatusCode.PERMISSION_DENIED


async def test_a_page_token_of_another_list_is_rejected(public: Any, make_store: MakeStore) -> None:
    city = f"City {ids.new_id().hex}"
    for _ in range(2):
        await make_store(open_always=False, address=address(city=city))
    page = await public.ListStores(pb.ListStoresRequest(city=city, page_size=1))
    answer = await catch_error(public.ListStores(pb.ListStoresRequest(page_size=1, page_token=page.next_page_token)))
    assert list(answer.violations) == ["pageToken"]


async def test_a_store_is_found_by_its_slug(public: Any, make_store: MakeStore) -> None:
    store = await make_store(open_always=False)
    assert [found.id for found in (await public.ListStores(pb.ListStoresRequest(slug=store.slug))).stores] == [store.id]
    assert not (await public.ListStores(pb.ListStoresRequest(slug=store.slug + "-x"))).stores


async def test_services_read_many_stores_in_one_call(as_caller: Any, make_store: MakeStore) -> None:
    wanted = [(await make_store(open_always=False)).id for _ in range(2)]
    request = pb.BatchGetStoresRequest(ids=[*wanted, str(ids.new_id())])
    found = await as_caller(harness.service("analytics")).BatchGetStores(request)
    assert {store.id for store in found.stores} == set(wanted)
    answer = await catch_error(as_caller(harness.service("payment")).BatchGetStores(request))
    assert answer.code is grpc.StatusCode.PERMISSION_DENIED


async def test_another_replica_drops_its_cached_store_after_a_change(
    platform: Platform, admin: Any, make_store: MakeStore
) -> None:
    store = await make_store(open_always=False)
    replica = await platform.launch("store")
    try:
        there = platform.stub_at(replica.mesh_port, "store", StoreServiceStub, harness.anonymous())
        assert (await there.GetStore(pb.GetStoreRequest(id=store.id))).name == store.name
        await admin.UpdateStore(pb.UpdateStoreRequest(id=store.id, name="Renamed"))
        async with asyncio.timeout(5):
            while (await there.GetStore(pb.GetStoreRequest(id=store.id))).name != "Renamed":
                await asyncio.sleep(0.01)
    finally:
        await replica.stop()


async def test_a_store_may_be_cached_for_30_seconds(public: Any, make_store: MakeStore) -> None:
    store = await make_store(open_always=False)
    call = public.GetStore(pb.GetStoreRequest(id=store.id))
    await call
    assert dict(await call.initial_metadata())["cache-control"] == "public, max-age=30"
