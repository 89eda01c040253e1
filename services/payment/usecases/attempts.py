"""Attempts to pay: the effect of a gateway's report on the payment, and the cash of an order.

Callers hold the payment's row lock. A repeated report has no effect.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from chassis.clock import now
from chassis.database import Jsonb, Transaction
from chassis.database.rows import parameters
from services.payment import queries, wire
from services.payment.app import PaymentApp
from services.payment.model.attempts import CASH, AttemptReport, SavedToken, Verdict, is_exact, judge_report
from services.payment.model.payments import COD
from services.payment.model.states import CANCELLED, COMPLETED, FAILED, OPEN, PENDING, PROCESSING, check_transition
from services.payment.rows import NewAttempt, NewSavedMethod, PaymentRow
from services.payment.usecases import refunds
from services.payment.usecases.alarms import raise_alarm

TOKEN_CONTEXT: Final = "payment_methods.token"  # noqa: S105 - the context of the encryption
# After a capture the gateway is queried once more: the webhook of a second capture may be lost.
LAST_CHECK: Final = timedelta(hours=1)


async def apply_attempt_report(
    app: PaymentApp, tx: Transaction, payment: PaymentRow, report: AttemptReport, *, is_confirmed: bool
) -> Verdict:
    """Stores what the report changes and publishes its event. See `judge_report` for `is_confirmed`."""
    assert payment.provider is not None
    attempt = await tx.one(queries.GET_ATTEMPT, provider=payment.provider, transaction_id=report.transaction_id)
    if attempt is not None and attempt.payment_id != payment.id:
        raise_alarm("attempt_of_another_payment", payment_id=payment.id, transaction_id=report.transaction_id)
        return Verdict.KNOWN
    known = attempt.status if attempt is not None else None
    verdict = judge_report(payment, known, report, is_confirmed=is_confirmed)
    match verdict:
        case Verdict.AUTHORIZED:
            await _store_attempt(tx, payment, report, "authorized")
            if payment.status in {PENDING, FAILED}:
                await set_processing(tx, payment)
            await schedule_check_now(app, tx, payment.id)
        case Verdict.DECLINED:
            await _store_attempt(tx, payment, report, "failed")
            await _fail_payment(tx, payment, report)
        case Verdict.MISMATCHED:
            _raise_wrong_amount(payment, report)
            await _store_attempt(tx, payment, report, "mismatched")
            await schedule_check_now(app, tx, payment.id)
        case Verdict.KEPT:
            await _keep_capture(app, tx, payment, report)
        case Verdict.SURPLUS:
            await _refund_surplus(app, tx, payment, report)
        case Verdict.KNOWN:
            pass
    return verdict


async def set_processing(tx: Transaction, payment: PaymentRow, payment_method: str | None = None) -> None:
    """Records that the customer has started an attempt at the gateway."""
    check_transition(payment.status, PROCESSING)
    await tx.run(queries.SET_PROCESSING, payment_id=payment.id, before=payment.status, payment_method=payment_method)


async def schedule_check_now(app: PaymentApp, tx: Transaction, payment_id: UUID) -> None:
    """Makes the job query the gateway about this payment right after the commit."""
    await tx.run(queries.SCHEDULE_CHECK_NOW, payment_id=payment_id)
    tx.after_commit(app.checks_due.set)


async def record_cash(app: PaymentApp, tx: Transaction, payment: PaymentRow, actor: UUID | None) -> None:
    """Completes an open COD payment whose cash was received by `actor`."""
    if payment.status not in OPEN:
        return
    new = NewAttempt(
        payment_id=payment.id,
        provider=CASH,
        transaction_id=str(payment.id),
        payment_method=COD,
        amount=payment.amount,
        currency=payment.currency,
        status="captured",
        failure_reason=None,
        kept=True,
        captured_amount=payment.amount,
        actor=actor,
    )
    await tx.run(queries.UPSERT_ATTEMPT, **parameters(new))
    await complete_payment(app, tx, payment, cash=True)


async def complete_payment(
    app: PaymentApp, tx: Transaction, payment: PaymentRow, report: AttemptReport | None = None, *, cash: bool = False
) -> None:
    """Completes the payment by the capture that is reported; without a report by cash, or for an amount of 0."""
    check_transition(payment.status, COMPLETED)
    check_order_after = timedelta(seconds=app.settings.order_check_seconds)
    completion = await tx.one(
        queries.SET_COMPLETED,
        payment_id=payment.id,
        before=payment.status,
        transaction_id=report.transaction_id if report is not None else None,
        payment_method=report.method if report is not None else None,
        details=_details(report) if report is not None else None,
        check_after=LAST_CHECK if report is not None else None,
        order_check_after=check_order_after if report is not None else None,
    )
    assert completion is not None
    event = wire.payment_completed_to_proto(payment, completion, cash=cash)
    tx.publish(event, key=payment.order_id, version=completion.version)


async def _fail_payment(tx: Transaction, payment: PaymentRow, report: AttemptReport) -> None:
    if payment.status not in OPEN:
        return
    if payment.status != FAILED:
        check_transition(payment.status, FAILED)
    version = await tx.one(
        queries.SET_FAILED,
        payment_id=payment.id,
        before=payment.status,
        reason=report.failure_reason,
        details=_details(report),
    )
    assert version is not None
    method = report.method or payment.payment_method
    event = wire.payment_failed_to_proto(payment, version, method, report.failure_reason, now())
    tx.publish(event, key=payment.order_id, version=version)


async def _keep_capture(app: PaymentApp, tx: Transaction, payment: PaymentRow, report: AttemptReport) -> None:
    await _store_attempt(tx, payment, report, "captured", kept=True)
    await complete_payment(app, tx, payment, report)
    if report.saved is not None:
        await _store_saved_method(app, tx, payment, report, report.saved)
    if payment.status == CANCELLED:
        await refunds.refund_remainder(app, tx, payment.id, "the order was cancelled before the payment arrived")


async def _store_saved_method(
    app: PaymentApp, tx: Transaction, payment: PaymentRow, report: AttemptReport, saved: SavedToken
) -> None:
    assert payment.provider is not None
    new = NewSavedMethod(
        customer_id=payment.customer_id,
        payment_method=report.method or payment.payment_method,
        provider=payment.provider,
        token=app.cipher.encrypt(saved.token, TOKEN_CONTEXT),
        **app.cipher.index(saved.token, TOKEN_CONTEXT),
        network=saved.network,
        last4=saved.last4,
    )
    await tx.run(queries.INSERT_SAVED_METHOD, **parameters(new))


async def _refund_surplus(app: PaymentApp, tx: Transaction, payment: PaymentRow, report: AttemptReport) -> None:
    """Refunds a second capture, or one of a wrong amount: the order does not owe that money."""
    if not is_exact(payment, report):
        _raise_wrong_amount(payment, report)
    attempt_id = await _store_attempt(tx, payment, report, "captured")
    if report.amount > 0:
        reason = "captured beyond what the order owed"
        await refunds.create_refund(app, tx, payment, attempt_id, report.amount, reason, automatic=True)


def _raise_wrong_amount(payment: PaymentRow, report: AttemptReport) -> None:
    raise_alarm(
        "wrong_amount",
        payment_id=payment.id,
        transaction_id=report.transaction_id,
        expected=f"{payment.amount} {payment.currency}",
        captured=f"{report.amount} {report.currency}",
    )


async def _store_attempt(
    tx: Transaction, payment: PaymentRow, report: AttemptReport, status: str, *, kept: bool = False
) -> UUID:
    assert payment.provider is not None
    new = NewAttempt(
        payment_id=payment.id,
        provider=payment.provider,
        transaction_id=report.transaction_id,
        payment_method=report.method or payment.payment_method,
        amount=report.amount,
        currency=report.currency,
        status=status,
        failure_reason=report.failure_reason or None,
        kept=kept,
        captured_amount=report.amount if status == "captured" else Decimal(0),
        actor=None,
    )
    attempt_id = await tx.one(queries.UPSERT_ATTEMPT, **parameters(new))
    assert attempt_id is not None
    return attempt_id


def _details(report: AttemptReport) -> Any:
    return Jsonb(dict(report.details))
