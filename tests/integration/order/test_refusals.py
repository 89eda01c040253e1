"""When a peer refuses, hangs or dies: nothing stays held, and the key answers as it should."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import grpc
import pytest
from jainshikanji.order.v1 import order_service_pb2 as api
from jainshikanji.order.v1.order_pb2 import OrderStatus
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod
from jainshikanji.type.v1.fulfilment_type_pb2 import FulfilmentType

from chassis.clock import now
from chassis.ids import new_id
from services.order.model.pricing import NO_BENEFITS
from services.order.usecases import recovery
from services.order.usecases.pricing import offer
from services.order.wire import carts
from tests.harness import Refused, refusal
from tests.integration.order import peers as misbehaving
from tests.integration.order.conftest import Guest, World
from tests.integration.order.peers import CouponInvalid, OutOfStock, StoreClosed, breakdown, refusing, silence


async def refused(world: World, guest: Guest, key: str | None = None, **wish: object) -> Refused:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.place(guest, key, **wish)
    return refusal(failed.value)


async def nothing_is_left(world: World, guest: Guest) -> None:
    assert await world.orders_of(guest) == []
    assert await world.sagas_of(guest) == []
    assert world.peers.stock == {}
    assert world.peers.benefits == {}


@pytest.fixture(autouse=True)
def empty_shelves(world: World) -> None:
    world.peers.stock.clear()
    world.peers.benefits.clear()


async def test_out_of_stock_is_passed_on_and_kept(world: World, guest: Guest) -> None:
    key = str(new_id())
    world.peers.before["ReserveStock"] = refusing(OutOfStock("sold out", product_ids=world.product_id))
    first = await refused(world, guest, key)
    assert (first.code, first.reason) == (grpc.StatusCode.ABORTED, "OUT_OF_STOCK")
    assert first.metadata == {"product_ids": world.product_id}
    world.peers.behave()
    assert await refused(world, guest, key) == first
    assert set(world.peers.calls) <= {"GetOrderingCustomer", "QuoteFulfilment", "PriceLines"}
    await nothing_is_left(world, guest)


async def test_a_closed_store_holds_nothing(world: World, guest: Guest) -> None:
    world.peers.before["QuoteFulfilment"] = refusing(StoreClosed("closed"))
    assert (await refused(world, guest)).reason == "STORE_CLOSED"
    assert "ReserveStock" not in world.peers.calls
    await nothing_is_left(world, guest)


async def test_a_bad_coupon_gives_the_stock_back(world: World, guest: Guest) -> None:
    world.peers.before["ReserveBenefits"] = refusing(CouponInvalid("no such coupon"))
    assert (await refused(world, guest, coupon_code="nope")).reason == "COUPON_INVALID"
    assert "ReleaseStock" in world.peers.calls
    await nothing_is_left(world, guest)


async def test_missing_stock_gives_coupon_and_points_back(world: World, guest: Guest) -> None:
    world.peers.before["ReserveStock"] = refusing(OutOfStock("sold out", product_ids=world.product_id))
    assert (await refused(world, guest, coupon_code="save10", points=4)).reason == "OUT_OF_STOCK"
    await nothing_is_left(world, guest)


async def test_a_small_delivery_is_refused(world: World, guest: Guest) -> None:
    world.peers.unit_price = 1000
    answer = await refused(world, guest, fulfilment_type=FulfilmentType.DELIVERY)
    assert answer.reason == "BELOW_MIN_ORDER_VALUE"
    assert answer.metadata == {"min_order_value": "10000", "subtotal": "2000"}
    await nothing_is_left(world, guest)


async def test_a_peer_that_is_down_is_no_answer_to_keep(world: World, guest: Guest) -> None:
    key = str(new_id())
    world.peers.before["PriceLines"] = breakdown
    assert (await refused(world, guest, key)).code is grpc.StatusCode.UNAVAILABLE
    await nothing_is_left(world, guest)
    world.peers.behave()
    assert (await world.place(guest, key)).status == OrderStatus.CONFIRMED


async def test_stock_that_was_held_without_an_answer_is_given_back(world: World, guest: Guest) -> None:
    key = str(new_id())
    world.peers.after["ReserveStock"] = breakdown
    assert (await refused(world, guest, key)).code is grpc.StatusCode.UNAVAILABLE
    await nothing_is_left(world, guest)
    world.peers.behave()
    assert (await world.place(guest, key)).status == OrderStatus.CONFIRMED


async def test_a_peer_that_hangs_is_given_up_in_time(world: World, guest: Guest) -> None:
    world.peers.before["ReserveStock"] = silence
    async with asyncio.timeout(5):
        assert (await refused(world, guest)).code is grpc.StatusCode.UNAVAILABLE
    await nothing_is_left(world, guest)


async def test_what_cannot_be_given_back_now_is_given_back_later(world: World, guest: Guest) -> None:
    world.peers.after["ReserveStock"] = breakdown
    world.peers.before["ReleaseStock"] = breakdown
    await refused(world, guest)
    assert [saga.state for saga in await world.sagas_of(guest)] == ["undoing"]
    assert len(world.peers.stock) == 1
    world.peers.behave()
    await world.expire_lock(guest)
    await recovery.recover_sagas(world.app)
    await nothing_is_left(world, guest)


async def test_loyalty_is_not_asked_without_coupon_or_points(world: World, guest: Guest) -> None:
    world.peers.before["ReserveBenefits"] = breakdown
    assert (await world.place(guest)).status == OrderStatus.CONFIRMED


async def test_a_changed_price_is_refused_with_both_totals(world: World, guest: Guest) -> None:
    cart = world.cart()
    del cart["payment_method"]
    quote = await world.stub(guest.identity).QuoteOrder(api.QuoteOrderRequest(**cart))
    world.peers.unit_price += 1
    answer = await refused(world, guest, quote=quote.quote)
    assert answer.reason == "PRICE_CHANGED"
    assert answer.metadata["quoted_total"] == str(quote.amounts.total.minor_units)
    assert "ReserveStock" not in world.peers.calls
    await nothing_is_left(world, guest)


async def test_a_price_that_changed_with_benefits_gives_them_back(world: World, guest: Guest) -> None:
    cart = world.cart(points=40)
    del cart["payment_method"]
    quote = await world.stub(guest.identity).QuoteOrder(api.QuoteOrderRequest(**cart))
    world.peers.unit_price += 1
    assert (await refused(world, guest, points=40, quote=quote.quote)).reason == "PRICE_CHANGED"
    await nothing_is_left(world, guest)


async def test_somebody_elses_quote_is_refused(world: World, guest: Guest) -> None:
    cart = world.cart()
    del cart["payment_method"]
    quote = await world.stub(Guest().identity).QuoteOrder(api.QuoteOrderRequest(**cart))
    assert "quote" in (await refused(world, guest, quote=quote.quote)).violations
    await nothing_is_left(world, guest)


async def test_an_old_quote_is_refused(world: World, guest: Guest) -> None:
    cart = carts.cart(api.CreateOrderRequest(**world.cart()), guest.id)
    price = (await offer(world.app, cart)).price(NO_BENEFITS, 1800)
    token, _ = world.app.quotes.sign(cart, price, now() - timedelta(minutes=11))
    assert (await refused(world, guest, quote=token)).reason == "QUOTE_EXPIRED"
    await nothing_is_left(world, guest)


async def test_a_quote_says_what_is_missing(world: World, guest: Guest) -> None:
    world.peers.missing = {world.product_id}
    cart = world.cart()
    del cart["payment_method"]
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.stub(guest.identity).QuoteOrder(api.QuoteOrderRequest(**cart))
    assert refusal(failed.value).reason == "OUT_OF_STOCK"


async def test_a_wish_for_yesterday_is_refused(world: World, guest: Guest) -> None:
    answer = await refused(world, guest, scheduled_delivery_at=now() - timedelta(hours=1))
    assert "scheduledDeliveryAt" in answer.violations
    await nothing_is_left(world, guest)


async def test_a_limit_that_passes_is_no_answer_to_keep(world: World, guest: Guest) -> None:
    key = str(new_id())
    too_many = misbehaving.ResourceExhausted("too many guesses", 60)
    world.peers.before["ReserveBenefits"] = refusing(too_many)
    assert (await refused(world, guest, key, coupon_code="x")).code is grpc.StatusCode.RESOURCE_EXHAUSTED
    world.peers.behave()
    assert (await world.place(guest, key, coupon_code="x")).status == OrderStatus.CONFIRMED


async def test_a_silent_payment_leaves_an_order_that_can_be_paid(world: World, guest: Guest) -> None:
    world.peers.before["StartPayment"] = silence
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    assert order.status == OrderStatus.PENDING
    assert order.payment.id
    assert order.payment.provider_order_id == ""
    world.peers.behave()
    await world.expire_lock(guest)
    await recovery.recover_sagas(world.app)
    assert (await world.get(guest, order.id)).payment.provider_order_id.startswith("order_")
    assert await world.sagas_of(guest) == []
