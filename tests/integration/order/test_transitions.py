"""Transitions of orders: who may perform them, what they write and publish, and what is rejected."""

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
from services.order.errors import PaymentMismatch
from services.order.usecases import partitions, recovery
from tests.harness import RpcFailure, rpc_error
from tests.integration.order.conftest import Guest, World
from tests.integration.order.fake_services import be_unavailable, money

EXPIRE = sql("UPDATE orders SET payment_expires_at = now() - interval '1 second' WHERE id = %(id)s::uuid")


async def error_of(call: Any) -> RpcFailure:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return rpc_error(failed.value)


async def hire_staff(world: World, job: Any) -> Any:
    account = new_id()
    await world.consume(
        StaffGranted(staff_id=str(new_id()), version=1, account_id=str(account), store_id=str(world.store_id), job=job)
    )
    return account


async def assign_courier(world: World, order: Order) -> Any:
    """Hires a courier and assigns the order."""
    courier = await hire_staff(world, StaffJob.DELIVERY)
    await world.staff("manager").AssignOrder(api.AssignOrderRequest(id=order.id, delivery_person_id=str(courier)))
    return courier


async def test_a_delivery_from_placement_to_handover(world: World, guest: Guest) -> None:
    order = await world.place(guest, fulfilment_type=FulfilmentType.DELIVERY, payment_method=PaymentMethod.UPI)
    await world.pay(order)
    chef = new_id()
    order = await world.move(world.staff("chef", chef), order.id, OrderStatus.PREPARING)
    assert order.assigned_staff_id == str(chef)
    await world.move(world.staff("chef", chef), order.id, OrderStatus.READY)
    courier = await assign_courier(world, order)
    await world.move(world.staff("delivery", courier), order.id, OrderStatus.OUT_FOR_DELIVERY)
    order = await world.move(world.staff("delivery", courier), order.id, OrderStatus.DELIVERED)
    assert order.status == OrderStatus.DELIVERED
    assert order.payment_status == PaymentStatus.COMPLETED
    for field in ("accepted_at", "preparing_at", "ready_at", "dispatched_at", "delivered_at"):
        assert order.HasField(field)
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
    seen = [OrderStatus.Value.Name(entry.status) for entry in history.entries]
    assert seen == ["PENDING", "CONFIRMED", "PREPARING", "READY", "OUT_FOR_DELIVERY", "DELIVERED"]
    assert [entry.version for entry in history.entries] == [1, 2, 3, 4, 6, 7]
    assert not any(entry.actor_id for entry in history.entries)


async def test_a_pickup_order_is_paid_and_delivered_at_the_counter(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    cashier = world.staff("cashier")
    for status in (OrderStatus.PREPARING, OrderStatus.READY):
        await world.move(cashier, order.id, status)
    error = await error_of(world.move(cashier, order.id, OrderStatus.OUT_FOR_DELIVERY))
    assert error.reason == "ORDER_TRANSITION_REFUSED"
    await world.move(cashier, order.id, OrderStatus.DELIVERED)
    history = await cashier.GetTimeline(api.GetTimelineRequest(id=order.id))
    assert history.entries[-1].note == "cash received: 252.00"
    assert history.entries[-1].actor == "cashier"
    await world.pay(order, cash=True)
    order = await world.get(guest, order.id)
    assert order.payment_status == PaymentStatus.COMPLETED
    assert order.status == OrderStatus.DELIVERED


async def test_a_transition_cannot_be_skipped(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    error = await error_of(world.move(world.staff("manager"), order.id, OrderStatus.READY))
    assert error.code is grpc.StatusCode.ABORTED
    assert error.metadata == {"current": "CONFIRMED", "target": "READY"}


@pytest.mark.parametrize("status", [OrderStatus.CONFIRMED, OrderStatus.PENDING, OrderStatus.REFUNDED, 0, 77])
async def test_staff_cannot_confirm_an_order(world: World, guest: Guest, status: Any) -> None:
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    error = await error_of(world.move(world.admin(), order.id, status))
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert (await world.get(guest, order.id)).status == OrderStatus.PENDING


async def test_a_repeated_transition_changes_nothing(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    first = await world.move(world.staff("chef"), order.id, OrderStatus.PREPARING)
    assert await world.move(world.staff("manager"), order.id, OrderStatus.PREPARING) == await _as_manager(world, first)


async def _as_manager(world: World, order: Order) -> Order:
    return await world.staff("manager").GetOrder(api.GetOrderRequest(id=order.id))


async def test_a_request_with_an_old_version_is_rejected(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    error = await error_of(world.move(world.staff("chef"), order.id, OrderStatus.PREPARING, version=1))
    assert error.reason == "STALE_ORDER"
    assert error.metadata == {"seen_version": "1", "current_version": "2"}
    moved = await world.move(world.staff("chef"), order.id, OrderStatus.PREPARING, version=2)
    assert moved.version == 3


async def test_concurrent_requests_make_one_transition(world: World, guest: Guest) -> None:
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
    error = await error_of(world.move(world.staff(job), order.id, status, note="x"))
    assert error.code is grpc.StatusCode.PERMISSION_DENIED
    assert (await world.get(guest, order.id)).version == order.version


async def test_an_order_that_the_caller_may_not_see_is_not_found(world: World, guest: Guest) -> None:
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
            error = await error_of(call)
            missing = await error_of(world.stub(Guest().identity).GetOrder(api.GetOrderRequest(id=str(new_id()))))
            if error.code is grpc.StatusCode.PERMISSION_DENIED:
                # The contract does not permit couriers to cancel, whatever the order.
                continue
            assert error == missing
    assert (await world.get(guest, order.id)).version == order.version


async def test_a_courier_moves_only_assigned_orders(world: World, guest: Guest) -> None:
    order = await world.place(guest, fulfilment_type=FulfilmentType.DELIVERY)
    await world.move(world.staff("chef"), order.id, OrderStatus.PREPARING)
    await world.move(world.staff("chef"), order.id, OrderStatus.READY)
    stranger = await hire_staff(world, StaffJob.DELIVERY)
    error = await error_of(world.move(world.staff("delivery", stranger), order.id, OrderStatus.OUT_FOR_DELIVERY))
    assert error.code is grpc.StatusCode.NOT_FOUND
    courier = await assign_courier(world, order)
    await world.move(world.staff("delivery", courier), order.id, OrderStatus.OUT_FOR_DELIVERY)


async def test_only_staff_with_the_job_can_be_assigned(world: World, guest: Guest) -> None:
    order = await world.place(guest, fulfilment_type=FulfilmentType.DELIVERY)
    manager = world.staff("manager")
    chef = await hire_staff(world, StaffJob.CHEF)
    as_courier = manager.AssignOrder(api.AssignOrderRequest(id=order.id, delivery_person_id=str(chef)))
    assert (await error_of(as_courier)).reason == "STAFF_NOT_ASSIGNABLE"
    changed = await manager.AssignOrder(api.AssignOrderRequest(id=order.id, assigned_staff_id=str(chef)))
    assert changed.assigned_staff_id == str(chef)
    assert changed.delivery_person_id == ""


async def test_former_staff_cannot_be_assigned(world: World, guest: Guest) -> None:
    order = await world.place(guest, fulfilment_type=FulfilmentType.DELIVERY)
    member, account = str(new_id()), str(new_id())
    facts = {"staff_id": member, "account_id": account, "store_id": str(world.store_id), "job": StaffJob.DELIVERY}
    # The events arrive in reverse order.
    await world.consume(StaffRevoked(version=2, **facts), StaffGranted(version=1, **facts))
    call = world.staff("manager").AssignOrder(api.AssignOrderRequest(id=order.id, delivery_person_id=account))
    error = await error_of(call)
    assert (error.reason, error.metadata) == ("STAFF_NOT_ASSIGNABLE", {"job": "DELIVERY"})


async def test_a_closed_order_is_not_assigned(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    chef = await hire_staff(world, StaffJob.CHEF)
    await world.stub(guest.identity).CancelOrder(api.CancelOrderRequest(id=order.id))
    call = world.staff("manager").AssignOrder(api.AssignOrderRequest(id=order.id, assigned_staff_id=str(chef)))
    assert (await error_of(call)).reason == "ORDER_CLOSED"


async def test_a_customer_cancels_before_the_kitchen_starts(world: World, guest: Guest) -> None:
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


async def test_once_the_kitchen_has_started_only_staff_cancel(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    await world.move(world.staff("chef"), order.id, OrderStatus.PREPARING)
    error = await error_of(world.stub(guest.identity).CancelOrder(api.CancelOrderRequest(id=order.id)))
    assert error.reason == "ORDER_NOT_CANCELLABLE"
    support = world.staff("support")
    without_reason = await error_of(support.CancelOrder(api.CancelOrderRequest(id=order.id)))
    assert "reason" in without_reason.violations
    cancelled = await support.CancelOrder(api.CancelOrderRequest(id=order.id, reason="burnt"))
    assert cancelled.cancellation_reason == CancellationReason.STORE_REQUEST
    event = await world.event(order.id, events.OrderCancelled)
    assert not event.restock
    assert not (await world.states(order.id))[order.id].restock


async def test_only_a_manager_cancels_a_failed_delivery(world: World, guest: Guest) -> None:
    order = await world.place(guest, fulfilment_type=FulfilmentType.DELIVERY)
    cashier, manager = world.staff("cashier"), world.staff("manager")
    for status in (OrderStatus.PREPARING, OrderStatus.READY, OrderStatus.OUT_FOR_DELIVERY):
        await world.move(cashier, order.id, status)
    denied = await error_of(cashier.CancelOrder(api.CancelOrderRequest(id=order.id, reason="no answer at the door")))
    assert denied.code is grpc.StatusCode.PERMISSION_DENIED
    cancelled = await world.move(manager, order.id, OrderStatus.CANCELLED, note="no answer at the door")
    assert cancelled.cancellation_reason == CancellationReason.DELIVERY_FAILED
    assert cancelled.cancellation_note == "no answer at the door"


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
    await world.consume(PaymentFailed(order_id=order.id))
    declined = await world.get(guest, order.id)
    assert (declined.status, declined.payment_status) == (OrderStatus.PENDING, PaymentStatus.FAILED)
    await world.pay(order)
    # The event of the declined attempt is delivered again, late.
    await world.consume(PaymentFailed(order_id=order.id))
    paid = await world.get(guest, order.id)
    assert (paid.status, paid.payment_status) == (OrderStatus.CONFIRMED, PaymentStatus.COMPLETED)


async def test_a_payment_of_another_amount_does_not_confirm_the_order(world: World, guest: Guest) -> None:
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    with pytest.raises(PaymentMismatch):
        await world.consume(PaymentCompleted(order_id=order.id, amount=money(1)))
    assert (await world.get(guest, order.id)).status == OrderStatus.PENDING


async def test_a_late_payment_of_a_cancelled_order_is_refunded(world: World, guest: Guest) -> None:
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    await world.stub(guest.identity).CancelOrder(api.CancelOrderRequest(id=order.id))
    await world.pay(order)
    late = await world.get(guest, order.id)
    assert (late.status, late.payment_status) == (OrderStatus.CANCELLED, PaymentStatus.COMPLETED)
    await world.refund(order)
    back = await world.get(guest, order.id)
    assert (back.status, back.payment_status) == (OrderStatus.REFUNDED, PaymentStatus.REFUNDED)
    assert (await world.event(order.id, events.OrderRefunded)).refunded == order.amounts.total


async def test_a_partial_refund_does_not_change_the_state(world: World, guest: Guest) -> None:
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    await world.pay(order)
    await world.refund(order, 1000)
    seen = await world.get(guest, order.id)
    assert (seen.status, seen.payment_status) == (OrderStatus.CONFIRMED, PaymentStatus.COMPLETED)
    history = await world.stub(guest.identity).GetTimeline(api.GetTimelineRequest(id=order.id))
    assert history.entries[-1].note == "10.00 refunded"


async def test_an_order_that_is_cancelled_after_its_refund_becomes_refunded(world: World, guest: Guest) -> None:
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    await world.pay(order)
    await world.refund(order)
    assert (await world.get(guest, order.id)).status == OrderStatus.CONFIRMED
    cancelled = await world.stub(guest.identity).CancelOrder(api.CancelOrderRequest(id=order.id))
    assert cancelled.status == OrderStatus.REFUNDED
    assert (await world.events(order.id))[-2:] == ["OrderCancelled", "OrderRefunded"]


async def test_an_unpaid_order_is_cancelled_when_it_expires(world: World, guest: Guest) -> None:
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    await recovery.cancel_unpaid_orders(world.app)
    assert (await world.get(guest, order.id)).status == OrderStatus.PENDING
    await world.app.db.run(EXPIRE, id=order.id)
    await recovery.cancel_unpaid_orders(world.app)
    cancelled = await world.get(guest, order.id)
    assert cancelled.status == OrderStatus.CANCELLED
    assert cancelled.cancellation_reason == CancellationReason.PAYMENT_TIMEOUT
    assert (await world.event(order.id, events.OrderCancelled)).restock


async def test_an_expired_order_that_is_paid_is_confirmed(world: World, guest: Guest) -> None:
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    world.fakes.captured.add(order.id)
    await world.app.db.run(EXPIRE, id=order.id)
    await recovery.cancel_unpaid_orders(world.app)
    confirmed = await world.get(guest, order.id)
    assert (confirmed.status, confirmed.payment_status) == (OrderStatus.CONFIRMED, PaymentStatus.COMPLETED)


async def test_an_expired_order_is_not_cancelled_while_payment_is_unavailable(world: World, guest: Guest) -> None:
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    world.fakes.before["ReconcileOrderPayment"] = be_unavailable
    await world.app.db.run(EXPIRE, id=order.id)
    await recovery.cancel_unpaid_orders(world.app)
    assert (await world.get(guest, order.id)).status == OrderStatus.PENDING
    world.fakes.behave()
    await recovery.cancel_unpaid_orders(world.app)
    assert (await world.get(guest, order.id)).status == OrderStatus.CANCELLED


async def test_customers_see_only_the_notes_for_them(world: World, guest: Guest) -> None:
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


async def test_positions_are_accepted_from_the_courier_during_delivery(world: World, guest: Guest) -> None:
    order = await world.place(guest, fulfilment_type=FulfilmentType.DELIVERY)
    courier = await assign_courier(world, order)
    stub = world.staff("delivery", courier)
    here = api.ReportPositionRequest(id=order.id, location={"latitude": 19.06, "longitude": 72.84})
    assert (await error_of(stub.ReportPosition(here))).reason == "ORDER_NOT_UNDER_WAY"
    for status in (OrderStatus.PREPARING, OrderStatus.READY, OrderStatus.OUT_FOR_DELIVERY):
        await world.move(world.staff("manager"), order.id, status)
    await stub.ReportPosition(here)
    here.location.latitude = 19.07
    await stub.ReportPosition(here)
    tracking = await world.stub(guest.identity).GetTracking(api.GetTrackingRequest(id=order.id))
    assert [position.location.latitude for position in tracking.positions] == [19.07, 19.06]
    manager = await error_of(world.staff("manager").ReportPosition(here))
    assert manager.code is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(("latitude", "longitude"), [(91, 0), (0, 181), (float("nan"), 0), (float("inf"), 0)])
async def test_invalid_coordinates_are_rejected(world: World, guest: Guest, latitude: float, longitude: float) -> None:
    order = await world.place(guest, fulfilment_type=FulfilmentType.DELIVERY)
    courier = await assign_courier(world, order)
    where = api.ReportPositionRequest(id=order.id, location={"latitude": latitude, "longitude": longitude})
    error = await error_of(world.staff("delivery", courier).ReportPosition(where))
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_invoice_shows_the_tax_of_an_accepted_order(world: World, guest: Guest) -> None:
    pending = await world.place(guest, payment_method=PaymentMethod.UPI)
    stub = world.stub(guest.identity)
    error = await error_of(stub.GetInvoice(api.GetInvoiceRequest(id=pending.id)))
    assert error.reason == "ORDER_NOT_INVOICED"
    await world.pay(pending)
    invoice = await stub.GetInvoice(api.GetInvoiceRequest(id=pending.id))
    assert invoice.amounts == pending.amounts
    assert invoice.supplier_gstin == "27AAAAA0000A1Z5"
    assert invoice.place_of_supply == "Maharashtra"
    assert invoice.payment_status == PaymentStatus.COMPLETED


async def test_partitions_are_created_in_advance(world: World) -> None:
    await partitions.create_partitions(world.app)
    await partitions.create_partitions(world.app)
    name = f"orders_y{now():%Y}m{now():%m}"
    partition = await world.app.db.one(sql("SELECT to_regclass(%(name)s)::text", value=str), name=name)
    assert partition is not None


async def test_orders_go_to_the_partition_of_their_month(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    query = sql("SELECT tableoid::regclass::text FROM orders WHERE id = %(id)s::uuid", value=str)
    table = await world.app.db.one(query, id=order.id)
    assert table == f"orders_y{now():%Y}m{now():%m}"
