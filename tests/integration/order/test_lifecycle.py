"""An order's life: who moves it, what each step writes and announces, and what is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from jainshikanji.order.v1 import events_pb2 as events
from jainshikanji.order.v1 import order_service_pb2 as api
from jainshikanji.order.v1.order_pb2 import CancellationReason, Order, OrderStatus, PaymentStatus
from jainshikanji.payment.v1.events_pb2 import PaymentCompleted, PaymentFailed
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod
from jainshikanji.store.v1.events_pb2 import StaffGranted, StaffRevoked
from jainshikanji.store.v1.staff_pb2 import StaffJob
from jainshikanji.type.v1.fulfilment_type_pb2 import FulfilmentType

from chassis.clock import now
from chassis.database import sql
from chassis.ids import new_id
from services.order.usecases import recovery
from services.order.usecases.hearing import PaymentMismatch
from services.order.wire.words import money
from tests.harness import Refused, refusal
from tests.integration.order.conftest import Guest, World
from tests.integration.order.peers import breakdown

EXPIRE = sql("UPDATE orders SET payment_expires_at = now() - interval '1 second' WHERE id = %(id)s::uuid")


async def failing(call: Any) -> Refused:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return refusal(failed.value)


async def hired(world: World, job: Any) -> Any:
    account = new_id()
    await world.hear(
        StaffGranted(staff_id=str(new_id()), version=1, account_id=str(account), store_id=str(world.store_id), job=job)
    )
    return account


async def assigned(world: World, order: Order) -> Any:
    """The order's courier, hired and given the order."""
    courier = await hired(world, StaffJob.DELIVERY)
    await world.staff("manager").AssignOrder(api.AssignOrderRequest(id=order.id, delivery_person_id=str(courier)))
    return courier


async def test_the_whole_road_of_a_delivery(world: World, guest: Guest) -> None:
    order = await world.place(guest, fulfilment_type=FulfilmentType.DELIVERY, payment_method=PaymentMethod.UPI)
    await world.pay(order)
    chef = new_id()
    order = await world.move(world.staff("chef", chef), order.id, OrderStatus.PREPARING)
    assert order.assigned_staff_id == str(chef)
    await world.move(world.staff("chef", chef), order.id, OrderStatus.READY)
    courier = await assigned(world, order)
    await world.move(world.staff("delivery", courier), order.id, OrderStatus.OUT_FOR_DELIVERY)
    order = await world.move(world.staff("delivery", courier), order.id, OrderStatus.DELIVERED)
    assert order.status == OrderStatus.DELIVERED
    assert order.payment_status == PaymentStatus.COMPLETED
    for moment in ("accepted_at", "preparing_at", "ready_at", "dispatched_at", "delivered_at"):
        assert order.HasField(moment)
    assert await world.events(order.id) == [
        "OrderCreated",
        "OrderConfirmed",
        "OrderPreparing",
        "OrderReady",
        "OrderAssigned",
        "OrderDispatched",
        "OrderDelivered",
    ]
    delivered = await world.event(order.id, events.OrderDelivered)
    assert delivered.delivered_by == str(courier)
    assert delivered.items[0].product_id == world.product_id
    assert delivered.version == order.version == 7
    history = await world.stub(guest.identity).GetTimeline(api.GetTimelineRequest(id=order.id))
    told = [OrderStatus.Value.Name(entry.status) for entry in history.entries]
    assert told == ["PENDING", "CONFIRMED", "PREPARING", "READY", "OUT_FOR_DELIVERY", "DELIVERED"]
    assert [entry.version for entry in history.entries] == [1, 2, 3, 4, 6, 7]
    assert not any(entry.actor_id for entry in history.entries)


async def test_pickup_is_handed_over_at_the_counter_and_pays_there(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    cashier = world.staff("cashier")
    for status in (OrderStatus.PREPARING, OrderStatus.READY):
        await world.move(cashier, order.id, status)
    refused = await failing(world.move(cashier, order.id, OrderStatus.OUT_FOR_DELIVERY))
    assert refused.reason == "ORDER_TRANSITION_REFUSED"
    await world.move(cashier, order.id, OrderStatus.DELIVERED)
    history = await cashier.GetTimeline(api.GetTimelineRequest(id=order.id))
    assert history.entries[-1].note == "cash received: 252.00"
    assert history.entries[-1].actor == "cashier"
    await world.pay(order, cash=True)
    order = await world.get(guest, order.id)
    assert order.payment_status == PaymentStatus.COMPLETED
    assert order.status == OrderStatus.DELIVERED


async def test_a_step_is_not_skipped(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    refused = await failing(world.move(world.staff("manager"), order.id, OrderStatus.READY))
    assert refused.code is grpc.StatusCode.ABORTED
    assert refused.metadata == {"current": "CONFIRMED", "target": "READY"}


@pytest.mark.parametrize("status", [OrderStatus.CONFIRMED, OrderStatus.PENDING, OrderStatus.REFUNDED, 0, 77])
async def test_nobody_confirms_by_hand(world: World, guest: Guest, status: Any) -> None:
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    refused = await failing(world.move(world.admin(), order.id, status))
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert (await world.get(guest, order.id)).status == OrderStatus.PENDING


async def test_repeating_a_step_changes_nothing(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    first = await world.move(world.staff("chef"), order.id, OrderStatus.PREPARING)
    assert await world.move(world.staff("manager"), order.id, OrderStatus.PREPARING) == await _as_manager(world, first)


async def _as_manager(world: World, order: Order) -> Order:
    return await world.staff("manager").GetOrder(api.GetOrderRequest(id=order.id))


async def test_a_command_on_an_old_version_is_refused(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    refused = await failing(world.move(world.staff("chef"), order.id, OrderStatus.PREPARING, version=1))
    assert refused.reason == "STALE_ORDER"
    assert refused.metadata == {"seen_version": "1", "current_version": "2"}
    moved = await world.move(world.staff("chef"), order.id, OrderStatus.PREPARING, version=2)
    assert moved.version == 3


async def test_two_who_press_at_once_make_one_step(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    chefs = [world.staff("chef") for _ in range(6)]
    orders = await asyncio.gather(*(world.move(chef, order.id, OrderStatus.PREPARING) for chef in chefs))
    assert {moved.version for moved in orders} == {3}
    assert (await world.events(order.id)).count("OrderPreparing") == 1


@pytest.mark.parametrize(
    ("job", "status"),
    [
        ("chef", OrderStatus.DELIVERED),
        ("chef", OrderStatus.CANCELLED),
        ("support", OrderStatus.PREPARING),
    ],
)
async def test_the_wrong_job_is_denied(world: World, guest: Guest, job: str, status: Any) -> None:
    order = await world.place(guest)
    refused = await failing(world.move(world.staff(job), order.id, status, note="x"))
    assert refused.code is grpc.StatusCode.PERMISSION_DENIED
    assert (await world.get(guest, order.id)).version == order.version


async def test_what_is_not_theirs_is_not_there(world: World, guest: Guest) -> None:
    order = await world.place(guest, fulfilment_type=FulfilmentType.DELIVERY)
    strangers = [
        world.stub(Guest().identity),
        world.staff("manager", store_id=new_id()),
        world.staff("delivery"),
    ]
    for stub in strangers:
        for call in (
            stub.GetOrder(api.GetOrderRequest(id=order.id)),
            stub.GetTimeline(api.GetTimelineRequest(id=order.id)),
            stub.GetTracking(api.GetTrackingRequest(id=order.id)),
            stub.GetInvoice(api.GetInvoiceRequest(id=order.id)),
            stub.CancelOrder(api.CancelOrderRequest(id=order.id, reason="x")),
        ):
            refused = await failing(call)
            missing = await failing(world.stub(Guest().identity).GetOrder(api.GetOrderRequest(id=str(new_id()))))
            if refused.code is grpc.StatusCode.PERMISSION_DENIED:
                # A courier may not cancel anything at all: the contract says so before any order is looked at.
                continue
            assert refused == missing
    assert (await world.get(guest, order.id)).version == order.version


async def test_a_courier_moves_only_assigned_orders(world: World, guest: Guest) -> None:
    order = await world.place(guest, fulfilment_type=FulfilmentType.DELIVERY)
    await world.move(world.staff("chef"), order.id, OrderStatus.PREPARING)
    await world.move(world.staff("chef"), order.id, OrderStatus.READY)
    stranger = await hired(world, StaffJob.DELIVERY)
    refused = await failing(world.move(world.staff("delivery", stranger), order.id, OrderStatus.OUT_FOR_DELIVERY))
    assert refused.code is grpc.StatusCode.NOT_FOUND
    courier = await assigned(world, order)
    await world.move(world.staff("delivery", courier), order.id, OrderStatus.OUT_FOR_DELIVERY)


async def test_only_staff_with_the_job_can_be_assigned(world: World, guest: Guest) -> None:
    order = await world.place(guest, fulfilment_type=FulfilmentType.DELIVERY)
    manager = world.staff("manager")
    chef = await hired(world, StaffJob.CHEF)
    as_courier = manager.AssignOrder(api.AssignOrderRequest(id=order.id, delivery_person_id=str(chef)))
    assert (await failing(as_courier)).reason == "STAFF_NOT_ASSIGNABLE"
    given = await manager.AssignOrder(api.AssignOrderRequest(id=order.id, assigned_staff_id=str(chef)))
    assert given.assigned_staff_id == str(chef)
    assert given.delivery_person_id == ""


async def test_somebody_who_left_cannot_be_assigned(world: World, guest: Guest) -> None:
    order = await world.place(guest, fulfilment_type=FulfilmentType.DELIVERY)
    member, account = str(new_id()), str(new_id())
    facts = {"staff_id": member, "account_id": account, "store_id": str(world.store_id), "job": StaffJob.DELIVERY}
    # The news of leaving overtakes that of coming.
    await world.hear(StaffRevoked(version=2, **facts), StaffGranted(version=1, **facts))
    call = world.staff("manager").AssignOrder(api.AssignOrderRequest(id=order.id, delivery_person_id=account))
    refused = await failing(call)
    assert (refused.reason, refused.metadata) == ("STAFF_NOT_ASSIGNABLE", {"job": "DELIVERY"})


async def test_a_closed_order_is_not_assigned(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    chef = await hired(world, StaffJob.CHEF)
    await world.stub(guest.identity).CancelOrder(api.CancelOrderRequest(id=order.id))
    call = world.staff("manager").AssignOrder(api.AssignOrderRequest(id=order.id, assigned_staff_id=str(chef)))
    assert (await failing(call)).reason == "ORDER_CLOSED"


async def test_a_customer_cancels_before_the_kitchen_begins(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    stub = world.stub(guest.identity)
    cancelled = await stub.CancelOrder(api.CancelOrderRequest(id=order.id, reason="changed my mind"))
    assert cancelled.status == OrderStatus.CANCELLED
    assert cancelled.cancellation_reason == CancellationReason.CUSTOMER_REQUEST
    event = await world.event(order.id, events.OrderCancelled)
    assert event.restock
    assert event.cancelled_from == OrderStatus.CONFIRMED
    assert (await world.states(order.id))[order.id].restock
    assert await stub.CancelOrder(api.CancelOrderRequest(id=order.id)) == cancelled
    assert (await world.events(order.id)).count("OrderCancelled") == 1


async def test_later_the_food_is_consumed_and_only_staff_cancel(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    await world.move(world.staff("chef"), order.id, OrderStatus.PREPARING)
    refused = await failing(world.stub(guest.identity).CancelOrder(api.CancelOrderRequest(id=order.id)))
    assert refused.reason == "ORDER_NOT_CANCELLABLE"
    support = world.staff("support")
    without_reason = await failing(support.CancelOrder(api.CancelOrderRequest(id=order.id)))
    assert "reason" in without_reason.violations
    cancelled = await support.CancelOrder(api.CancelOrderRequest(id=order.id, reason="burnt"))
    assert cancelled.cancellation_reason == CancellationReason.STORE_REQUEST
    event = await world.event(order.id, events.OrderCancelled)
    assert not event.restock
    assert not (await world.states(order.id))[order.id].restock


async def test_a_failed_delivery_is_the_managers(world: World, guest: Guest) -> None:
    order = await world.place(guest, fulfilment_type=FulfilmentType.DELIVERY)
    cashier, manager = world.staff("cashier"), world.staff("manager")
    for status in (OrderStatus.PREPARING, OrderStatus.READY, OrderStatus.OUT_FOR_DELIVERY):
        await world.move(cashier, order.id, status)
    denied = await failing(cashier.CancelOrder(api.CancelOrderRequest(id=order.id, reason="nobody opened")))
    assert denied.code is grpc.StatusCode.PERMISSION_DENIED
    cancelled = await world.move(manager, order.id, OrderStatus.CANCELLED, note="nobody opened")
    assert cancelled.cancellation_reason == CancellationReason.DELIVERY_FAILED
    assert cancelled.cancellation_note == "nobody opened"


async def test_a_payment_confirms_once(world: World, guest: Guest) -> None:
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    await world.pay(order)
    await world.pay(order)
    order = await world.get(guest, order.id)
    assert order.status == OrderStatus.CONFIRMED
    assert order.payment_status == PaymentStatus.COMPLETED
    assert (await world.events(order.id)).count("OrderConfirmed") == 1


async def test_a_declined_attempt_leaves_the_order_payable(world: World, guest: Guest) -> None:
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    await world.hear(PaymentFailed(order_id=order.id))
    declined = await world.get(guest, order.id)
    assert (declined.status, declined.payment_status) == (OrderStatus.PENDING, PaymentStatus.FAILED)
    await world.pay(order)
    # The news of the declined attempt comes once more, late.
    await world.hear(PaymentFailed(order_id=order.id))
    paid = await world.get(guest, order.id)
    assert (paid.status, paid.payment_status) == (OrderStatus.CONFIRMED, PaymentStatus.COMPLETED)


async def test_a_wrong_amount_never_confirms(world: World, guest: Guest) -> None:
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    with pytest.raises(PaymentMismatch):
        await world.hear(PaymentCompleted(order_id=order.id, amount=money(1)))
    assert (await world.get(guest, order.id)).status == OrderStatus.PENDING


async def test_money_for_a_cancelled_order_goes_back_and_it_is_refunded(world: World, guest: Guest) -> None:
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    await world.stub(guest.identity).CancelOrder(api.CancelOrderRequest(id=order.id))
    await world.pay(order)
    late = await world.get(guest, order.id)
    assert (late.status, late.payment_status) == (OrderStatus.CANCELLED, PaymentStatus.COMPLETED)
    await world.refund(order)
    back = await world.get(guest, order.id)
    assert (back.status, back.payment_status) == (OrderStatus.REFUNDED, PaymentStatus.REFUNDED)
    assert (await world.event(order.id, events.OrderRefunded)).refunded == order.amounts.total


async def test_a_part_that_goes_back_changes_no_state(world: World, guest: Guest) -> None:
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    await world.pay(order)
    await world.refund(order, 1000)
    told = await world.get(guest, order.id)
    assert (told.status, told.payment_status) == (OrderStatus.CONFIRMED, PaymentStatus.COMPLETED)
    history = await world.stub(guest.identity).GetTimeline(api.GetTimelineRequest(id=order.id))
    assert history.entries[-1].note == "10.00 refunded"


async def test_money_that_went_back_first_makes_the_cancelled_order_refunded(world: World, guest: Guest) -> None:
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    await world.pay(order)
    await world.refund(order)
    assert (await world.get(guest, order.id)).status == OrderStatus.CONFIRMED
    cancelled = await world.stub(guest.identity).CancelOrder(api.CancelOrderRequest(id=order.id))
    assert cancelled.status == OrderStatus.REFUNDED
    assert (await world.events(order.id))[-2:] == ["OrderCancelled", "OrderRefunded"]


async def test_an_unpaid_order_is_cancelled_and_everything_goes_back(world: World, guest: Guest) -> None:
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    await recovery.cancel_unpaid(world.app)
    assert (await world.get(guest, order.id)).status == OrderStatus.PENDING
    await world.app.db.run(EXPIRE, id=order.id)
    await recovery.cancel_unpaid(world.app)
    cancelled = await world.get(guest, order.id)
    assert cancelled.status == OrderStatus.CANCELLED
    assert cancelled.cancellation_reason == CancellationReason.PAYMENT_TIMEOUT
    assert (await world.event(order.id, events.OrderCancelled)).restock


async def test_an_order_whose_payment_nobody_told_of_is_confirmed(world: World, guest: Guest) -> None:
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    world.peers.captured.add(order.id)
    await world.app.db.run(EXPIRE, id=order.id)
    await recovery.cancel_unpaid(world.app)
    confirmed = await world.get(guest, order.id)
    assert (confirmed.status, confirmed.payment_status) == (OrderStatus.CONFIRMED, PaymentStatus.COMPLETED)


async def test_while_payment_cannot_tell_nothing_is_given_up(world: World, guest: Guest) -> None:
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    world.peers.before["ReconcileOrderPayment"] = breakdown
    await world.app.db.run(EXPIRE, id=order.id)
    await recovery.cancel_unpaid(world.app)
    assert (await world.get(guest, order.id)).status == OrderStatus.PENDING
    world.peers.behave()
    await recovery.cancel_unpaid(world.app)
    assert (await world.get(guest, order.id)).status == OrderStatus.CANCELLED


async def test_a_note_is_told_to_whom_it_is_for(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    cashier = world.staff("cashier")
    internal = await cashier.AddTimelineNote(api.AddTimelineNoteRequest(id=order.id, note="guest was rude"))
    await cashier.AddTimelineNote(
        api.AddTimelineNoteRequest(id=order.id, note="ready at the side door", visible_to_customer=True)
    )
    assert internal.version == 3
    mine = await world.stub(guest.identity).GetTimeline(api.GetTimelineRequest(id=order.id))
    theirs = await cashier.GetTimeline(api.GetTimelineRequest(id=order.id))
    assert [entry.note for entry in mine.entries if entry.note] == ["ready at the side door"]
    assert [entry.note for entry in theirs.entries if entry.note] == ["guest was rude", "ready at the side door"]
    assert (await world.get(guest, order.id)).status == OrderStatus.CONFIRMED


async def test_positions_are_taken_from_the_courier_while_under_way(world: World, guest: Guest) -> None:
    order = await world.place(guest, fulfilment_type=FulfilmentType.DELIVERY)
    courier = await assigned(world, order)
    stub = world.staff("delivery", courier)
    here = api.ReportPositionRequest(id=order.id, location={"latitude": 19.06, "longitude": 72.84})
    assert (await failing(stub.ReportPosition(here))).reason == "ORDER_NOT_UNDER_WAY"
    for status in (OrderStatus.PREPARING, OrderStatus.READY, OrderStatus.OUT_FOR_DELIVERY):
        await world.move(world.staff("manager"), order.id, status)
    await stub.ReportPosition(here)
    here.location.latitude = 19.07
    await stub.ReportPosition(here)
    tracking = await world.stub(guest.identity).GetTracking(api.GetTrackingRequest(id=order.id))
    assert [position.location.latitude for position in tracking.positions] == [19.07, 19.06]
    manager = await failing(world.staff("manager").ReportPosition(here))
    assert manager.code is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(("latitude", "longitude"), [(91, 0), (0, 181), (float("nan"), 0), (float("inf"), 0)])
async def test_a_position_off_this_earth_is_refused(
    world: World, guest: Guest, latitude: float, longitude: float
) -> None:
    order = await world.place(guest, fulfilment_type=FulfilmentType.DELIVERY)
    courier = await assigned(world, order)
    where = api.ReportPositionRequest(id=order.id, location={"latitude": latitude, "longitude": longitude})
    refused = await failing(world.staff("delivery", courier).ReportPosition(where))
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_invoice_shows_the_tax_of_an_accepted_order(world: World, guest: Guest) -> None:
    pending = await world.place(guest, payment_method=PaymentMethod.UPI)
    stub = world.stub(guest.identity)
    refused = await failing(stub.GetInvoice(api.GetInvoiceRequest(id=pending.id)))
    assert refused.reason == "ORDER_NOT_INVOICED"
    await world.pay(pending)
    invoice = await stub.GetInvoice(api.GetInvoiceRequest(id=pending.id))
    assert invoice.amounts == pending.amounts
    assert invoice.supplier_gstin == "27AAAAA0000A1Z5"
    assert invoice.place_of_supply == "Maharashtra"
    assert invoice.payment_status == PaymentStatus.COMPLETED


async def test_months_ahead_have_their_partitions(world: World) -> None:
    await recovery.make_partitions(world.app)
    await recovery.make_partitions(world.app)
    partition = await world.app.db.value(
        sql("SELECT to_regclass(%(name)s)::text"), name=f"orders_y{now():%Y}m{now():%m}"
    )
    assert partition is not None


async def test_orders_go_to_the_partition_of_their_month(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    table = await world.app.db.value(
        sql("SELECT tableoid::regclass::text FROM orders WHERE id = %(id)s::uuid"), id=order.id
    )
    assert table == f"orders_y{now():%Y}m{now():%m}"
