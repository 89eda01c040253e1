"""The webhook faces the internet: forged, repeated, late, wrong and hostile messages."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import grpc
import psycopg
import pytest
from jainshikanji.payment.v1.payment_pb2 import PaymentStatus, RefundStatus

from chassis import ids
from chassis.database import sql
from tests.harness import refusal
from tests.integration.payment.world import World, capture_message

MESSAGES = sql("SELECT count(*) FROM payment_events")
MESSAGES_OF = sql("SELECT outcome, details FROM payment_events WHERE payment_id = %(id)s::uuid ORDER BY received_at")
ATTEMPTS = sql("SELECT * FROM payment_attempts WHERE payment_id = %(id)s::uuid ORDER BY created_at")
TAMPER = sql("UPDATE payment_events SET outcome = 'kept' WHERE payment_id = %(id)s::uuid")
ERASE = sql("DELETE FROM payment_events WHERE payment_id = %(id)s::uuid")
EVERYTHING = sql("SELECT to_jsonb(p) FROM payments p WHERE id = %(id)s::uuid")


def transaction() -> str:
    return f"pay_{ids.new_id().hex[-14:]}"


@pytest.mark.parametrize("signature", ["", "0" * 64, "not hexadecimal", None])
async def test_a_forged_webhook_is_refused_and_writes_nothing(world: World, signature: str | None) -> None:
    sale = world.sale()
    await sale.start()
    before = await world.db.value(MESSAGES)
    headers = {} if signature is None else {"x_razorpay_signature": signature}
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.webhook(json.dumps(capture_message(sale, transaction())).encode(), **headers)
    told = refusal(failed.value)
    assert (told.code, told.reason) == (grpc.StatusCode.UNAUTHENTICATED, "INVALID_SIGNATURE")
    assert await world.db.value(MESSAGES) == before
    assert (await sale.now()).status == PaymentStatus.PENDING


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe\x00", b'{"event": "payment.captured", "payload": 1}'])
async def test_signed_nonsense_is_a_bad_request(world: World, body: bytes) -> None:
    before = await world.db.value(MESSAGES)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.webhook(body, x_razorpay_signature=world.gateway.sign(body))
    assert refusal(failed.value).code is grpc.StatusCode.INVALID_ARGUMENT
    assert await world.db.value(MESSAGES) == before


async def test_the_same_message_many_times_at_once_has_one_effect(world: World) -> None:
    sale = world.sale()
    await sale.start()
    message = capture_message(sale, transaction())
    await asyncio.gather(*(world.signed_webhook(message, "evt_same") for _ in range(12)))
    # A replay under another event id is known by its bytes.
    await world.signed_webhook(message, "evt_replayed")
    assert [type(event).__name__ for event in await sale.events()] == ["PaymentCompleted"]
    assert len(await world.db.all(MESSAGES_OF, id=sale.payment_id)) == 1


async def test_two_different_captures_at_once_keep_one_and_return_the_other(world: World) -> None:
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
async def test_a_webhook_with_a_wrong_amount_never_confirms(world: World, changes: dict[str, Any]) -> None:
    sale = world.sale()
    await sale.start()
    await world.signed_webhook(capture_message(sale, transaction(), **changes))
    await world.platform.settled()
    [attempt] = await world.db.all(ATTEMPTS, id=sale.payment_id)
    assert (attempt.status, attempt.captured_amount) == ("mismatched", 0)
    assert (await sale.now()).status == PaymentStatus.PENDING
    assert await sale.events() == []
    [event] = await world.db.all(MESSAGES_OF, id=sale.payment_id)
    assert event.outcome == "wrong_amount"


async def test_money_of_a_wrong_amount_goes_back_and_the_right_one_still_confirms(world: World) -> None:
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


async def test_messages_out_of_order_end_in_the_same_place(world: World) -> None:
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


async def test_a_failure_that_turns_into_a_capture_confirms(world: World) -> None:
    sale = world.sale()
    await sale.start()
    late = transaction()
    failed = capture_message(sale, late, status="failed", captured=False, error_reason="timed_out")
    await world.signed_webhook({**failed, "event": "payment.failed"})
    assert (await sale.now()).status == PaymentStatus.FAILED
    await world.signed_webhook(capture_message(sale, late))
    assert (await sale.now()).status == PaymentStatus.COMPLETED


async def test_messages_about_others_orders_are_written_down_and_do_nothing(world: World) -> None:
    stranger = world.sale()
    stranger.payment.provider_order_id = "order_NotOurs000001"
    before = await world.db.value(MESSAGES)
    await world.signed_webhook(capture_message(stranger, transaction()))
    await world.signed_webhook({"event": "settlement.processed", "payload": {}, "nonce": str(ids.new_id())})
    assert await world.db.value(MESSAGES) == before + 2


async def test_what_is_kept_of_a_message_names_nobody(world: World) -> None:
    sale = world.sale()
    await sale.paid(method="card")
    rows = await world.db.all(MESSAGES_OF, id=sale.payment_id)
    kept = json.dumps([row.details for row in rows]) + json.dumps(await world.db.value(EVERYTHING, id=sale.payment_id))
    for personal in ("@", "919000000000", "Local Payer", "token_"):
        assert personal not in kept
    assert "Visa" in kept


async def test_the_books_of_messages_cannot_be_changed(world: World) -> None:
    sale = world.sale()
    await sale.paid()
    for statement in (TAMPER, ERASE):
        with pytest.raises(psycopg.errors.RestrictViolation):
            await world.db.run(statement, id=sale.payment_id)
