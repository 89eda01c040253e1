"""Placement of orders: what is written, reserved, published and returned."""

from __future__ import annotations

import asyncio
from collections import Counter
from uuid import UUID

import grpc
import pytest
from jainshikanji.order.v1 import events_pb2 as events
from jainshikanji.order.v1 import order_service_pb2 as api
from jainshikanji.order.v1.order_pb2 import OrderStatus, PaymentStatus
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod
from jainshikanji.type.v1.fulfilment_type_pb2 import FulfilmentType

from chassis.database import sql
from chassis.ids import new_id
from tests.harness import rpc_error
from tests.integration.order.conftest import Guest, World
from tests.integration.order.fake_services import OutOfStock, be_unavailable, raising

GET_ROW_AS_TEXT = sql("SELECT orders::text FROM orders WHERE id = %(id)s", value=str)
GET_ID_OF_NUMBER = sql("SELECT order_id FROM order_numbers WHERE number = %(number)s", value=UUID)


async def test_a_cash_order_is_confirmed_immediately(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    assert order.status == OrderStatus.CONFIRMED
    assert order.payment_status == PaymentStatus.PENDING
    assert order.version == 2
    assert not order.HasField("payment")
    assert order.HasField("accepted_at")
    assert await world.events(order.id) == ["OrderCreated", "OrderConfirmed"]
    assert world.fakes.stock[order.id] == {world.product_id: 2}
    assert world.fakes.payments[order.id].amount == order.amounts.total
    assert await world.sagas_of(guest) == []


async def test_an_online_order_waits_for_its_payment(world: World, guest: Guest) -> None:
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    assert order.status == OrderStatus.PENDING
    assert order.payment.id == world.fakes.payments[order.id].id
    assert order.payment.provider_order_id.startswith("order_")
    assert order.payment.expires_at.seconds - order.created_at.seconds == 15 * 60
    assert await world.events(order.id) == ["OrderCreated"]


async def test_the_response_equals_a_later_read(world: World, guest: Guest) -> None:
    order = await world.place(
        guest,
        fulfilment_type=FulfilmentType.DELIVERY,
        payment_method=PaymentMethod.UPI,
        coupon_code="save10",
        points=40,
        delivery_instructions="ring twice",
        special_instructions="no ice",
        lines=[
            {"product_id": world.product_id, "quantity": 2, "option_ids": [str(new_id())]},
            {"product_id": str(new_id()), "quantity": 1, "special_instructions": "कम मीठा"},
        ],
    )
    assert await world.get(guest, order.id) == order


async def test_a_delivery_has_an_address_a_fee_and_taxes(world: World, guest: Guest) -> None:
    order = await world.place(guest, fulfilment_type=FulfilmentType.DELIVERY)
    amounts = order.amounts
    assert order.delivery_address.address_line1 == "12 Hill Road"
    assert order.delivery_address.location.latitude == 19.05
    assert amounts.subtotal.minor_units == 24_000
    assert amounts.delivery_fee.minor_units == 4000
    # 5 % on the food and 18 % on the way, half of each for the centre and half for the state.
    assert amounts.cgst.minor_units == amounts.sgst.minor_units == 600 + 360
    assert amounts.igst.minor_units == 0
    assert amounts.total.minor_units == 24_000 + 4000 + 2 * 960


async def test_tax_across_states_is_igst(world: World, guest: Guest) -> None:
    order = await world.place(guest, fulfilment_type=FulfilmentType.DELIVERY, address_id=str(UUID(int=9)))
    assert order.delivery_address.state == "Gujarat"
    assert order.amounts.igst.minor_units == 1200 + 720
    assert order.amounts.cgst.minor_units == 0


async def test_coupon_and_points_are_deducted_before_tax(world: World, guest: Guest) -> None:
    order = await world.place(guest, coupon_code="save10", points=40)
    assert order.amounts.discount.minor_units == 2400
    assert order.amounts.loyalty_discount.minor_units == 1000
    assert order.items[0].discount.minor_units == 3400
    assert order.items[0].tax.taxable.minor_units == 24_000 - 3400
    assert order.coupon_code == "SAVE10"
    assert order.loyalty_points_redeemed == 40
    assert world.fakes.benefits[order.id] == ("save10", 40)


async def test_an_order_that_costs_nothing_needs_no_payment(world: World, guest: Guest) -> None:
    world.fakes.unit_price = 0
    order = await world.place(guest, payment_method=PaymentMethod.UPI)
    assert order.status == OrderStatus.CONFIRMED
    assert order.payment_status == PaymentStatus.COMPLETED
    assert order.id not in world.fakes.payments
    assert await world.sagas_of(guest) == []


async def test_the_event_has_no_personal_data(world: World, guest: Guest) -> None:
    order = await world.place(guest, fulfilment_type=FulfilmentType.DELIVERY, coupon_code="save10")
    created = await world.event(order.id, events.OrderCreated)
    assert created.total == order.amounts.total
    assert created.items[0].product_id == world.product_id
    assert created.coupon_code == "SAVE10"
    assert created.payment_id == world.fakes.payments[order.id].id
    raw = created.SerializeToString()
    for personal in (b"ananya", b"Hill Road", b"9876543210", b"Shah"):
        assert personal not in raw


async def test_contacts_are_encrypted_in_the_table(world: World, guest: Guest) -> None:
    order = await world.place(guest, fulfilment_type=FulfilmentType.DELIVERY)
    dump = await world.app.db.one(GET_ROW_AS_TEXT, id=UUID(order.id))
    assert dump is not None
    for personal in ("ananya@", "9876543210", "Hill Road", "400050", "19.05"):
        assert personal not in dump


async def test_an_order_is_found_by_its_number(world: World, guest: Guest) -> None:
    order = await world.place(guest)
    assert order.order_number.startswith("ORD")
    assert len(order.order_number) == 17
    assert str(await world.app.db.one(GET_ID_OF_NUMBER, number=order.order_number)) == order.id
    stub = world.stub(guest.identity)
    found = await stub.ListOrders(api.ListOrdersRequest(order_number=order.order_number.lower()))
    assert [item.id for item in found.orders] == [order.id]


async def test_a_duplicate_order_number_is_replaced(
    world: World, guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = await world.place(guest)
    monkeypatch.setattr("services.order.usecases.new_orders.new_order_number", lambda _: taken.order_number)
    other = await world.place(guest)
    assert other.order_number != taken.order_number


async def test_a_quote_is_the_price_of_the_order(world: World, guest: Guest) -> None:
    changes = {"fulfilment_type": FulfilmentType.DELIVERY, "coupon_code": "save10", "points": 40}
    cart = world.cart(**changes)
    del cart["payment_method"]
    quote = await world.stub(guest.identity).QuoteOrder(api.QuoteOrderRequest(**cart))
    order = await world.place(guest, **changes, quote=quote.quote)
    assert order.amounts == quote.amounts
    assert order.loyalty_points_redeemed == quote.loyalty_points_redeemed


async def test_a_quote_reserves_nothing(world: World, guest: Guest) -> None:
    cart = world.cart(coupon_code="save10")
    del cart["payment_method"]
    await world.stub(guest.identity).QuoteOrder(api.QuoteOrderRequest(**cart))
    assert sorted(set(world.fakes.calls)) == ["GetOrderingCustomer", "PriceLines", "QuoteBenefits", "QuoteFulfilment"]


async def test_many_concurrent_orders_are_all_placed(world: World, guest: Guest) -> None:
    orders = await asyncio.gather(*(world.place(guest) for _ in range(40)))
    assert len({order.order_number for order in orders}) == 40
    assert len(await world.orders_of(guest)) == 40
    assert await world.sagas_of(guest) == []
    for order in orders[:5]:
        assert await world.events(order.id) == ["OrderCreated", "OrderConfirmed"]


async def test_calls_of_concurrent_orders_are_batched(world: World, guest: Guest) -> None:
    await asyncio.gather(*(world.place(guest) for _ in range(40)))
    calls = Counter(world.fakes.calls)
    for method in ("GetOrderingCustomer", "QuoteFulfilment", "PriceLines", "ReserveStock", "StartPayment"):
        batches = calls[f"Batch{method}"]
        assert calls[method] == 40
        assert 1 <= batches <= 20, f"{batches} batches of {method} for 40 orders"


async def test_an_error_in_a_batch_fails_only_its_own_order(world: World, guest: Guest) -> None:
    count = 0

    async def fail_every_third() -> None:
        nonlocal count
        count += 1
        if count % 3 == 0:
            raise OutOfStock("sold out", product_ids=world.product_id)

    world.fakes.before["ReserveStock"] = fail_every_third
    outcomes = await asyncio.gather(*(world.place(guest) for _ in range(30)), return_exceptions=True)
    failed = [outcome for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)]
    assert {rpc_error(error).reason for error in failed} == {"OUT_OF_STOCK"}
    assert len(failed) == 10
    assert len(await world.orders_of(guest)) == 20
    assert await world.sagas_of(guest) == []
    assert Counter(world.fakes.calls)["BatchReserveStock"] >= 1


async def test_a_batch_to_an_unavailable_service_is_not_repeated_one_by_one(world: World, guest: Guest) -> None:
    world.fakes.before["BatchReserveStock"] = be_unavailable
    outcomes = await asyncio.gather(*(world.place(guest) for _ in range(20)), return_exceptions=True)
    failed = [outcome for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)]
    assert len(failed) > 1
    assert {error.code() for error in failed} == {grpc.StatusCode.UNAVAILABLE}
    assert Counter(world.fakes.calls)["ReserveStock"] == 20 - len(failed)
    assert await world.sagas_of(guest) == []


async def test_a_broken_batch_is_repeated_one_by_one(world: World, guest: Guest) -> None:
    world.fakes.before["BatchReserveStock"] = raising(RuntimeError())
    orders = await asyncio.gather(*(world.place(guest) for _ in range(20)))
    assert len({order.id for order in orders}) == 20
    calls = Counter(world.fakes.calls)
    assert calls["BatchReserveStock"] >= 1
    assert calls["ReserveStock"] == 20


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"lines": []}, "lines"),
        ({"lines": [{"product_id": "nonsense", "quantity": 1}]}, "lines[0].productId"),
        ({"lines": [{"product_id": str(UUID(int=5)), "quantity": 0}]}, "lines[0].quantity"),
        ({"lines": [{"product_id": str(UUID(int=5)), "quantity": -1}]}, "lines[0].quantity"),
        ({"lines": [{"product_id": str(UUID(int=5)), "quantity": 2**31 - 1}]}, "lines[0].quantity"),
        ({"store_id": "12"}, "storeId"),
        ({"payment_method": 0}, "paymentMethod"),
        ({"payment_method": 77}, "paymentMethod"),
        ({"points": -1}, "points"),
        ({"coupon_code": "' OR 1=1"}, "couponCode"),
        ({"fulfilment_type": FulfilmentType.DELIVERY, "address_id": ""}, "addressId"),
        ({"address_id": str(UUID(int=1))}, "addressId"),
        ({"special_instructions": "x\0y"}, "specialInstructions"),
    ],
)
async def test_invalid_input_is_rejected_without_side_effects(
    world: World, guest: Guest, changes: dict[str, object], field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.place(guest, **changes)
    error = rpc_error(failed.value)
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert field in error.violations
    assert world.fakes.calls == []
    assert await world.orders_of(guest) == []


async def test_an_order_requires_an_idempotency_key(world: World, guest: Guest) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.stub(guest.identity).CreateOrder(api.CreateOrderRequest(**world.cart()))
    assert "Idempotency-Key" in rpc_error(failed.value).violations
