"""Refunds: created in a transaction, capped by the database, executed at the gateway by `refund_execution`."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from psycopg.errors import CheckViolation

from chassis import Caller
from chassis.clock import now
from chassis.database import Jsonb, Transaction
from chassis.database.rows import parameters
from chassis.errors import InvalidArgument, NotFound
from chassis.ids import new_id
from chassis.rpc import idempotency
from chassis.rpc.idempotency import Claim
from chassis.rpc.pagination import Page
from services.payment import queries, wire
from services.payment.app import PaymentApp
from services.payment.commands import RefundPayment
from services.payment.errors import PaymentNotCaptured
from services.payment.gateways.port import Gateway
from services.payment.model.payments import COD
from services.payment.model.refunds import RefundReport, check_refund_authority, choose_refund_amount, refundable_amount
from services.payment.model.states import COMPLETED, FAILED, PENDING, REFUNDED, check_transition
from services.payment.rows import AttemptRefundRow, NewRefund, PaymentRow, RefundRow
from services.payment.usecases.alarms import raise_alarm

RETRY_DELAY: Final = timedelta(hours=1)
MOST_AUTOMATIC_REFUNDS: Final = 5


async def refund_payment(app: PaymentApp, caller: Caller, command: RefundPayment, claim: Claim) -> RefundRow:
    """Creates a refund for staff. Cash is refunded with the commit, online payments at the gateway after it.

    Raises NotFound, PaymentNotCaptured, RefundTooLarge, CashRefundNeedsManager, RefundOverLimit, and InvalidArgument
    for a wrong currency or an amount below the gateway's minimum.
    """

    async def create(tx: Transaction) -> UUID:
        payment = await tx.one(queries.LOCK_VISIBLE_PAYMENT, payment_id=command.payment_id, **caller.scope.params())
        if payment is None:
            raise NotFound
        attempt_id = await tx.one(queries.GET_KEPT_ATTEMPT_ID, payment_id=payment.id)
        if attempt_id is None:
            raise PaymentNotCaptured
        amount = choose_refund_amount(payment, command.amount, command.currency)
        check_refund_authority(caller, payment, amount, app.settings.cashier_refund_limit)
        cash = payment.payment_method == COD
        if not cash:
            _check_minimum(app.gateways.find(payment.provider), amount)
        return await create_refund(
            app, tx, payment, attempt_id, amount, command.reason, requested_by=caller.account_id, cash=cash
        )

    refund_id = await idempotency.run_once(app.db, claim, create)
    refund = await app.db.one(queries.GET_REFUND, refund_id=refund_id)
    assert refund is not None
    return refund


def _check_minimum(gateway: Gateway | None, amount: Decimal) -> None:
    if gateway is not None and amount < gateway.minimum_amount:
        raise InvalidArgument("amount", f"must be at least {gateway.minimum_amount}, the gateway's minimum")


async def list_refunds(app: PaymentApp, caller: Caller, payment_id: UUID, page: Page) -> list[RefundRow]:
    """A page of a payment's refunds, newest first, with one row more than the page shows.

    Raises NotFound for a payment outside the caller's scope.
    """
    if await app.db.one(queries.GET_VISIBLE_PAYMENT, payment_id=payment_id, **caller.scope.params()) is None:
        raise NotFound
    values: dict[str, Any] = {"payment_id": payment_id, "limit": page.limit}
    if page.after is not None:
        values["after_at"] = datetime.fromisoformat(page.after[0])
        values["after_id"] = UUID(page.after[1])
    return await app.db.all(queries.list_refunds(has_cursor=page.after is not None), **values)


async def refund_remainder(app: PaymentApp, tx: Transaction, payment_id: UUID, reason: str) -> None:
    """Refunds what remains of the captured amount; raises an alarm for cash. Callers hold the payment's lock."""
    payment = await tx.one(queries.GET_PAYMENT, payment_id=payment_id)
    attempt_id = await tx.one(queries.GET_KEPT_ATTEMPT_ID, payment_id=payment_id)
    assert payment is not None
    if attempt_id is None:
        return
    amount = refundable_amount(payment)
    if amount <= 0:
        return
    if payment.payment_method == COD:
        raise_alarm("cash_to_return", payment_id=payment.id, order_id=payment.order_id, amount=amount)
        return
    await create_refund(app, tx, payment, attempt_id, amount, reason, automatic=True)


async def create_refund(
    app: PaymentApp,
    tx: Transaction,
    payment: PaymentRow,
    attempt_id: UUID,
    amount: Decimal,
    reason: str,
    *,
    automatic: bool = False,
    cash: bool = False,
    requested_by: UUID | None = None,
    delay: timedelta = timedelta(),
) -> UUID:
    """Inserts a refund and returns its id. A cash refund is complete; the job executes others after the commit."""
    refund_id = new_id()
    new = NewRefund(
        id=refund_id,
        refund_id=str(refund_id),
        payment_id=payment.id,
        order_id=payment.order_id,
        attempt_id=attempt_id,
        amount=amount,
        reason=reason,
        status=PENDING,
        automatic=automatic,
        cash=cash,
        requested_by=requested_by,
        try_at=now() + delay,
    )
    await tx.run(queries.INSERT_REFUND, **parameters(new))
    if cash:
        await tx.run(queries.SET_REFUND_COMPLETED, refund_id=refund_id, gateway_refund_id=None, details=None)
        await _publish_refund(tx, payment, attempt_id, refund_id)
    else:
        tx.after_commit(app.refunds_due.set)
    return refund_id


async def apply_refund_report(
    app: PaymentApp, tx: Transaction, payment: PaymentRow, attempt_id: UUID, report: RefundReport
) -> str:
    """Stores what the report changes. Returns the outcome for `payment_events`. Callers hold the payment's lock."""
    refund = await tx.one(
        queries.GET_REFUND_OF_ATTEMPT,
        attempt_id=attempt_id,
        reference=report.reference,
        gateway_refund_id=report.gateway_refund_id,
    )
    if refund is None:
        return await _record_external_refund(tx, payment, attempt_id, report)
    if refund.status in {COMPLETED, FAILED}:
        return "known"
    if refund.amount != report.amount:
        raise_alarm("refund_of_wrong_amount", refund_id=refund.id, expected=refund.amount, reported=report.amount)
        return "mismatch"
    values = {
        "refund_id": refund.id,
        "gateway_refund_id": report.gateway_refund_id,
        "details": Jsonb(dict(report.details)),
    }
    if report.status == "pending":
        await tx.run(queries.SET_REFUND_PROCESSING, **values)
        return "under_way"
    if report.status == "failed":
        await tx.run(queries.SET_REFUND_FAILED, **values)
        await _repeat_failed_refund(app, tx, payment, attempt_id, refund)
        return "refund_failed"
    await tx.run(queries.SET_REFUND_COMPLETED, **values)
    await _publish_refund(tx, payment, attempt_id, refund.id)
    return "refunded"


async def _repeat_failed_refund(
    app: PaymentApp, tx: Transaction, payment: PaymentRow, attempt_id: UUID, refund: AttemptRefundRow
) -> None:
    """Raises an alarm for a refund that the gateway accepted and could not make; repeats an automatic one later."""
    raise_alarm("refund_failed", refund_id=refund.id, payment_id=payment.id, amount=refund.amount)
    if not refund.automatic:
        return
    failed = await tx.one(queries.COUNT_FAILED_AUTOMATIC_REFUNDS, attempt_id=attempt_id)
    assert failed is not None
    if failed < MOST_AUTOMATIC_REFUNDS:
        reason = "repeats a refund that the gateway could not carry out"
        await create_refund(app, tx, payment, attempt_id, refund.amount, reason, automatic=True, delay=RETRY_DELAY)


async def _record_external_refund(tx: Transaction, payment: PaymentRow, attempt_id: UUID, report: RefundReport) -> str:
    """Records a refund that was made at the gateway itself, for example in its dashboard."""
    if report.status != "processed" or report.amount <= 0:
        return "ignored"
    refund_id = new_id()
    new = NewRefund(
        id=refund_id,
        refund_id=str(refund_id),
        payment_id=payment.id,
        order_id=payment.order_id,
        attempt_id=attempt_id,
        amount=report.amount,
        reason="refunded at the gateway",
        status=COMPLETED,
        automatic=False,
        cash=False,
        requested_by=None,
        try_at=now(),
        gateway_refund_id=report.gateway_refund_id,
        gateway_response=dict(report.details),
        completed_at=now(),
    )
    try:
        async with tx.savepoint():
            await tx.run(queries.INSERT_REFUND, **parameters(new))
    except CheckViolation:
        raise_alarm("refunded_beyond_capture", payment_id=payment.id, gateway_refund_id=report.gateway_refund_id)
        return "beyond_capture"
    await _publish_refund(tx, payment, attempt_id, refund_id)
    return "refunded_elsewhere"


async def _publish_refund(tx: Transaction, payment: PaymentRow, attempt_id: UUID, refund_id: UUID) -> None:
    """Publishes the event of a completed refund; a payment that is refunded in full becomes REFUNDED."""
    refund = await tx.one(queries.GET_REFUND, refund_id=refund_id)
    assert refund is not None
    if not refund.kept:
        tx.publish(wire.surplus_refunded_to_proto(payment, refund, now()), key=payment.order_id)
        return
    refunded = await tx.one(queries.SUM_COMPLETED_REFUNDS, attempt_id=attempt_id)
    assert refunded is not None
    status = payment.status
    if refunded == payment.captured_amount:
        check_transition(status, REFUNDED)
        status = REFUNDED
    version = await tx.one(queries.UPDATE_AFTER_REFUND, payment_id=payment.id, status=status)
    assert version is not None
    event = wire.refund_processed_to_proto(payment, refund, version, refunded, now())
    tx.publish(event, key=payment.order_id, version=version)
