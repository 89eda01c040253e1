"""Webhooks from the internet: forged, repeated, late, wrong and hostile messages."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any, NamedTuple

import grpc
import psycopg
import pytest
from jainshikanji.payment.v1.payment_pb2 import PaymentStatus, RefundStatus

from chassis import ids
from chassis.database import sql
from tests.harness import rpc_error
from tests.integration.payment.world import World, capture_message


class EventRow(NamedTuple):
    outcome: str
    details: dict[str, Any]


class AttemptRow(NamedTuple):
    status: str
    captured_amount: Decimal


COUNT_EVENTS = sql("SELECT count(*) FROM payment_events", value=int)
LIST_EVENTS = sql(
    "SELECT outcome, details FROM payment_events WHERE payment_id = %(id)s::uuid ORDER BY received_at", row=EventRow
)
LIST_ATTEMPTS = sql(
    "SELECT status, captured_amount FROM payment_attempts WHERE payment_id = %(id)s::uuid ORDER BY created_at",
    row=AttemptRow,
)
TAMPER = sql("UPDATE payment_events SET outcome = 'kept' WHERE payment_id = %(id)s::uuid")
ERASE = sql("DELETE FROM payment_events WHERE payment_id = %(id)s::uuid")
ALL_COLUMNS = sql("SELECT to_jsonb(p) FROM payments p WHERE id = %(id)s::uuid", value=dict)


def transaction() -> str:
    return f"pay_{ids.new_id().hex[-14:]}"


@pytest.mark.parametrize("signature", ["", "0" * 64, "not hexadecimal", None])
async def test_a_forged_webhook_is_rejected_and_not_stored(world: World, signature: str | None) -> None:
    sale = world.sale()
    await sale.start()
    before = await world.db.one(COUNT_EVENTS)
    headers = {} if signature is None else {"x_razorpay_signature": signature}
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.webhook(json.dumps(capture_message(sale, transaction())).encode(), **headers)
    error = rpc_error(failed.value)
    assert (error.code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "INVALID_SIGNATURE")
    assert await world.db.one(COUNT_EVENTS) == before
    assert (await sale.now()).status == PaymentStatus.PENDING


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe\x00", b'{"event": "payment.captured", "payload": 1}'])
async def test_a_signed_malformed_body_is_a_bad_request(world: World, body: bytes) -> None:
    before = await world.db.one(COUNT_EVENTS)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.webhook(body, x_razorpay_signature=world.gateway.sign(body))
    assert rpc_error(failed.value).code is grpc.StatusCode.INVALID_ARGUMENT
    assert await world.db.one(COUNT_EVENTS) == before


async def test_concurrent_repetitions_of_a_message_have_one_effect(world: World) -> None:
    sale = world.sale()
    await sale.start()
    message = capture_message(sale, transaction())
    await asyncio.gather(*(world.signed_webhook(message, "evt_same") for _ in range(12)))
    # A replay under another event id is recognised by the digest of its body.
    await world.signed_webhook(message, "evt_replayed")
    assert [type(event).__name__ for event in await sale.events()] == ["PaymentCompleted"]
    assert len(await world.db.all(LIST_EVENTS, id=sale.payment_id)) == 1


async def test_of_concurrent_captures_one_is_kept_and_the_others_are_refunded(world: World) -> None:
    sale = world.sale()
    order_id = (await sale.start()).provider_order_id
    await asyncio.gather(*(world.gateway.pay(order_id, again=True) for _ in range(3)))
    kept = await sale.reaches(PaymentStatus.COMPLETED)
    refunds = await sale.refunds_reach(RefundStatus.COMPLETED, count=2)
    assert all(refund.surplus and refund.automatic and refund.amount.minor_units == 24900 for refund in refunds)
    assert await world.gateway.refunds(kept.transaction_id) == []
    after = await sale.now()
    assert (after.status, after.refunded_amount.minor_units) == (PaymentStatus.COMPLETED, 0)
    names = sorted(type(event).__name__ for event in await sale.events())
    assert names == ["PaymentCompleted", "SurplusRefunded", "SurplusRefunded"]


@pytest.mark.parametrize("changes", [{"amount": 100}, {"amount": 24901}, {"currency": "USD"}, {"amount": 0}])
async def test_a_webhook_with_a_wrong_amount_never_completes_a_payment(world: World, changes: dict[str, Any]) -> None:
    sale = world.sale()
    await sale.start()
    await world.signed_webhook(capture_message(sale, transaction(), **changes))
    await world.platform.settled()
    [attempt] = await world.db.all(LIST_ATTEMPTS, id=sale.payment_id)
    assert (attempt.status, attempt.captured_amount) == ("mismatched", 0)
    assert (await sale.now()).status == PaymentStatus.PENDING
    assert await sale.events() == []
    [event] = await world.db.all(LIST_EVENTS, id=sale.payment_id)
    assert event.outcome == "wrong_amount"


async def test_a_capture_of_a_wrong_amount_is_refunded_and_a_right_one_still_completes_the_payment(
    world: World,
) -> None:
    sale = world.sale()
    order_id = (await sale.start()).provider_order_id
    await world.gateway.faults(wrong_amount=True)
    wrong = await world.gateway.pay(order_id, again=True)
    [refund] = await sale.refunds_reach(RefundStatus.COMPLETED)
    assert (refund.surplus, refund.amount.minor_units) == (True, 25000)
    assert [each["amount"] for each in await world.gateway.refunds(wrong["razorpay_payment_id"])] == [25000]
    assert (await sale.now()).status == PaymentStatus.PENDING
    await world.gateway.faults(wrong_amount=False)
    await world.gateway.pay(order_id, again=True)
    await sale.reaches(PaymentStatus.COMPLETED)


async def test_messages_out_of_order_have_the_same_result(world: World) -> None:
    sale = world.sale()
    await sale.start()
    won, lost = transaction(), transaction()
    failed = capture_message(sale, lost, status="failed", captured=False, error_reason="payment_declined")
    await world.signed_webhook(capture_message(sale, won))
    await world.signed_webhook({**failed, "event": "payment.failed"})
    late = capture_message(sale, won, status="authorized", captured=False)
    await world.signed_webhook({**late, "event": "payment.authorized"})
    payment = await sale.now()
    assert (payment.status, payment.transaction_id) == (PaymentStatus.COMPLETED, won)
    assert [type(event).__name__ for event in await sale.events()] == ["PaymentCompleted"]


async def test_a_capture_after_a_failure_of_the_same_attempt_completes_the_payment(world: World) -> None:
    sale = world.sale()
    await sale.start()
    late = transaction()
    failed = capture_message(sale, late, status="failed", captured=False, error_reason="timed_out")
    await world.signed_webhook({**failed, "event": "payment.failed"})
    assert (await sale.now()).status == PaymentStatus.FAILED
    await world.signed_webhook(capture_message(sale, late))
    assert (await sale.now()).status == PaymentStatus.COMPLETED


async def test_messages_about_unknown_orders_are_stored_and_have_no_effect(world: World) -> None:
    stranger = world.sale()
    stranger.payment.provider_order_id = "order_NotOurs000001"
    before = await world.db.one(COUNT_EVENTS)
    await world.signed_webhook(capture_message(stranger, transaction()))
    await world.signed_webhook({"event": "settlement.processed", "payload": {}, "nonce": str(ids.new_id())})
    assert await world.db.one(COUNT_EVENTS) == before + 2


async def test_stored_messages_hold_no_personal_data(world: World) -> None:
    sale = world.sale()
    await sale.paid(method="card")
    rows = await world.db.all(LIST_EVENTS, id=sale.payment_id)
    stored = json.dumps([row.details for row in rows]) + json.dumps(await world.db.one(ALL_COLUMNS, id=sale.payment_id))
    for personal in ("@", "919000000000", "Local Payer", "token_"):
        assert personal not in stored
    assert "Visa" in stored


async def test_stored_messages_cannot_be_changed(world: World) -> None:
    sale = world.sale()
    await sale.paid()
    for statement in (TAMPER, ERASE):
        with pytest.raises(psycopg.errors.RestrictViolation):
            await world.db.run(statement, id=sale.payment_id)
