"""Payments: started, initiated, captured, reported by webhook, verified, reconciled."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import grpc
import pytest
from jainshikanji.payment.v1 import events_pb2
from jainshikanji.payment.v1 import payment_service_pb2 as pb
from jainshikanji.payment.v1.payment_pb2 import Payment, PaymentMethod, PaymentProvider, PaymentStatus
from jainshikanji.type.v1.money_pb2 import Money

from chassis import ids
from chassis.clock import now
from chassis.database import sql
from services.payment.usecases.reconciliation import check_due_payments
from tests import harness
from tests.harness import rpc_error
from tests.integration.payment.world import Sale, World

DUE_NOW = sql("UPDATE payments SET check_at = now() WHERE id = %(id)s::uuid")


async def initiate(sale: Sale, key: str = "", method: PaymentMethod.Value.ValueType | None = None) -> Payment:
    caller = harness.customer(sale.customer_id).sending(idempotency_key=key or str(ids.new_id()))
    request = pb.InitiatePaymentRequest(order_id=sale.order_id, method=method)
    response: Payment = await sale.world.stub(caller).InitiatePayment(request)
    return response


def verify_request(sale: Sale, response: dict[str, str], **changes: str) -> pb.VerifyPaymentRequest:
    values = {
        "payment_id": sale.payment_id,
        "provider_order_id": response["razorpay_order_id"],
        "provider_payment_id": response["razorpay_payment_id"],
        "signature": response["razorpay_signature"],
    }
    return pb.VerifyPaymentRequest(**{**values, **changes})


async def test_starting_a_payment_creates_an_order_at_the_gateway(world: World) -> None:
    sale = world.sale()
    payment = await sale.start()
    assert payment.id == sale.payment_id
    assert (payment.status, payment.provider) == (PaymentStatus.PENDING, PaymentProvider.RAZORPAY)
    assert payment.provider_order_id.startswith("order_")
    assert payment.provider_key == world.gateway.key_id
    assert timedelta(minutes=14) < payment.expires_at.ToDatetime(tzinfo=now().tzinfo) - now() < timedelta(minutes=16)
    [order] = await world.gateway.orders(receipt=sale.payment_id)
    assert (order["id"], order["amount"], order["currency"]) == (payment.provider_order_id, 24900, "INR")


async def test_starting_again_returns_the_same_payment(world: World) -> None:
    sale = world.sale()
    first, *others = await asyncio.gather(*(world.as_order().StartPayment(sale.request()) for _ in range(6)))
    assert {other.provider_order_id for other in others} == {first.provider_order_id}
    assert (await world.as_order().StartPayment(sale.request())) == first


@pytest.mark.parametrize("changed", ["amount", "customer_id", "payment_id"])
async def test_a_payment_with_other_details_is_rejected(world: World, changed: str) -> None:
    sale = world.sale()
    await sale.start()
    other = Money(currency_code="INR", minor_units=1) if changed == "amount" else str(ids.new_id())
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.as_order().StartPayment(sale.request(**{changed: other}))
    assert rpc_error(failed.value).reason == "ORDER_HAS_PAYMENT"


async def test_the_webhook_of_a_capture_completes_the_payment(world: World) -> None:
    sale = world.sale()
    payment = await sale.paid()
    assert payment.captured_amount == payment.amount
    assert payment.transaction_id.startswith("pay_")
    assert not payment.HasField("expires_at")
    [event] = await sale.events()
    assert isinstance(event, events_pb2.PaymentCompleted)
    assert (event.payment_id, event.order_id, event.cash) == (sale.payment_id, sale.order_id, False)
    assert event.amount.minor_units == 24900
    assert event.version == payment.version


async def test_a_payment_is_completed_once_when_each_webhook_arrives_twice(world: World) -> None:
    await world.gateway.faults(duplicate_webhooks=True)
    sale = world.sale()
    await sale.paid()
    await world.platform.settled()
    assert [type(event).__name__ for event in await sale.events()] == ["PaymentCompleted"]


async def test_a_successful_attempt_may_follow_a_declined_one(world: World) -> None:
    sale = world.sale()
    order_id = (await sale.start()).provider_order_id
    await world.gateway.pay(order_id, "failed")
    failed = await sale.reaches(PaymentStatus.FAILED)
    assert failed.failure_reason == "payment_declined"
    again = await initiate(sale)
    assert (again.status, again.provider_order_id) == (PaymentStatus.PROCESSING, order_id)
    await world.gateway.pay(order_id)
    await sale.reaches(PaymentStatus.COMPLETED)
    assert [type(event).__name__ for event in await sale.events()] == ["PaymentFailed", "PaymentCompleted"]
    assert (await sale.now()).failure_reason == ""


async def test_initiating_is_idempotent_by_order_and_by_key(world: World) -> None:
    sale = world.sale()
    await sale.start()
    key = str(ids.new_id())
    responses = await asyncio.gather(*(initiate(sale, key) for _ in range(4)), initiate(sale), initiate(sale))
    assert len({response.provider_order_id for response in responses}) == 1
    assert {response.status for response in responses} == {PaymentStatus.PROCESSING}


async def test_a_key_can_be_reused_when_the_payment_was_not_started_yet(world: World) -> None:
    sale, key = world.sale(), str(ids.new_id())
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await initiate(sale, key)
    assert rpc_error(failed.value).code is grpc.StatusCode.NOT_FOUND
    await sale.start()
    assert (await initiate(sale, key)).id == sale.payment_id


async def test_the_customer_may_choose_another_payment_method_but_not_cash(world: World) -> None:
    sale = world.sale(method=PaymentMethod.UPI)
    await sale.start()
    assert (await initiate(sale, method=PaymentMethod.CARD)).method == PaymentMethod.CARD
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await initiate(sale, method=PaymentMethod.COD)
    assert rpc_error(failed.value).code is grpc.StatusCode.INVALID_ARGUMENT


async def test_initiating_creates_the_gateway_order_that_is_missing(world: World) -> None:
    await world.gateway.faults(delay_ms=1500)
    sale = world.sale()
    started = now()
    assert (await sale.start()).provider_order_id == ""
    assert now() - started < timedelta(seconds=2.5)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await initiate(sale, key := str(ids.new_id()))
    assert rpc_error(failed.value).reason == "GATEWAY_SILENT"
    await world.gateway.faults(delay_ms=0)
    payment = await initiate(sale, key)
    assert payment.provider_order_id.startswith("order_")
    sale.payment = payment
    await sale.paid()


async def test_a_broken_gateway_leaves_the_payment_pending(world: World) -> None:
    await world.gateway.faults(broken=True)
    payment = await world.sale().start()
    assert (payment.status, payment.provider_order_id) == (PaymentStatus.PENDING, "")


async def test_a_completed_or_expired_payment_cannot_be_initiated(world: World) -> None:
    sale = world.sale()
    await sale.paid()
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await initiate(sale)
    assert rpc_error(failed.value).reason == "PAYMENT_CLOSED"
    assert rpc_error(failed.value).metadata == {"status": "COMPLETED"}

    late = world.sale()
    past = late.request()
    past.expires_at.FromDatetime(now() - timedelta(seconds=1))
    await world.as_order().StartPayment(past)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await initiate(late)
    assert rpc_error(failed.value).reason == "PAYMENT_EXPIRED"


async def test_the_payment_of_another_customer_is_not_found(world: World) -> None:
    sale = world.sale()
    await sale.start()
    stranger = world.sale()
    stranger.order_id, stranger.payment_id = sale.order_id, sale.payment_id
    bodies = set()
    for call in (
        lambda: initiate(stranger),
        lambda: stranger.customer.GetPayment(pb.GetPaymentRequest(id=sale.payment_id)),
        lambda: stranger.customer.GetPayment(pb.GetPaymentRequest(id=str(ids.new_id()))),
        lambda: stranger.customer.GetOrderPayment(pb.GetOrderPaymentRequest(order_id=sale.order_id)),
        lambda: stranger.customer.ListRefunds(pb.ListRefundsRequest(id=sale.payment_id)),
        lambda: stranger.staff("manager").GetPayment(pb.GetPaymentRequest(id=sale.payment_id)),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call()  # type: ignore[no-untyped-call]
        bodies.add((rpc_error(failed.value).code, rpc_error(failed.value).message))
    assert bodies == {(grpc.StatusCode.NOT_FOUND, "not found")}


async def test_staff_of_the_store_see_the_payment(world: World) -> None:
    sale = world.sale()
    await sale.start()
    for job in ("cashier", "manager"):
        seen = await sale.staff(job).GetOrderPayment(pb.GetOrderPaymentRequest(order_id=sale.order_id))
        assert seen.id == sale.payment_id
    seen = await world.stub(harness.admin()).GetPayment(pb.GetPaymentRequest(id=sale.payment_id))
    assert seen.id == sale.payment_id


async def test_verifying_completes_without_any_webhook(world: World) -> None:
    await world.gateway.faults(drop_webhooks=True)
    sale = world.sale()
    response = await world.gateway.pay((await sale.start()).provider_order_id)
    for _ in range(2):
        payment = await sale.customer.VerifyPayment(verify_request(sale, response))
        assert payment.status == PaymentStatus.COMPLETED
    assert [type(event).__name__ for event in await sale.events()] == ["PaymentCompleted"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("signature", "0" * 64),
        ("signature", ""),
        ("provider_payment_id", "pay_other"),
        ("provider_order_id", "order_x"),
    ],
)
async def test_a_forged_checkout_changes_nothing(world: World, field: str, value: str) -> None:
    await world.gateway.faults(drop_webhooks=True)
    sale = world.sale()
    response = await world.gateway.pay((await sale.start()).provider_order_id)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await sale.customer.VerifyPayment(verify_request(sale, response, **{field: value}))
    assert rpc_error(failed.value).code is grpc.StatusCode.INVALID_ARGUMENT
    assert (await sale.now()).status == PaymentStatus.PENDING


async def test_the_signature_of_one_order_does_not_pay_another(world: World) -> None:
    await world.gateway.faults(drop_webhooks=True)
    small, large = world.sale(amount=100), world.sale(amount=990000)
    response = await world.gateway.pay((await small.start()).provider_order_id)
    await large.start()
    with pytest.raises(grpc.aio.AioRpcError):
        await large.customer.VerifyPayment(verify_request(large, response))
    assert (await large.now()).status == PaymentStatus.PENDING


async def test_verifying_with_a_silent_gateway_sets_the_payment_to_processing(world: World) -> None:
    sale = world.sale()
    order_id = (await sale.start()).provider_order_id
    await world.gateway.faults(drop_webhooks=True)
    response = await world.gateway.pay(order_id)
    await world.gateway.faults(delay_ms=1500)
    payment = await sale.customer.VerifyPayment(verify_request(sale, response))
    assert payment.status == PaymentStatus.PROCESSING
    await world.gateway.faults(delay_ms=0)
    await sale.customer.VerifyPayment(verify_request(sale, response))
    await sale.reaches(PaymentStatus.COMPLETED)


async def test_a_payment_whose_webhook_is_lost_is_completed_by_a_check(world: World) -> None:
    await world.gateway.faults(drop_webhooks=True)
    sale = world.sale()
    await world.gateway.pay((await sale.start()).provider_order_id)
    await world.db.run(DUE_NOW, id=sale.payment_id)
    await check_due_payments(world.app)
    await sale.reaches(PaymentStatus.COMPLETED)


async def test_reconciliation_reports_a_capture_to_the_order_service(world: World) -> None:
    await world.gateway.faults(drop_webhooks=True)
    sale = world.sale()
    order_id = (await sale.start()).provider_order_id
    request = pb.ReconcileOrderPaymentRequest(order_id=sale.order_id)
    before = await world.as_order().ReconcileOrderPayment(request)
    assert (before.captured, before.status) == (False, PaymentStatus.PENDING)
    await world.gateway.pay(order_id)
    after = await world.as_order().ReconcileOrderPayment(request)
    assert (after.captured, after.captured_amount.minor_units) == (True, 24900)
    assert after.status == PaymentStatus.COMPLETED


async def test_reconciliation_fails_when_the_gateway_is_unavailable_or_the_payment_is_missing(world: World) -> None:
    sale = world.sale()
    await sale.start()
    await world.gateway.faults(broken=True)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.as_order().ReconcileOrderPayment(pb.ReconcileOrderPaymentRequest(order_id=sale.order_id))
    assert rpc_error(failed.value).reason == "GATEWAY_SILENT"
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.as_order().ReconcileOrderPayment(pb.ReconcileOrderPaymentRequest(order_id=str(ids.new_id())))
    assert rpc_error(failed.value).code is grpc.StatusCode.NOT_FOUND


async def test_an_authorised_payment_is_captured_by_a_check(world: World) -> None:
    sale = world.sale()
    await world.gateway.pay((await sale.start()).provider_order_id, "authorized")
    await sale.reaches(PaymentStatus.COMPLETED)


async def test_a_cod_payment_is_completed_by_the_delivery(world: World) -> None:
    sale = world.sale(method=PaymentMethod.COD)
    payment = await sale.start()
    assert (payment.status, payment.provider) == (PaymentStatus.PENDING, PaymentProvider.UNSPECIFIED)
    assert not payment.HasField("expires_at")
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await initiate(sale)
    assert rpc_error(failed.value).reason == "NOT_PAID_ONLINE"
    await sale.delivered()
    paid = await sale.reaches(PaymentStatus.COMPLETED)
    assert paid.captured_amount.minor_units == 24900
    await sale.delivered()
    await world.platform.settled()
    [event] = await sale.events()
    assert isinstance(event, events_pb2.PaymentCompleted)
    assert event.cash


async def test_a_cod_payment_that_is_started_after_the_delivery_is_completed(world: World) -> None:
    sale = world.sale(method=PaymentMethod.COD)
    await sale.delivered()
    await world.platform.settled()
    assert (await sale.start()).status == PaymentStatus.COMPLETED


async def test_a_payment_of_amount_0_is_completed_when_it_is_started(world: World) -> None:
    payment = await world.sale(amount=0).start()
    assert (payment.status, payment.provider) == (PaymentStatus.COMPLETED, PaymentProvider.UNSPECIFIED)


async def test_a_saved_card_shows_four_digits_and_can_be_deleted(world: World) -> None:
    sale = world.sale(method=PaymentMethod.CARD)
    await sale.paid(method="card")
    listing = pb.ListSavedPaymentMethodsRequest(customer_id=str(sale.customer_id))
    [saved] = (await sale.customer.ListSavedPaymentMethods(listing)).payment_methods
    assert (saved.method, saved.network, saved.last4) == (PaymentMethod.CARD, "Visa", "1111")
    stranger = world.sale()
    for call in (
        stranger.customer.ListSavedPaymentMethods(listing),
        stranger.customer.DeleteSavedPaymentMethod(pb.DeleteSavedPaymentMethodRequest(id=saved.id)),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call
        assert rpc_error(failed.value).code is grpc.StatusCode.NOT_FOUND
    await sale.customer.DeleteSavedPaymentMethod(pb.DeleteSavedPaymentMethodRequest(id=saved.id))
    assert not (await sale.customer.ListSavedPaymentMethods(listing)).payment_methods


async def test_a_request_waits_for_a_cod_payment_that_is_still_being_created(world: World) -> None:
    sale = world.sale(method=PaymentMethod.COD)
    waiting = asyncio.ensure_future(sale.customer.GetOrderPayment(pb.GetOrderPaymentRequest(order_id=sale.order_id)))
    await asyncio.sleep(0.02)
    await sale.start()
    assert (await waiting).order_id == sale.order_id
