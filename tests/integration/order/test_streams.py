"""Streams of watched orders: each change arrives within a second and in order, and streams can be resumed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import grpc
import pytest
from jainshikanji.order.v1 import order_service_pb2 as api
from jainshikanji.order.v1.order_pb2 import OrderStatus
from jainshikanji.order.v1.order_service_pb2_grpc import OrderServiceStub
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod
from jainshikanji.type.v1.fulfilment_type_pb2 import FulfilmentType

from services.order.wire.requests import version_from_header
from tests.harness import rpc_error
from tests.integration.order.conftest import Guest, World
from tests.integration.order.test_transitions import assign_courier

Event = tuple[str, str, Any]


async def stream(stub: OrderServiceStub, order_id: str, last_event_id: str = "") -> AsyncIterator[Event]:
    """(event, id, data) as a browser would read them; comments as ("", "", text)."""
    metadata = (("last-event-id", last_event_id),) if last_event_id else ()
    async for body in stub.WatchOrder(api.WatchOrderRequest(id=order_id), metadata=metadata):
        assert body.content_type == "text/event-stream"
        text = body.data.decode()
        assert text.endswith("\n\n")
        if text.startswith((":", "retry:")):
            yield "", "", text.strip()
            continue
        fields = dict(line.split(": ", 1) for line in text.strip().splitlines())
        yield fields["event"], fields.get("id", ""), json.loads(fields["data"])


async def following(events: AsyncIterator[Event], name: str, seconds: float = 1.5) -> Event:
    """The next event of that name."""
    async with asyncio.timeout(seconds):
        async for event in events:
            if event[0] == name:
                return event
    raise AssertionError(f"no {name}")


async def statuses(events: AsyncIterator[Event], count: int) -> list[tuple[str, str]]:
    return [(event[1], event[2]["status"]) for event in [await following(events, "status") for _ in range(count)]]


async def test_the_history_is_followed_by_each_change_within_a_second(world: World, guest: Guest) -> None:
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    events = stream(world.stub(guest.identity), order.id)
    assert await statuses(events, 1) == [("1", "PENDING")]
    await world.pay(order)
    async with asyncio.timeout(1):
        assert await statuses(events, 1) == [("2", "CONFIRMED")]
    cashier = world.staff("cashier")
    for version, status in (("3", OrderStatus.PREPARING), ("4", OrderStatus.READY), ("5", OrderStatus.DELIVERED)):
        await world.move(cashier, order.id, status)
        async with asyncio.timeout(1):
            assert await statuses(events, 1) == [(version, OrderStatus.Value.Name(status))]
    assert (await following(events, "end"))[2] == {"reason": "CLOSED"}
    with pytest.raises(StopAsyncIteration):
        await anext(events)


async def test_a_stream_resumes_after_the_last_event_id(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    cashier = world.staff("cashier")
    await world.move(cashier, order.id, OrderStatus.PREPARING)
    await world.move(cashier, order.id, OrderStatus.READY)
    events = stream(world.stub(guest.identity), order.id, last_event_id="2")
    assert await statuses(events, 2) == [("3", "PREPARING"), ("4", "READY")]


async def test_a_change_in_another_replica_is_streamed(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    other = await world.platform.launch("order")
    try:
        stub = world.platform.stub_at(other.mesh_port, "order", OrderServiceStub, guest.identity)
        events = stream(stub, order.id)
        await statuses(events, 2)
        await world.move(world.staff("chef"), order.id, OrderStatus.PREPARING)
        async with asyncio.timeout(1):
            assert await statuses(events, 1) == [("3", "PREPARING")]
    finally:
        await other.stop()


async def test_a_draining_replica_ends_its_streams(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    other = await world.platform.launch("order")
    stub = world.platform.stub_at(other.mesh_port, "order", OrderServiceStub, guest.identity)
    events = stream(stub, order.id)
    await statuses(events, 2)
    async with asyncio.timeout(4):
        stopping = asyncio.create_task(other.stop())
        assert (await following(events, "end"))[2] == {"reason": "RECONNECT"}
        await stopping


async def test_positions_and_notes_are_streamed(world: World, guest: Guest) -> None:
    order = await world.place(guest, fulfilment_type=FulfilmentType.DELIVERY)
    courier = await assign_courier(world, order)
    for status in (OrderStatus.PREPARING, OrderStatus.READY, OrderStatus.OUT_FOR_DELIVERY):
        await world.move(world.staff("manager"), order.id, status)
    events = stream(world.stub(guest.identity), order.id)
    await statuses(events, 5)
    here = api.ReportPositionRequest(id=order.id, location={"latitude": 19.06, "longitude": 72.84}, message="2 min")
    await world.staff("delivery", courier).ReportPosition(here)
    name, identity, position = await following(events, "position")
    assert (name, identity) == ("position", "")
    assert position["location"] == {"latitude": 19.06, "longitude": 72.84}
    note = api.AddTimelineNoteRequest(id=order.id, note="पास में हूँ", visible_to_customer=True)
    await world.staff("manager").AddTimelineNote(note)
    assert (await following(events, "status"))[2]["note"] == "पास में हूँ"


async def test_internal_notes_are_not_streamed_to_customers(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    events = stream(world.stub(guest.identity), order.id)
    await statuses(events, 2)
    cashier = world.staff("cashier")
    await cashier.AddTimelineNote(api.AddTimelineNoteRequest(id=order.id, note="rude"))
    await world.move(cashier, order.id, OrderStatus.PREPARING)
    assert await statuses(events, 1) == [("4", "PREPARING")]


async def test_an_idle_stream_has_heartbeats(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    events = stream(world.stub(guest.identity), order.id)
    await statuses(events, 2)
    assert (await following(events, ""))[2] == ": alive"


async def test_the_stream_of_a_closed_order_ends_after_its_history(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    await world.stub(guest.identity).CancelOrder(api.CancelOrderRequest(id=order.id))
    events = [event async for event in stream(world.stub(guest.identity), order.id)]
    assert [event[2]["status"] for event in events if event[0] == "status"] == ["PENDING", "CONFIRMED", "CANCELLED"]
    assert events[-1] == ("end", "", {"reason": "CLOSED"})


async def test_an_order_of_another_customer_cannot_be_watched(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await anext(stream(world.stub(Guest().identity), order.id))
    assert rpc_error(failed.value).code is grpc.StatusCode.NOT_FOUND


async def test_ended_streams_are_removed(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    call = world.stub(guest.identity).WatchOrder(api.WatchOrderRequest(id=order.id))
    await call.read()
    assert UUID(order.id) in world.app.watchers._wakeups
    call.cancel()
    async with asyncio.timeout(2):
        while UUID(order.id) in world.app.watchers._wakeups:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("header", "seen"),
    [
        ("7", 7),
        ("", 0),
        ("-1", 0),
        ("1e3", 0),
        ("7; DROP", 0),
        ("99999999999999999999", 0),
        ("٣", 0),
        ("2147483648", 0),
    ],
)
def test_a_last_event_id_that_is_no_version_is_ignored(header: str, seen: int) -> None:
    assert version_from_header(header) == seen
