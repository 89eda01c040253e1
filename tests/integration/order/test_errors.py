"""Errors, timeouts and outages of other services: no reservation is left, and the key has the right result."""

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
from chassis.errors import ResourceExhausted
from chassis.ids import new_id
from services.order import wire
from services.order.model.pricing import NO_BENEFITS
from services.order.usecases import recovery
from services.order.usecases.offers import get_offer
from tests.harness import RpcFailure, rpc_error
from tests.integration.order.conftest import Guest, World
from tests.integration.order.fake_services import CouponInvalid, OutOfStock, StoreClosed, be_unavailable, hang, raising


async def place_and_fail(world: World, guest: Guest, key: str | None = None, **changes: object) -> RpcFailure:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.place(guest, key, **changes)
    return rpc_error(failed.value)


async def check_nothing_is_left(world: World, guest: Guest) -> None:
    assert await world.orders_of(guest) == []
    assert await world.sagas_of(guest) == []
    assert world.fakes.stock == {}
    assert world.fakes.benefits == {}


@pytest.fixture(autouse=True)
def without_reservations(world: World) -> None:
    world.fakes.stock.clear()
    world.fakes.benefits.clear()


async def test_out_of_stock_is_passed_on_and_stored_under_the_key(world: World, guest: Guest) -> None:
    key = str(new_id())
    world.fakes.before["ReserveStock"] = raising(OutOfStock("sold out", product_ids=world.product_id))
    first = await place_and_fail(world, guest, key)
    assert (first.code, first.reason) == (grpc.StatusCode.ABORTED, "OUT_OF_STOCK")
    assert first.metadata == {"product_ids": world.product_id}
    world.fakes.behave()
    assert await place_and_fail(world, guest, key) == first
    assert set(world.fakes.calls) <= {"GetOrderingCustomer", "QuoteFulfilment", "PriceLines"}
    await check_nothing_is_left(world, guest)


async def test_an_order_at_a_closed_store_reserves_nothing(world: World, guest: Guest) -> None:
    world.fakes.before["QuoteFulfilment"] = raising(StoreClosed("closed"))
    assert (await place_and_fail(world, guest)).reason == "STORE_CLOSED"
    assert "ReserveStock" not in world.fakes.calls
    await check_nothing_is_left(world, guest)


async def test_an_invalid_coupon_releases_the_stock(world: World, guest: Guest) -> None:
    world.fakes.before["ReserveBenefits"] = raising(CouponInvalid("no such coupon"))
    assert (await place_and_fail(world, guest, coupon_code="nope")).reason == "COUPON_INVALID"
    assert "ReleaseStock" in world.fakes.calls
    await check_nothing_is_left(world, guest)


async def test_missing_stock_releases_coupon_and_points(world: World, guest: Guest) -> None:
    world.fakes.before["ReserveStock"] = raising(OutOfStock("sold out", product_ids=world.product_id))
    assert (await place_and_fail(world, guest, coupon_code="save10", points=4)).reason == "OUT_OF_STOCK"
    await check_nothing_is_left(world, guest)


async def test_a_delivery_below_the_minimum_order_value_is_rejected(world: World, guest: Guest) -> None:
    world.fakes.unit_price = 1000
    error = await place_and_fail(world, guest, fulfilment_type=FulfilmentType.DELIVERY)
    assert error.reason == "BELOW_MIN_ORDER_VALUE"
    assert error.metadata == {"min_order_value": "10000", "subtotal": "2000"}
    await check_nothing_is_left(world, guest)


async def test_an_unavailable_service_leaves_the_key_free(world: World, guest: Guest) -> None:
    key = str(new_id())
    world.fakes.before["PriceLines"] = be_unavailable
    assert (await place_and_fail(world, guest, key)).code is grpc.StatusCode.UNAVAILABLE
    await check_nothing_is_left(world, guest)
    world.fakes.behave()
    assert (await world.place(guest, key)).status == OrderStatus.CONFIRMED


async def test_stock_is_released_when_the_response_to_its_reservation_is_lost(world: World, guest: Guest) -> None:
    key = str(new_id())
    world.fakes.after["ReserveStock"] = be_unavailable
    assert (await place_and_fail(world, guest, key)).code is grpc.StatusCode.UNAVAILABLE
    await check_nothing_is_left(world, guest)
    world.fakes.behave()
    assert (await world.place(guest, key)).status == OrderStatus.CONFIRMED


async def test_a_service_that_does_not_respond_times_out(world: World, guest: Guest) -> None:
    world.fakes.before["ReserveStock"] = hang
    async with asyncio.timeout(5):
        assert (await place_and_fail(world, guest)).code is grpc.StatusCode.UNAVAILABLE
    await check_nothing_is_left(world, guest)


async def test_a_failed_release_is_retried_by_the_recovery_job(world: World, guest: Guest) -> None:
    world.fakes.after["ReserveStock"] = be_unavailable
    world.fakes.before["ReleaseStock"] = be_unavailable
    await place_and_fail(world, guest)
    assert [saga.state for saga in await world.sagas_of(guest)] == ["undoing"]
    assert len(world.fakes.stock) == 1
    world.fakes.behave()
    await world.expire_lock(guest)
    await recovery.recover_sagas(world.app)
    await check_nothing_is_left(world, guest)


async def test_loyalty_is_not_called_without_coupon_or_points(world: World, guest: Guest) -> None:
    world.fakes.before["ReserveBenefits"] = be_unavailable
    assert (await world.place(guest)).status == OrderStatus.CONFIRMED


async def test_a_changed_price_is_rejected_with_both_totals(world: World, guest: Guest) -> None:
    cart = world.cart()
    del cart["payment_method"]
    quote = await world.stub(guest.identity).QuoteOrder(api.QuoteOrderRequest(**cart))
    world.fakes.unit_price += 1
    error = await place_and_fail(world, guest, quote=quote.quote)
    assert error.reason == "PRICE_CHANGED"
    assert error.metadata["quoted_total"] == str(quote.amounts.total.minor_units)
    assert "ReserveStock" not in world.fakes.calls
    await check_nothing_is_left(world, guest)


async def test_a_changed_price_releases_the_benefits(world: World, guest: Guest) -> None:
    cart = world.cart(points=40)
    del cart["payment_method"]
    quote = await world.stub(guest.identity).QuoteOrder(api.QuoteOrderRequest(**cart))
    world.fakes.unit_price += 1
    assert (await place_and_fail(world, guest, points=40, quote=quote.quote)).reason == "PRICE_CHANGED"
    await check_nothing_is_left(world, guest)


async def test_a_quote_of_another_customer_is_rejected(world: World, guest: Guest) -> None:
    cart = world.cart()
    del cart["payment_method"]
    quote = await world.stub(Guest().identity).QuoteOrder(api.QuoteOrderRequest(**cart))
    assert "quote" in (await place_and_fail(world, guest, quote=quote.quote)).violations
    await check_nothing_is_left(world, guest)


async def test_an_expired_quote_is_rejected(world: World, guest: Guest) -> None:
    cart = wire.requests.cart_from_proto(api.CreateOrderRequest(**world.cart()), guest.id)
    price = (await get_offer(world.app, cart)).compute_price(NO_BENEFITS, 1800)
    token, _ = world.app.quotes.sign(cart, price, now() - timedelta(minutes=11))
    assert (await place_and_fail(world, guest, quote=token)).reason == "QUOTE_EXPIRED"
    await check_nothing_is_left(world, guest)


async def test_a_quote_for_missing_stock_is_rejected(world: World, guest: Guest) -> None:
    world.fakes.missing = {world.product_id}
    cart = world.cart()
    del cart["payment_method"]
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.stub(guest.identity).QuoteOrder(api.QuoteOrderRequest(**cart))
    assert rpc_error(failed.value).reason == "OUT_OF_STOCK"


async def test_a_scheduled_time_in_the_past_is_rejected(world: World, guest: Guest) -> None:
    error = await place_and_fail(world, guest, scheduled_delivery_at=now() - timedelta(hours=1))
    assert "scheduledDeliveryAt" in error.violations
    await check_nothing_is_left(world, guest)


async def test_a_rate_limit_leaves_the_key_free(world: World, guest: Guest) -> None:
    key = str(new_id())
    too_many = ResourceExhausted("too many guesses", 60)
    world.fakes.before["ReserveBenefits"] = raising(too_many)
    assert (await place_and_fail(world, guest, key, coupon_code="x")).code is grpc.StatusCode.RESOURCE_EXHAUSTED
    world.fakes.behave()
    assert (await world.place(guest, key, coupon_code="x")).status == OrderStatus.CONFIRMED


async def test_an_order_can_be_paid_after_its_payment_failed_to_start(world: World, guest: Guest) -> None:
    world.fakes.before["StartPayment"] = hang
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    assert order.status == OrderStatus.PENDING
    assert order.payment.id
    assert order.payment.provider_order_id == ""
    world.fakes.behave()
    await world.expire_lock(guest)
    await recovery.recover_sagas(world.app)
    assert (await world.get(guest, order.id)).payment.provider_order_id.startswith("order_")
    assert await world.sagas_of(guest) == []
