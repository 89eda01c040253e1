"""One idempotency key places one order, even if clients disconnect or processes kill_process."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import grpc
import pytest
from jainshikanji.order.v1 import order_service_pb2 as api
from jainshikanji.order.v1.order_pb2 import Order, OrderStatus
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod

from chassis.ids import new_id
from services.order.usecases import recovery
from tests.harness import rpc_error
from tests.integration.order.conftest import Guest, World
from tests.integration.order.fake_services import hang


class Gate:
    """Blocks a call of a fake until it is opened."""

    def __init__(self) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> None:
        self.reached.set()
        await self.opened.wait()


async def kill_process(world: World, request: asyncio.Future[Any]) -> None:
    """Ends the process that places orders, without compensation or response."""
    for task in list(world.app._background):
        task.cancel()
    request.cancel()
    await asyncio.gather(request, *world.app._background, return_exceptions=True)


async def test_a_repeated_key_returns_the_order_as_it_is_now(world: World, guest: Guest) -> None:
    key = str(new_id())
    first = await world.place(guest, key)
    await world.move(world.staff("chef"), first.id, OrderStatus.PREPARING)
    again = await world.place(guest, key)
    assert again.id == first.id
    assert again.status == OrderStatus.PREPARING
    assert len(await world.orders_of(guest)) == 1


async def test_concurrent_requests_with_one_key_place_one_order(world: World, guest: Guest) -> None:
    key = str(new_id())
    orders = await asyncio.gather(*(world.place(guest, key) for _ in range(12)))
    assert len({order.id for order in orders}) == 1
    assert len(await world.orders_of(guest)) == 1
    assert Counter(world.fakes.calls)["ReserveStock"] == 1


async def test_a_key_with_another_body_is_rejected(world: World, guest: Guest) -> None:
    key = str(new_id())
    await world.place(guest, key)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.place(guest, key, special_instructions="no ice")
    assert rpc_error(failed.value).reason == "KEY_REUSED"


async def test_two_customers_may_use_the_same_key(world: World, guest: Guest) -> None:
    key, other = str(new_id()), Guest()
    assert (await world.place(guest, key)).id != (await world.place(other, key)).id


async def test_an_order_is_completed_after_its_client_disconnects(world: World, guest: Guest) -> None:
    gate, key = Gate(), str(new_id())
    world.fakes.after["ReserveStock"] = gate
    stub = world.stub(guest.identity.sending(idempotency_key=key))
    call = stub.CreateOrder(api.CreateOrderRequest(**world.cart()))
    waiting = asyncio.ensure_future(call)
    await gate.reached.wait()
    call.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    gate.opened.set()
    await world.app.wait_for_background_work(10)
    (placed,) = await world.orders_of(guest)
    assert placed.status == "confirmed"
    assert await world.sagas_of(guest) == []
    world.fakes.behave()
    assert (await world.place(guest, key)).id == str(placed.id)


async def test_clients_that_cancel_leave_no_reservation_without_an_order(world: World, guest: Guest) -> None:
    world.fakes.stock.clear()
    stub = world.stub(guest.identity)
    calls = []
    for number in range(60):
        call = stub.CreateOrder(
            api.CreateOrderRequest(**world.cart(payment_method=PaymentMethod.UPI)),
            metadata=(("idempotency-key", str(new_id())),),
        )
        calls.append(asyncio.ensure_future(call))
        asyncio.get_running_loop().call_later(number * 0.0007, call.cancel)
    await asyncio.gather(*calls, return_exceptions=True)
    await world.app.wait_for_background_work(10)
    placed = {str(row.id) for row in await world.orders_of(guest)}
    assert set(world.fakes.stock) == placed
    assert placed <= set(world.fakes.payments)
    assert await world.sagas_of(guest) == []


async def test_the_reservations_of_a_process_that_died_are_released(world: World, guest: Guest) -> None:
    gate, key = Gate(), str(new_id())
    world.fakes.stock.clear()
    world.fakes.after["ReserveStock"] = gate
    request = asyncio.ensure_future(world.place(guest, key, coupon_code="save10"))
    await gate.reached.wait()
    (saga,) = await world.sagas_of(guest)
    assert (await world.states(str(saga.order_id)))[str(saga.order_id)].status == OrderStatus.PENDING
    await kill_process(world, request)
    gate.opened.set()
    await recovery.recover_sagas(world.app)
    assert len(await world.sagas_of(guest)) == 1, "a saga that may be alive was taken over"
    await world.expire_lock(guest)
    await recovery.recover_sagas(world.app)
    assert await world.sagas_of(guest) == []
    assert world.fakes.stock == {}
    assert world.fakes.benefits == {} or str(saga.order_id) not in world.fakes.benefits
    assert await world.states(str(saga.order_id)) == {}
    world.fakes.behave()
    assert (await world.place(guest, key, coupon_code="save10")).status == OrderStatus.CONFIRMED


async def test_the_payment_of_a_process_that_died_is_started_by_another(world: World, guest: Guest) -> None:
    gate, key = Gate(), str(new_id())
    world.fakes.before["StartPayment"] = gate
    request = asyncio.ensure_future(world.place(guest, key, payment_method=PaymentMethod.UPI))
    await gate.reached.wait()
    await kill_process(world, request)
    gate.opened.set()
    world.fakes.behave()
    await world.expire_lock(guest)
    await recovery.recover_sagas(world.app)
    order = await world.place(guest, key, payment_method=PaymentMethod.UPI)
    assert order.payment.provider_order_id.startswith("order_")
    assert await world.sagas_of(guest) == []


async def test_the_response_to_a_cash_order_does_not_wait_for_its_payment(world: World, guest: Guest) -> None:
    gate, key = Gate(), str(new_id())
    world.fakes.before["StartPayment"] = gate
    order = await place_without_background_work(world, guest, key)
    assert order.status == OrderStatus.CONFIRMED
    await gate.reached.wait()
    assert order.id not in world.fakes.payments
    assert [str(saga.order_id) for saga in await world.sagas_of(guest)] == [order.id]
    gate.opened.set()
    await world.app.wait_for_background_work(10)
    assert order.id in world.fakes.payments
    assert await world.sagas_of(guest) == []


async def test_a_payment_that_was_due_after_the_response_is_started_by_another_process(
    world: World, guest: Guest
) -> None:
    gate, key = Gate(), str(new_id())
    world.fakes.before["StartPayment"] = gate
    placing = asyncio.ensure_future(place_without_background_work(world, guest, key))
    order = await placing
    await gate.reached.wait()
    await kill_process(world, placing)
    gate.opened.set()
    world.fakes.behave()
    world.fakes.payments.pop(order.id, None)
    await world.expire_lock(guest)
    await recovery.recover_sagas(world.app)
    assert order.id in world.fakes.payments
    assert await world.sagas_of(guest) == []


async def place_without_background_work(world: World, guest: Guest, key: str) -> Order:
    """The response to a cash order, without waiting for the work in the background."""
    stub = world.stub(guest.identity.sending(idempotency_key=key))
    return await stub.CreateOrder(api.CreateOrderRequest(**world.cart(payment_method=PaymentMethod.COD)))


async def test_a_slow_process_does_not_insert_an_order_whose_saga_was_taken_over(world: World, guest: Guest) -> None:
    gate = Gate()
    world.fakes.stock.clear()
    world.fakes.after["ReserveStock"] = gate
    request = asyncio.ensure_future(world.place(guest))
    await gate.reached.wait()
    await world.expire_lock(guest)
    await recovery.recover_sagas(world.app)
    gate.opened.set()
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await request
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
    assert await world.orders_of(guest) == []
    assert await world.sagas_of(guest) == []
    assert world.fakes.stock == {}


async def test_the_payment_of_a_delivered_cash_order_is_still_started(world: World, guest: Guest) -> None:
    world.fakes.before["StartPayment"] = hang
    order = await world.place(guest, payment_method=PaymentMethod.COD)
    for status in (OrderStatus.PREPARING, OrderStatus.READY, OrderStatus.DELIVERED):
        await world.move(world.staff("cashier"), order.id, status)
    world.fakes.behave()
    await world.expire_lock(guest)
    await recovery.recover_sagas(world.app)
    assert order.id in world.fakes.payments
    assert await world.sagas_of(guest) == []


async def test_no_payment_is_started_for_an_order_that_is_cancelled_before(world: World, guest: Guest) -> None:
    world.fakes.before["StartPayment"] = hang
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    world.fakes.behave()
    await world.stub(guest.identity).CancelOrder(api.CancelOrderRequest(id=order.id))
    await world.expire_lock(guest)
    await recovery.recover_sagas(world.app)
    assert order.id not in world.fakes.payments
    assert await world.sagas_of(guest) == []
