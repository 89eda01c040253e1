"""Webhooks of gateways: each is stored once, in the transaction of its effect."""

from __future__ import annotations

from uuid import UUID

from chassis import Caller
from chassis.database import Transaction
from chassis.database.rows import parameters
from chassis.errors import InvalidArgument
from services.payment import queries
from services.payment.app import PaymentApp
from services.payment.commands import ReceiveWebhook
from services.payment.errors import InvalidSignature
from services.payment.gateways.port import MalformedPayload, WebhookEvent, WebhookSignatureError
from services.payment.model.attempts import AttemptReport
from services.payment.model.refunds import RefundReport
from services.payment.rows import NewPaymentEvent
from services.payment.usecases import attempts, refunds
from services.payment.usecases.alarms import WEBHOOKS, raise_alarm


async def receive_webhook(app: PaymentApp, caller: Caller, command: ReceiveWebhook) -> None:
    """Applies and stores the event of a webhook. Raises InvalidSignature, InvalidArgument for a malformed body."""
    try:
        gateway, event = app.gateways.parse_webhook(command.headers, command.body)
    except WebhookSignatureError as error:
        WEBHOOKS.labels("unknown", "forged").inc()
        raise InvalidSignature from error
    except MalformedPayload as error:
        WEBHOOKS.labels("unknown", "unreadable").inc()
        raise InvalidArgument("body", str(error)) from error
    async with app.db.transaction() as tx:
        outcome = await _handle_event(app, tx, gateway.name, event)
    WEBHOOKS.labels(gateway.name, outcome).inc()


async def _handle_event(app: PaymentApp, tx: Transaction, provider: str, event: WebhookEvent) -> str:
    if await tx.one(queries.HAS_EVENT, provider=provider, event_id=event.event_id, digest=event.digest):
        return "repeated"
    match event.report:
        case AttemptReport() as report:
            payment_id, outcome = await _apply_attempt_report(app, tx, provider, report)
        case RefundReport() as report:
            payment_id, outcome = await _apply_refund_report(app, tx, provider, report)
        case None:
            payment_id, outcome = None, "ignored"
    await _store_event(tx, provider, event, payment_id, outcome)
    return outcome


async def _apply_attempt_report(
    app: PaymentApp, tx: Transaction, provider: str, report: AttemptReport
) -> tuple[UUID | None, str]:
    payment = await tx.one(
        queries.LOCK_PAYMENT_OF_PROVIDER_ORDER, provider=provider, provider_order_id=report.provider_order_id
    )
    if payment is None:
        if report.status == "captured":
            raise_alarm("capture_of_unknown_order", provider=provider, provider_order_id=report.provider_order_id)
        return None, "unknown_order"
    verdict = await attempts.apply_attempt_report(app, tx, payment, report, is_confirmed=False)
    return payment.id, verdict.value


async def _apply_refund_report(
    app: PaymentApp, tx: Transaction, provider: str, report: RefundReport
) -> tuple[UUID | None, str]:
    attempt = await tx.one(queries.GET_ATTEMPT, provider=provider, transaction_id=report.transaction_id)
    if attempt is None:
        return None, "unknown_payment"
    payment = await tx.one(queries.LOCK_PAYMENT, payment_id=attempt.payment_id)
    assert payment is not None
    return payment.id, await refunds.apply_refund_report(app, tx, payment, attempt.id, report)


async def _store_event(
    tx: Transaction, provider: str, event: WebhookEvent, payment_id: UUID | None, outcome: str
) -> None:
    report = event.report
    new = NewPaymentEvent(
        provider=provider,
        event_id=event.event_id,
        digest=event.digest,
        type=event.type,
        payment_id=payment_id,
        transaction_id=report.transaction_id if report is not None else None,
        outcome=outcome,
        details=dict(report.details) if report is not None else {},
    )
    await tx.run(queries.INSERT_EVENT, **parameters(new))
