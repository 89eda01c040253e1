"""Webhooks: signed bytes of a gateway, written down once, with their effect, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from chassis.database import Jsonb, Transaction
from chassis.errors import InvalidArgument
from services.payment import queries as q
from services.payment.gateways.port import AttemptReport, ForgedNotice, Notice, RefundReport, UnreadableNotice
from services.payment.model import InvalidSignature
from services.payment.usecases import attempts, refunds
from services.payment.usecases.alarms import NOTICES, alarm

if TYPE_CHECKING:
    from uuid import UUID

    from services.payment.app import PaymentApp


async def receive(app: PaymentApp, headers: Mapping[str, str], body: bytes) -> None:
    """Raises InvalidSignature for a signature that does not hold, InvalidArgument for bytes that say nothing."""
    try:
        gateway, notice = app.accounts.read_notice(headers, body)
    except ForgedNotice as forged:
        NOTICES.labels("unknown", "forged").inc()
        raise InvalidSignature from forged
    except UnreadableNotice as unreadable:
        NOTICES.labels("unknown", "unreadable").inc()
        raise InvalidArgument("body", str(unreadable)) from unreadable
    async with app.db.transaction() as tx:
        outcome = await _handle(app, tx, gateway.name, notice)
    NOTICES.labels(gateway.name, outcome).inc()


async def _handle(app: PaymentApp, tx: Transaction, provider: str, notice: Notice) -> str:
    if await tx.value(q.EVENT_SEEN, provider=provider, event_id=notice.event_id, digest=notice.digest):
        return "repeated"
    match notice.report:
        case AttemptReport() as report:
            payment_id, outcome = await _of_attempt(app, tx, provider, report)
        case RefundReport() as report:
            payment_id, outcome = await _of_refund(app, tx, provider, report)
        case None:
            payment_id, outcome = None, "ignored"
    await _remember(tx, provider, notice, payment_id, outcome)
    return outcome


async def _of_attempt(
    app: PaymentApp, tx: Transaction, provider: str, report: AttemptReport
) -> tuple[UUID | None, str]:
    payment = await tx.one(q.LOCK_BY_PROVIDER_ORDER, provider=provider, provider_order_id=report.provider_order_id)
    if payment is None:
        if report.status == "captured":
            alarm("capture_of_unknown_order", provider=provider, provider_order_id=report.provider_order_id)
        return None, "unknown_order"
    verdict = await attempts.apply(app, tx, payment, report, asked=False)
    return payment.id, verdict.value


async def _of_refund(app: PaymentApp, tx: Transaction, provider: str, report: RefundReport) -> tuple[UUID | None, str]:
    attempt = await tx.one(q.ATTEMPT, provider=provider, transaction_id=report.transaction_id)
    if attempt is None:
        return None, "unknown_payment"
    payment = await tx.one(q.LOCK_PAYMENT, id=attempt.payment_id)
    assert payment is not None
    return payment.id, await refunds.settle(app, tx, payment, attempt.id, report)


async def _remember(tx: Transaction, provider: str, notice: Notice, payment_id: UUID | None, outcome: str) -> None:
    report = notice.report
    await tx.run(
        q.INSERT_EVENT,
        provider=provider,
        event_id=notice.event_id,
        digest=notice.digest,
        type=notice.type,
        payment_id=payment_id,
        transaction_id=report.transaction_id if report is not None else None,
        outcome=outcome,
        details=Jsonb(dict(report.details) if report is not None else {}),
    )
