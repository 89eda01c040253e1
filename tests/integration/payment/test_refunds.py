"""Refunds: made once, never above the captured amount, and automatically for cancelled orders."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import grpc
import psycopg
import pytest
from jainshikanji.customer.v1.events_pb2 import CustomerErased
from jainshikanji.order.v1.order_pb2 import OrderStatus
from jainshikanji.payment.v1 import events_pb2
from jainshikanji.payment.v1 import payment_service_pb2 as pb
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod, PaymentStatus, RefundStatus

from chassis import ids
from chassis.clock import now
from chassis.database import sql
from chassis.events.bus import EventMeta
from services.payment import queries
from services.payment.usecases.orders import check_due_orders
from services.payment.usecases.refund_execution import execute_due_refunds
from tests import harness
from tests.harness import rpc_error
from tests.integration.payment.world import Sale, World, eventually

RAW_REFUND = sql(
    """
    INSERT INTO refunds (refund_id, payment_id, order_id, attempt_id, amount, status, try_at)
    SELECT %(reference)s, payment_id, %(order_id)s::uuid, id, %(amount)s, %(status)s, now() + interval '1 day'
    FROM payment_attempts WHERE payment_id = %(payment_id)s::uuid
    """
)
TRY_NOW = sql(
    """
    UPDATE refunds SET try_at = now() WHERE payment_id = %(id)s::uuid AND status IN ('pending', 'processing')
    """
)
CHECK_ORDER_NOW = sql("UPDATE payments SET order_check_at = now() WHERE id = %(id)s::uuid")
ORDER_CHECK_AT = sql("SELECT order_check_at FROM payments WHERE id = %(id)s::uuid", value=datetime)


async def error_of(call: Any) -> Any:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return rpc_error(failed.value)


async def refunds_at_gateway(sale: Sale) -> list[int]:
    transaction_id = (await sale.now()).transaction_id
    return sorted(each["amount"] for each in await sale.world.gateway.refunds(transaction_id))


async def test_a_partial_refund_is_made_at_the_gateway_and_published(world: World) -> None:
    sale = world.sale()
    await sale.paid()
    made = await sale.refund(amount=5000)
    assert made.status in {RefundStatus.PENDING, RefundStatus.PROCESSING}
    [refund] = await sale.refunds_reach(RefundStatus.COMPLETED)
    assert (refund.id, refund.amount.minor_units, refund.reason) == (made.id, 5000, "cold food")
    assert (refund.automatic, refund.surplus, refund.cash) == (False, False, False)
    assert await refunds_at_gateway(sale) == [5000]
    payment = await sale.now()
    assert (payment.status, payment.refunded_amount.minor_units) == (PaymentStatus.COMPLETED, 5000)
    event = (await sale.events())[-1]
    assert isinstance(event, events_pb2.RefundProcessed)
    assert (event.amount.minor_units, event.refunded_total.minor_units, event.fully) == (5000, 5000, False)


async def test_a_payment_refunded_in_full_is_closed(world: World) -> None:
    sale = world.sale()
    await sale.paid()
    await sale.refund(amount=5000)
    await sale.refund()
    await sale.refunds_reach(RefundStatus.COMPLETED, count=2)
    assert (await sale.now()).status == PaymentStatus.REFUNDED
    assert await refunds_at_gateway(sale) == [5000, 19900]
    events = [event for event in await sale.events() if isinstance(event, events_pb2.RefundProcessed)]
    assert [event.fully for event in events] == [False, True]
    assert [event.version for event in events] == sorted(event.version for event in events)
    assert (await error_of(sale.refund(amount=1))).reason == "REFUND_TOO_LARGE"


async def test_concurrent_refunds_never_exceed_the_captured_amount(world: World) -> None:
    sale = world.sale()
    await sale.paid()
    responses = await asyncio.gather(*(sale.refund(amount=10000) for _ in range(8)), return_exceptions=True)
    made = [response for response in responses if not isinstance(response, BaseException)]
    assert len(made) == 2
    await sale.refunds_reach(RefundStatus.COMPLETED, count=2)
    assert await refunds_at_gateway(sale) == [10000, 10000]


async def test_concurrent_requests_with_one_key_refund_once(world: World) -> None:
    sale = world.sale()
    await sale.paid()
    manager, key = ids.new_id(), str(ids.new_id())
    caller = world.stub(_manager(sale, manager, key))
    request = pb.RefundPaymentRequest(id=sale.payment_id, reason="cold food")
    request.amount.minor_units, request.amount.currency_code = 3000, "INR"
    responses = await asyncio.gather(*(caller.RefundPayment(request) for _ in range(6)))
    assert len({response.id for response in responses}) == 1
    request.amount.minor_units = 3001
    assert (await error_of(caller.RefundPayment(request))).reason == "KEY_REUSED"


def _manager(sale: Sale, account_id: Any, key: str) -> Any:
    return harness.staff(account_id, sale.store_id, "manager").sending(idempotency_key=key)


async def test_the_role_decides_how_much_may_be_refunded(world: World) -> None:
    sale = world.sale(amount=200000)
    await sale.paid()
    assert (await error_of(sale.refund(job="chef", amount=100))).code is grpc.StatusCode.PERMISSION_DENIED
    await sale.refund(job="cashier", amount=30000)
    over = await error_of(sale.refund(job="cashier", amount=20001))
    assert (over.reason, over.metadata) == ("REFUND_OVER_LIMIT", {"limit": "50000"})
    await sale.refund(job="cashier", amount=20000)
    await sale.refund(job="manager", amount=100000)
    stranger = world.sale()
    stranger.payment_id = sale.payment_id
    assert (await error_of(stranger.refund(job="manager"))).code is grpc.StatusCode.NOT_FOUND


async def test_a_refund_with_an_invalid_amount_is_rejected(world: World) -> None:
    sale = world.sale()
    await sale.paid()
    assert (await error_of(sale.refund(amount=24901))).metadata == {"refundable": "24900"}
    for amount in (0, -1, 2**40, 99):
        assert (await error_of(sale.refund(amount=amount))).code is grpc.StatusCode.INVALID_ARGUMENT
    unpaid = world.sale()
    await unpaid.start()
    assert (await error_of(unpaid.refund())).reason == "PAYMENT_NOT_CAPTURED"


@pytest.mark.parametrize("status", ["pending", "completed", None])
async def test_the_database_caps_refunds_at_the_captured_amount(world: World, status: str | None) -> None:
    sale = world.sale()
    await sale.paid()
    row = {"payment_id": sale.payment_id, "order_id": sale.order_id, "status": status}
    await world.db.run(RAW_REFUND, reference=str(ids.new_id()), amount=Decimal("200.00"), **row)
    with pytest.raises(psycopg.errors.CheckViolation):
        await world.db.run(RAW_REFUND, reference=str(ids.new_id()), amount=Decimal("49.01"), **row)


async def test_a_lost_response_does_not_refund_twice(world: World) -> None:
    sale = world.sale()
    await sale.paid()
    await world.gateway.faults(delay_ms=1500)
    await sale.refund(amount=7000)
    await eventually(lambda: _has_refund(world, sale))
    await world.gateway.faults(delay_ms=0)
    await world.db.run(TRY_NOW, id=sale.payment_id)
    await execute_due_refunds(world.app)
    await sale.refunds_reach(RefundStatus.COMPLETED)
    assert await refunds_at_gateway(sale) == [7000]
    events = [event for event in await sale.events() if isinstance(event, events_pb2.RefundProcessed)]
    assert len(events) == 1


async def _has_refund(world: World, sale: Sale) -> bool:
    return len(await world.gateway.refunds((await sale.now()).transaction_id)) == 1


async def test_a_refund_that_was_sent_before_a_crash_is_found_again(world: World) -> None:
    """The crash is between the gateway's response and the commit: the refund is claimed and sent, and not settled."""
    await world.gateway.faults(drop_webhooks=True)
    sale = world.sale()
    response = await world.gateway.pay((await sale.start()).provider_order_id)
    await world.as_order().ReconcileOrderPayment(pb.ReconcileOrderPaymentRequest(order_id=sale.order_id))
    await world.gateway.faults(delay_ms=1500, drop_webhooks=True)
    made = await sale.refund(amount=4000)
    await eventually(lambda: _has_refund(world, sale))
    await world.gateway.faults(delay_ms=0, drop_webhooks=True)
    row = await world.db.one(queries.GET_REFUND, refund_id=made.id)
    assert row.status == "processing"
    await world.db.run(TRY_NOW, id=sale.payment_id)
    await execute_due_refunds(world.app)
    await sale.refunds_reach(RefundStatus.COMPLETED)
    assert len(await world.gateway.refunds(response["razorpay_payment_id"])) == 1


async def test_a_pending_refund_is_completed_by_its_webhook(world: World) -> None:
    await world.gateway.faults(pending_refunds=True)
    sale = world.sale()
    transaction_id = (await sale.paid()).transaction_id
    await sale.refund(amount=1000)
    [refund] = await sale.refunds_reach(RefundStatus.PROCESSING)
    [at_gateway] = await eventually(lambda: world.gateway.refunds(transaction_id))
    assert [type(event).__name__ for event in await sale.events()] == ["PaymentCompleted"]
    await world.gateway.finish_refund(at_gateway["id"], "processed")
    [done] = await sale.refunds_reach(RefundStatus.COMPLETED)
    assert done.id == refund.id


async def test_a_refund_that_failed_at_the_gateway_can_be_repeated(world: World) -> None:
    await world.gateway.faults(pending_refunds=True)
    sale = world.sale()
    transaction_id = (await sale.paid()).transaction_id
    await sale.refund()
    await sale.refunds_reach(RefundStatus.PROCESSING)
    [at_gateway] = await eventually(lambda: world.gateway.refunds(transaction_id))
    await world.gateway.finish_refund(at_gateway["id"], "failed")
    await sale.refunds_reach(RefundStatus.FAILED)
    assert (await sale.now()).refunded_amount.minor_units == 0
    await world.gateway.faults(pending_refunds=False)
    await sale.refund()
    payment = await sale.reaches(PaymentStatus.REFUNDED)
    assert payment.refunded_amount == payment.captured_amount


async def test_an_automatic_refund_that_failed_at_the_gateway_is_repeated(world: World) -> None:
    await world.gateway.faults(pending_refunds=True)
    sale = world.sale()
    transaction_id = (await sale.paid()).transaction_id
    await sale.cancelled()
    await sale.refunds_reach(RefundStatus.PROCESSING)
    [at_gateway] = await eventually(lambda: world.gateway.refunds(transaction_id))
    await world.gateway.faults(pending_refunds=False)
    await world.gateway.finish_refund(at_gateway["id"], "failed")
    await eventually(lambda: _two_refunds(sale))
    await world.db.run(TRY_NOW, id=sale.payment_id)
    await execute_due_refunds(world.app)
    await sale.reaches(PaymentStatus.REFUNDED)


async def _two_refunds(sale: Sale) -> bool:
    return len(await sale.refunds()) == 2


async def test_a_refund_made_in_the_gateways_dashboard_is_recorded(world: World) -> None:
    sale = world.sale()
    payment = await sale.paid()
    await world.gateway.refund_in_dashboard(payment.transaction_id, 24900)
    await sale.reaches(PaymentStatus.REFUNDED)
    [refund] = await sale.refunds()
    assert (refund.automatic, refund.reason) == (False, "refunded at the gateway")
    assert (await error_of(sale.refund())).reason == "REFUND_TOO_LARGE"


async def test_the_payment_of_a_cancelled_order_is_refunded_automatically(world: World) -> None:
    sale = world.sale()
    await sale.paid()
    await asyncio.gather(sale.cancelled(), sale.cancelled())
    await sale.reaches(PaymentStatus.REFUNDED)
    [refund] = await sale.refunds()
    assert (refund.automatic, refund.amount.minor_units, refund.surplus) == (True, 24900, False)
    assert [type(event).__name__ for event in await sale.events()] == ["PaymentCompleted", "RefundProcessed"]
    assert await refunds_at_gateway(sale) == [24900]


async def test_a_cancellation_refunds_only_the_remainder(world: World) -> None:
    sale = world.sale()
    await sale.paid()
    await sale.refund(amount=900)
    await sale.cancelled()
    await sale.reaches(PaymentStatus.REFUNDED)
    assert await refunds_at_gateway(sale) == [900, 24000]


async def test_a_capture_for_a_cancelled_order_is_refunded_automatically(world: World) -> None:
    sale = world.sale()
    order_id = (await sale.start()).provider_order_id
    await sale.cancelled()
    await sale.reaches(PaymentStatus.CANCELLED)
    await world.gateway.pay(order_id)
    await sale.reaches(PaymentStatus.REFUNDED)
    assert [type(event).__name__ for event in await sale.events()] == ["PaymentCompleted", "RefundProcessed"]


async def test_a_cancellation_before_the_payment_is_applied_later(world: World) -> None:
    sale = world.sale()
    await sale.cancelled()
    await world.platform.settled()
    payment = await sale.start()
    assert (payment.status, payment.provider_order_id) == (PaymentStatus.CANCELLED, "")


async def test_concurrent_starts_and_cancellations_leave_no_open_payment(world: World) -> None:
    sales = [world.sale() for _ in range(12)]
    await asyncio.gather(*(act for sale in sales for act in (sale.start(), sale.cancelled())))
    await asyncio.gather(*(sale.reaches(PaymentStatus.CANCELLED) for sale in sales))


async def test_concurrent_captures_and_cancellations_end_refunded(world: World) -> None:
    sales = [world.sale() for _ in range(8)]
    await asyncio.gather(*(sale.start() for sale in sales))
    paying = [world.gateway.pay(sale.payment.provider_order_id) for sale in sales]
    await asyncio.gather(*paying, *(sale.cancelled() for sale in sales))
    await asyncio.gather(*(sale.reaches(PaymentStatus.REFUNDED) for sale in sales))
    for sale in sales:
        assert await refunds_at_gateway(sale) == [24900]


async def test_a_lost_cancellation_is_found_by_a_check_of_the_order(world: World) -> None:
    cancelled, preparing, waiting, unpaid = (world.sale() for _ in range(4))
    for sale in (cancelled, preparing, waiting):
        await sale.paid()
    await unpaid.start()
    states: dict[Sale, Any] = {
        cancelled: OrderStatus.CANCELLED,
        preparing: OrderStatus.PREPARING,
        waiting: OrderStatus.PENDING,
    }
    for sale, state in {**states, unpaid: OrderStatus.CANCELLED}.items():
        world.orders.states[sale.order_id] = state
        await world.db.run(CHECK_ORDER_NOW, id=sale.payment_id)
    await check_due_orders(world.app)
    await cancelled.reaches(PaymentStatus.REFUNDED)
    await unpaid.reaches(PaymentStatus.CANCELLED)
    assert (await preparing.now()).status == (await waiting.now()).status == PaymentStatus.COMPLETED
    next_checks = {sale: await world.db.one(ORDER_CHECK_AT, id=sale.payment_id) for sale in (preparing, waiting)}
    assert next_checks[preparing] is None
    assert next_checks[waiting] > now() + timedelta(seconds=60)


async def test_only_a_manager_refunds_cash(world: World) -> None:
    sale = world.sale(method=PaymentMethod.COD)
    await sale.start()
    await sale.delivered()
    await sale.reaches(PaymentStatus.COMPLETED)
    assert (await error_of(sale.refund(job="cashier", amount=100))).reason == "CASH_REFUND_NEEDS_MANAGER"
    refund = await sale.refund(job="manager", amount=50)
    assert (refund.status, refund.cash) == (RefundStatus.COMPLETED, True)
    await sale.refund(job="manager")
    assert (await sale.now()).status == PaymentStatus.REFUNDED
    events = [event for event in await sale.events() if isinstance(event, events_pb2.RefundProcessed)]
    assert [(event.cash, event.fully) for event in events] == [(True, False), (True, True)]


async def test_a_cancelled_cod_order_has_no_refund(world: World) -> None:
    sale = world.sale(method=PaymentMethod.COD)
    await sale.start()
    await sale.cancelled()
    await sale.reaches(PaymentStatus.CANCELLED)
    assert await sale.refunds() == []


async def test_refunds_are_listed_in_pages(world: World) -> None:
    sale = world.sale()
    await sale.paid()
    for amount in (100, 200, 300):
        await sale.refund(amount=amount)
    first = await sale.customer.ListRefunds(pb.ListRefundsRequest(id=sale.payment_id, page_size=2))
    rest = await sale.customer.ListRefunds(
        pb.ListRefundsRequest(id=sale.payment_id, page_size=2, page_token=first.next_page_token)
    )
    assert [refund.amount.minor_units for refund in (*first.refunds, *rest.refunds)] == [300, 200, 100]
    assert rest.next_page_token == ""


async def test_an_erased_customer_leaves_no_saved_card(world: World) -> None:
    sale = world.sale(method=PaymentMethod.CARD)
    await sale.paid(method="card")
    listing = pb.ListSavedPaymentMethodsRequest(customer_id=str(sale.customer_id))
    assert (await sale.customer.ListSavedPaymentMethods(listing)).payment_methods
    event = CustomerErased(customer_id=str(sale.customer_id))
    meta = EventMeta(ids.new_id(), event.DESCRIPTOR.full_name, "customer", str(sale.customer_id), 1, now())
    await world.process.consumer.apply([(event, meta)])
    assert not (await sale.customer.ListSavedPaymentMethods(listing)).payment_methods
