"""One key is one order, whoever disconnects, whichever process dies."""

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
from tests.harness import refusal
from tests.integration.order.conftest import Guest, World
from tests.integration.order.peers import silence


class Gate:
    """Stops a peer's step until it is opened."""

    def __init__(self) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> None:
        self.reached.set()
        await self.opened.wait()


async def die(world: World, request: asyncio.Future[Any]) -> None:
    """The process that places orders vanishes: no undoing, no answer."""
    for task in list(world.app._unfinished):
        task.cancel()
    request.cancel()
    await asyncio.gather(request, *world.app._unfinished, return_exceptions=True)


async def test_a_repeat_answers_the_order_as_it_now_is(world: World, guest: Guest) -> None:
    key = str(new_id())
    first = await world.place(guest, key)
    await world.move(world.staff("chef"), first.id, OrderStatus.PREPARING)
    again = await world.place(guest, key)
    assert again.id == first.id
    assert again.status == OrderStatus.PREPARING
    assert len(await world.orders_of(guest)) == 1


async def test_parallel_repeats_make_one_order(world: World, guest: Guest) -> None:
    key = str(new_id())
    orders = await asyncio.gather(*(world.place(guest, key) for _ in range(12)))
    assert len({order.id for order in orders}) == 1
    assert len(await world.orders_of(guest)) == 1
    assert Counter(world.peers.calls)["ReserveStock"] == 1


async def test_a_key_is_for_one_body(world: World, guest: Guest) -> None:
    key = str(new_id())
    await world.place(guest, key)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.place(guest, key, special_instructions="another wish")
    assert refusal(failed.value).reason == "KEY_REUSED"


async def test_two_customers_may_choose_the_same_key(world: World, guest: Guest) -> None:
    key, other = str(new_id()), Guest()
    assert (await world.place(guest, key)).id != (await world.place(other, key)).id


async def test_a_client_that_disconnects_tears_nothing(world: World, guest: Guest) -> None:
    gate, key = Gate(), str(new_id())
    world.peers.after["ReserveStock"] = gate
    stub = world.stub(guest.identity.sending(idempotency_key=key))
    call = stub.CreateOrder(api.CreateOrderRequest(**world.cart()))
    waiting = asyncio.ensure_future(call)
    await gate.reached.wait()
    call.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    gate.opened.set()
    await world.app.finish(10)
    (placed,) = await world.orders_of(guest)
    assert placed.status == "confirmed"
    assert await world.sagas_of(guest) == []
    world.peers.behave()
    assert (await world.place(guest, key)).id == str(placed.id)


async def test_impatient_clients_leave_no_reservation_without_an_order(world: World, guest: Guest) -> None:
    world.peers.stock.clear()
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
    await world.app.finish(10)
    placed = {str(row.id) for row in await world.orders_of(guest)}
    assert set(world.peers.stock) == placed
    assert placed <= set(world.peers.payments)
    assert await world.sagas_of(guest) == []


async def test_a_process_that_dies_while_it_holds_stock_is_undone(world: World, guest: Guest) -> None:
    gate, key = Gate(), str(new_id())
    world.peers.stock.clear()
    world.peers.after["ReserveStock"] = gate
    request = asyncio.ensure_future(world.place(guest, key, coupon_code="save10"))
    await gate.reached.wait()
    (saga,) = await world.sagas_of(guest)
    assert (await world.states(str(saga.order_id)))[str(saga.order_id)].status == OrderStatus.PENDING
    await die(world, request)
    gate.opened.set()
    await recovery.recover_sagas(world.app)
    assert len(await world.sagas_of(guest)) == 1, "a saga that may be alive was taken over"
    await world.expire_lock(guest)
    await recovery.recover_sagas(world.app)
    assert await world.sagas_of(guest) == []
    assert world.peers.stock == {}
    assert world.peers.benefits == {} or str(saga.order_id) not in world.peers.benefits
    assert await world.states(str(saga.order_id)) == {}
    world.peers.behave()
    assert (await world.place(guest, key, coupon_code="save10")).status == OrderStatus.CONFIRMED


async def test_a_process_that_dies_before_the_payment_is_finished_by_another(world: World, guest: Guest) -> None:
    gate, key = Gate(), str(new_id())
    world.peers.before["StartPayment"] = gate
    request = asyncio.ensure_future(world.place(guest, key, payment_method=PaymentMethod.UPI))
    await gate.reached.wait()
    await die(world, request)
    gate.opened.set()
    world.peers.behave()
    await world.expire_lock(guest)
    await recovery.recover_sagas(world.app)
    order = await world.place(guest, key, payment_method=PaymentMethod.UPI)
    assert order.payment.provider_order_id.startswith("order_")
    assert await world.sagas_of(guest) == []


async def test_an_order_in_cash_is_answered_before_its_payment_is_opened(world: World, guest: Guest) -> None:
    gate, key = Gate(), str(new_id())
    world.peers.before["StartPayment"] = gate
    order = await answer(world, guest, key)
    assert order.status == OrderStatus.CONFIRMED
    await gate.reached.wait()
    assert order.id not in world.peers.payments
    assert [str(saga.order_id) for saga in await world.sagas_of(guest)] == [order.id]
    gate.opened.set()
    await world.app.finish(10)
    assert order.id in world.peers.payments
    assert await world.sagas_of(guest) == []


async def test_a_process_that_dies_after_its_answer_leaves_the_payment_to_another(world: World, guest: Guest) -> None:
    gate, key = Gate(), str(new_id())
    world.peers.before["StartPayment"] = gate
    placing = asyncio.ensure_future(answer(world, guest, key))
    order = await placing
    await gate.reached.wait()
    await die(world, placing)
    gate.opened.set()
    world.peers.behave()
    world.peers.payments.pop(order.id, None)
    await world.expire_lock(guest)
    await recovery.recover_sagas(world.app)
    assert order.id in world.peers.payments
    assert await world.sagas_of(guest) == []


async def answer(world: World, guest: Guest, key: str) -> Order:
    """To an order in cash, with what is left for after it still to be done."""
    stub = world.stub(guest.identity.sending(idempotency_key=key))
    return await stub.CreateOrder(api.CreateOrderRequest(**world.cart(payment_method=PaymentMethod.COD)))


async def test_a_process_that_was_only_asleep_writes_nothing(world: World, guest: Guest) -> None:
    gate = Gate()
    world.peers.stock.clear()
    world.peers.after["ReserveStock"] = gate
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
    assert world.peers.stock == {}


async def test_cash_that_was_taken_before_its_payment_started_is_still_booked(world: World, guest: Guest) -> None:
    world.peers.before["StartPayment"] = silence
    order = await world.place(guest, payment_method=PaymentMethod.COD)
    for status in (OrderStatus.PREPARING, OrderStatus.READY, OrderStatus.DELIVERED):
        await world.move(world.staff("cashier"), order.id, status)
    world.peers.behave()
    await world.expire_lock(guest)
    await recovery.recover_sagas(world.app)
    assert order.id in world.peers.payments
    assert await world.sagas_of(guest) == []


async def test_an_order_cancelled_before_its_payment_started_starts_none(world: World, guest: Guest) -> None:
    world.peers.before["StartPayment"] = silence
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    world.peers.behave()
    await world.stub(guest.identity).CancelOrder(api.CancelOrderRequest(id=order.id))
    await world.expire_lock(guest)
    await recovery.recover_sagas(world.app)
    assert order.id not in world.peers.payments
    assert await world.sagas_of(guest) == []
