"""Visibility, lists and copies of orders, and the erasure of a customer."""

from __future__ import annotations

import grpc
import pytest
from jainshikanji.customer.v1.events_pb2 import CustomerErased
from jainshikanji.loyalty.v1.events_pb2 import PointsEarned, PointsReversed
from jainshikanji.order.v1 import order_service_pb2 as api
from jainshikanji.order.v1.order_pb2 import OrderStatus
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod
from jainshikanji.review.v1.events_pb2 import ReviewPosted
from jainshikanji.store.v1.staff_pb2 import StaffJob
from jainshikanji.type.v1.fulfilment_type_pb2 import FulfilmentType

from chassis.clock import now
from chassis.database import sql
from chassis.ids import new_id
from tests.harness import rpc_error
from tests.integration.order.conftest import Guest, World
from tests.integration.order.test_transitions import assign_courier, hire_staff

GET_EVERYTHING_AS_TEXT = sql(
    """
    SELECT orders::text
        || coalesce((SELECT string_agg(t::text, '') FROM order_timeline t WHERE t.order_id = orders.id), '')
        || coalesce((SELECT string_agg(i::text, '') FROM order_items i WHERE i.order_id = orders.id), '')
        || (SELECT count(*) FROM order_tracking p WHERE p.order_id = orders.id)
    FROM orders WHERE id = %(id)s::uuid
    """,
    value=str,
)


async def test_pages_show_every_order_once_newest_first(world: World, guest: Guest) -> None:
    placed = [(await world.place(guest)).id for _ in range(7)]
    stub = world.stub(guest.identity)
    request = api.ListOrdersRequest(page_size=3)
    seen: list[str] = []
    while True:
        page = await stub.ListOrders(request)
        seen += [order.id for order in page.orders]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert seen == placed[::-1]


async def test_a_page_token_of_another_list_is_rejected(world: World, guest: Guest) -> None:
    for _ in range(2):
        await world.place(guest)
    token = (await world.stub(guest.identity).ListOrders(api.ListOrdersRequest(page_size=1))).next_page_token
    for request, identity in (
        (api.ListOrdersRequest(page_token=token, status=OrderStatus.READY), guest.identity),
        (api.ListOrdersRequest(page_token=token), Guest().identity),
        (api.ListOrdersRequest(page_token=token[:-2] + "zz"), guest.identity),
        (api.ListOrdersRequest(page_token="' OR 1=1"), guest.identity),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await world.stub(identity).ListOrders(request)
        assert "pageToken" in rpc_error(failed.value).violations


async def test_each_caller_sees_only_visible_orders(world: World, guest: Guest) -> None:
    mine = await world.place(guest)
    theirs = await world.place(Guest())
    everything = api.ListOrdersRequest(store_id=str(world.store_id))

    async def ids_for(stub: object) -> set[str]:
        return {order.id for order in (await stub.ListOrders(everything)).orders}  # type: ignore[attr-defined]

    assert await ids_for(world.stub(guest.identity)) == {mine.id}
    assert await ids_for(world.staff("cashier")) == {mine.id, theirs.id}
    assert await ids_for(world.staff("manager", store_id=new_id())) == set()
    assert await ids_for(world.admin()) == {mine.id, theirs.id}
    assert await ids_for(world.staff("delivery")) == set()


async def test_staff_see_their_own_orders_in_other_stores(world: World) -> None:
    account = new_id()
    own = await world.place(Guest(account))
    stub = world.staff("chef", account, store_id=new_id())
    assert own.id in {order.id for order in (await stub.ListOrders(api.ListOrdersRequest())).orders}


async def test_a_customer_cannot_list_orders_of_another(world: World, guest: Guest) -> None:
    other = Guest()
    await world.place(other)
    stub = world.stub(guest.identity)
    assert not (await stub.ListOrders(api.ListOrdersRequest(customer_id=str(other.id)))).orders
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await stub.ListCustomerOrders(api.ListCustomerOrdersRequest(customer_id=str(other.id)))
    assert failed.value.code() is grpc.StatusCode.NOT_FOUND
    own = await world.place(guest)
    mine = await stub.ListCustomerOrders(api.ListCustomerOrdersRequest(customer_id=str(guest.id)))
    assert [order.id for order in mine.orders] == [own.id]


async def test_chefs_do_not_see_contacts(world: World, guest: Guest) -> None:
    order = await world.place(guest, fulfilment_type=FulfilmentType.DELIVERY, delivery_instructions="gate 7")
    request = api.ListStoreOrdersRequest(store_id=str(world.store_id), status=OrderStatus.CONFIRMED)
    (seen,) = (await world.staff("chef").ListStoreOrders(request)).orders
    assert seen.id == order.id
    assert seen.items == order.items
    assert (seen.customer_email, seen.customer_phone, seen.delivery_instructions) == ("", "", "")
    assert not seen.HasField("delivery_address")
    (full,) = (await world.staff("support").ListStoreOrders(request)).orders
    assert full.customer_phone == "+919876543210"


async def test_a_courier_lists_assigned_orders(world: World, guest: Guest) -> None:
    order = await world.place(guest, fulfilment_type=FulfilmentType.DELIVERY)
    await world.place(guest)
    courier = await assign_courier(world, order)
    request = api.ListStoreOrdersRequest(store_id=str(world.store_id))
    seen = (await world.staff("delivery", courier).ListStoreOrders(request)).orders
    assert [item.id for item in seen] == [order.id]
    assert seen[0].customer_phone


async def test_orders_of_another_store_are_not_found(world: World) -> None:
    request = api.ListStoreOrdersRequest(store_id=str(world.store_id))
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.staff("manager", store_id=new_id()).ListStoreOrders(request)
    assert failed.value.code() is grpc.StatusCode.NOT_FOUND


async def test_orders_are_filtered_by_time(world: World, guest: Guest) -> None:
    before = now()
    order = await world.place(guest)
    stub = world.stub(guest.identity)
    found = await stub.ListOrders(api.ListOrdersRequest(created_from=before))
    assert [item.id for item in found.orders] == [order.id]
    assert not (await stub.ListOrders(api.ListOrdersRequest(created_before=before))).orders


async def test_other_services_read_states_of_orders(world: World, guest: Guest) -> None:
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    unknown = str(new_id())
    states = await world.states(order.id, unknown)
    assert set(states) == {order.id}
    assert states[order.id].status == OrderStatus.PENDING
    assert states[order.id].customer_id == str(guest.id)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.stub(guest.identity).BatchGetOrderStates(api.BatchGetOrderStatesRequest(order_ids=[order.id]))
    assert failed.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_points_and_ratings_follow_their_events(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    await world.consume(
        PointsEarned(order_id=order.id, points=24, order_points=24),
        ReviewPosted(order_id=order.id, rating=5, order_rating=4),
    )
    seen = await world.get(guest, order.id)
    assert (seen.loyalty_points_earned, seen.rating) == (24, 4)
    await world.consume(PointsReversed(order_id=order.id, points=24, order_points=0))
    assert (await world.get(guest, order.id)).loyalty_points_earned == 0


async def test_erasure_of_a_customer_keeps_only_amounts(world: World, guest: Guest) -> None:
    order = await world.place(
        guest,
        fulfilment_type=FulfilmentType.DELIVERY,
        delivery_instructions="gate 7",
        special_instructions="for my uncle Suresh",
        lines=[{"product_id": world.product_id, "quantity": 1, "special_instructions": "for Suresh"}],
    )
    courier = await hire_staff(world, StaffJob.DELIVERY)
    manager = world.staff("manager")
    await manager.AssignOrder(api.AssignOrderRequest(id=order.id, delivery_person_id=str(courier)))
    for status in (OrderStatus.PREPARING, OrderStatus.READY):
        await world.move(manager, order.id, status)
    await world.staff("delivery", courier).ReportPosition(
        api.ReportPositionRequest(id=order.id, location={"latitude": 19.06, "longitude": 72.84})
    )
    await manager.AddTimelineNote(api.AddTimelineNoteRequest(id=order.id, note="Suresh called"))
    await world.consume(CustomerErased(customer_id=str(guest.id)))
    text = await world.app.db.one(GET_EVERYTHING_AS_TEXT, id=order.id)
    assert text is not None
    assert text.endswith("0")
    for personal in ("Shah", "Suresh", "gate 7"):
        assert personal not in text
    left = await world.admin().GetOrder(api.GetOrderRequest(id=order.id))
    assert (left.customer_name, left.customer_email, left.customer_phone) == ("", "", "")
    assert not left.HasField("delivery_address")
    assert left.amounts == order.amounts
