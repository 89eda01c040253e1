"""What a gateway says of an attempt to pay, and what that does to the payment.

Callers hold the payment's row lock. An attempt's effect depends on what is known, not on how often it is told.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Final
from uuid import UUID

from chassis.clock import now
from chassis.database import Jsonb, Row, Transaction
from services.payment import queries as q
from services.payment import wire
from services.payment.gateways.port import AttemptReport
from services.payment.model import CANCELLED, CASH, COD, COMPLETED, FAILED, OPEN, PENDING, PROCESSING, step
from services.payment.usecases import refunds
from services.payment.usecases.alarms import alarm

if TYPE_CHECKING:
    from services.payment.app import PaymentApp

SAVED_TOKEN: Final = "payment_methods.token"  # noqa: S105 - what a sealed token is sealed as
LAST_CHECK: Final = timedelta(hours=1)
"""After a capture the gateway is asked once more: a second one might have gone untold."""


class Verdict(Enum):
    """What a report means for the payment."""

    KNOWN = "known"
    AUTHORIZED = "authorized"
    DECLINED = "declined"
    DOUBTED = "wrong_amount"
    """A webhook tells of a capture of a wrong amount. The gateway is asked before anything follows from it."""
    KEPT = "kept"
    SURPLUS = "surplus"


def judge(payment: Row, attempt: Row | None, report: AttemptReport, *, asked: bool) -> Verdict:
    """`asked`: the gateway said so when it was asked, so that even a wrong amount is a fact to act upon."""
    known = attempt.status if attempt is not None else None
    if known == "captured":
        return Verdict.KNOWN
    if report.status == "failed":
        return Verdict.DECLINED if known in {None, "authorized"} else Verdict.KNOWN
    if report.status == "authorized":
        return Verdict.AUTHORIZED if known is None else Verdict.KNOWN
    exact = report.amount == payment.amount and report.currency == payment.currency
    if exact:
        return Verdict.KEPT if payment.status in OPEN | {CANCELLED} else Verdict.SURPLUS
    if asked:
        return Verdict.SURPLUS
    return Verdict.KNOWN if known == "mismatched" else Verdict.DOUBTED


async def apply(app: PaymentApp, tx: Transaction, payment: Row, report: AttemptReport, *, asked: bool) -> Verdict:
    """Writes what the report changes and announces it."""
    assert payment.provider is not None
    attempt = await tx.one(q.ATTEMPT, provider=payment.provider, transaction_id=report.transaction_id)
    if attempt is not None and attempt.payment_id != payment.id:
        alarm("attempt_of_another_payment", payment_id=payment.id, transaction_id=report.transaction_id)
        return Verdict.KNOWN
    verdict = judge(payment, attempt, report, asked=asked)
    match verdict:
        case Verdict.AUTHORIZED:
            await _put(tx, payment, report, "authorized")
            if payment.status in {PENDING, FAILED}:
                await set_processing(tx, payment)
            await check_soon(app, tx, payment.id)
        case Verdict.DECLINED:
            await _put(tx, payment, report, "failed")
            await _declined(tx, payment, report)
        case Verdict.DOUBTED:
            _alarm_wrong_amount(payment, report)
            await _put(tx, payment, report, "mismatched")
            await check_soon(app, tx, payment.id)
        case Verdict.KEPT:
            await _kept(app, tx, payment, report)
        case Verdict.SURPLUS:
            await _surplus(app, tx, payment, report)
        case Verdict.KNOWN:
            pass
    return verdict


async def set_processing(tx: Transaction, payment: Row, method: str | None = None) -> None:
    """The customer is at the gateway, for the first time or again."""
    step(payment.status, PROCESSING)
    await tx.run(q.SET_PROCESSING, id=payment.id, before=payment.status, method=method)


async def check_soon(app: PaymentApp, tx: Transaction, payment_id: UUID) -> None:
    """The gateway is asked about this payment right after the commit."""
    await tx.run(q.CHECK_SOON, id=payment_id)
    tx.after_commit(app.checks_due.set)


async def take_cash(app: PaymentApp, tx: Transaction, payment: Row, actor: UUID | None) -> None:
    """The cash of a COD payment was received by `actor`; nothing happens when it is booked already."""
    if payment.status not in OPEN:
        return
    await tx.run(
        q.PUT_ATTEMPT,
        payment_id=payment.id,
        provider=CASH,
        transaction_id=str(payment.id),
        method=COD,
        amount=payment.amount,
        currency=payment.currency,
        status="captured",
        failure_reason=None,
        kept=True,
        captured_amount=payment.amount,
        actor=actor,
    )
    await complete(app, tx, payment, transaction_id=None, method=None, details=None, cash=True)


async def complete(
    app: PaymentApp,
    tx: Transaction,
    payment: Row,
    *,
    transaction_id: str | None,
    method: str | None,
    details: object,
    cash: bool = False,
) -> None:
    """The money is there: says so, whatever the payment was before."""
    step(payment.status, COMPLETED)
    online = transaction_id is not None
    completed = await tx.one(
        q.SET_COMPLETED,
        id=payment.id,
        before=payment.status,
        transaction_id=transaction_id,
        method=method,
        details=Jsonb(details) if details is not None else None,
        check_after=LAST_CHECK if online else None,
        order_check_after=timedelta(seconds=app.settings.order_check_seconds) if online else None,
    )
    assert completed is not None
    event = wire.payment_completed(payment, completed, cash=cash)
    tx.publish(event, key=payment.order_id, version=completed.version)


async def _declined(tx: Transaction, payment: Row, report: AttemptReport) -> None:
    if payment.status not in OPEN:
        return
    if payment.status != FAILED:
        step(payment.status, FAILED)
    version = await tx.value(
        q.SET_FAILED,
        id=payment.id,
        before=payment.status,
        reason=report.failure_reason,
        details=Jsonb(dict(report.details)),
    )
    method = report.method or payment.payment_method
    event = wire.payment_failed(payment, version, method, report.failure_reason, now())
    tx.publish(event, key=payment.order_id, version=version)


async def _kept(app: PaymentApp, tx: Transaction, payment: Row, report: AttemptReport) -> None:
    await _put(tx, payment, report, "captured", kept=True)
    await complete(
        app,
        tx,
        payment,
        transaction_id=report.transaction_id,
        method=report.method,
        details=dict(report.details),
    )
    if report.saved is not None:
        await tx.run(
            q.SAVE_METHOD,
            customer_id=payment.customer_id,
            method=report.method or payment.payment_method,
            provider=payment.provider,
            token=app.cipher.encrypt(report.saved.token, SAVED_TOKEN),
            **app.cipher.index(report.saved.token, SAVED_TOKEN),
            network=report.saved.network,
            last4=report.saved.last4,
        )
    if payment.status == CANCELLED:
        await refunds.return_everything(app, tx, payment.id, "the order was cancelled before the payment arrived")


async def _surplus(app: PaymentApp, tx: Transaction, payment: Row, report: AttemptReport) -> None:
    """A second capture, or one of a wrong amount: not the order's money, so it goes back."""
    if report.amount != payment.amount or report.currency != payment.currency:
        _alarm_wrong_amount(payment, report)
    attempt_id = await _put(tx, payment, report, "captured")
    if report.amount > 0:
        reason = "captured beyond what the order owed"
        await refunds.write(app, tx, payment, attempt_id, report.amount, reason, automatic=True)


def _alarm_wrong_amount(payment: Row, report: AttemptReport) -> None:
    alarm(
        "wrong_amount",
        payment_id=payment.id,
        transaction_id=report.transaction_id,
        expected=f"{payment.amount} {payment.currency}",
        captured=f"{report.amount} {report.currency}",
    )


async def _put(tx: Transaction, payment: Row, report: AttemptReport, status: str, *, kept: bool = False) -> UUID:
    attempt_id: UUID = await tx.value(
        q.PUT_ATTEMPT,
        payment_id=payment.id,
        provider=payment.provider,
        transaction_id=report.transaction_id,
        method=report.method or payment.payment_method,
        amount=report.amount,
        currency=report.currency,
        status=status,
        failure_reason=report.failure_reason or None,
        kept=kept,
        captured_amount=report.amount if status == "captured" else Decimal(0),
        actor=None,
    )
    return attempt_id
