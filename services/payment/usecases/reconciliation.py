"""Reconciliation of payments with their gateways: the attempts are listed there, and what is new is applied."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from chassis import Caller
from chassis.database import Transaction
from chassis.database.rows import parameters
from chassis.errors import InvalidArgument, NotFound
from services.payment import queries
from services.payment.app import PaymentApp
from services.payment.commands import VerifyPayment
from services.payment.errors import GatewaySilent
from services.payment.gateways.port import Gateway, GatewayError
from services.payment.model.attempts import AttemptReport, Verdict, find_capturable, sort_reports
from services.payment.model.states import CANCELLED, FAILED, OPEN, PENDING
from services.payment.rows import NewPaymentEvent, PaymentRow
from services.payment.usecases import attempts
from services.payment.usecases.payments import get_payment, get_payment_unscoped

MOST_CONCURRENT_CHECKS: Final = 8
CHECK_BATCH: Final = 50


async def verify_payment(app: PaymentApp, caller: Caller, command: VerifyPayment) -> PaymentRow:
    """Checks the signature of the checkout, then reconciles the payment: only the gateway's API proves a capture.

    Without a response of the gateway the payment becomes PROCESSING. Raises NotFound, InvalidArgument.
    """
    payment = await get_payment(app, caller, command.payment_id)
    gateway = app.gateways.find(payment.provider)
    if gateway is None or payment.provider_order_id != command.provider_order_id:
        raise InvalidArgument("providerOrderId", "is not the order of this payment at the gateway")
    if not gateway.is_checkout_signed(command.provider_order_id, command.transaction_id, command.signature):
        raise InvalidArgument("signature", "does not match the order and the payment")
    if payment.status not in OPEN:
        return payment
    try:
        await reconcile_payment(app, payment)
    except GatewayError as error:
        app.log.warning("checkout not confirmed", payment_id=str(payment.id), error=str(error))
        await _set_processing(app, payment.id)
    return await get_payment_unscoped(app, payment.id)


async def _set_processing(app: PaymentApp, payment_id: UUID) -> None:
    """The signature says that the customer has paid; the amount follows by webhook or by the next check."""
    async with app.db.transaction() as tx:
        payment = await tx.one(queries.LOCK_PAYMENT, payment_id=payment_id)
        assert payment is not None
        if payment.status in {PENDING, FAILED}:
            await attempts.set_processing(tx, payment)
        await attempts.schedule_check_now(app, tx, payment_id)


async def reconcile_order_payment(app: PaymentApp, caller: Caller, order_id: UUID) -> PaymentRow:
    """The payment of an order, after its reconciliation with the gateway. Raises NotFound, GatewaySilent."""
    payment = await app.db.one(queries.GET_PAYMENT_OF_ORDER, order_id=order_id)
    if payment is None:
        raise NotFound
    if payment.provider_order_id is None or payment.status not in OPEN | {CANCELLED}:
        return payment
    try:
        await reconcile_payment(app, payment)
    except GatewayError as error:
        raise GatewaySilent from error
    return await get_payment_unscoped(app, payment.id)


async def reconcile_payment(app: PaymentApp, payment: PaymentRow) -> None:
    """Lists the attempts at the gateway and applies what is new; captures an authorised attempt if none is captured.

    Raises GatewayError; nothing is written then.
    """
    assert payment.provider_order_id is not None
    gateway = app.gateways.get(payment.provider)
    listed = await gateway.list_attempts(payment.provider_order_id)
    reports = await _capture_authorized(gateway, payment, listed)
    async with app.db.transaction() as tx:
        for report in sort_reports(reports):
            # Read again for each report, because the one before may have changed the payment.
            current = await tx.one(queries.LOCK_PAYMENT, payment_id=payment.id)
            assert current is not None
            verdict = await attempts.apply_attempt_report(app, tx, current, report, is_confirmed=True)
            if verdict is not Verdict.KNOWN:
                await _store_event(tx, gateway.name, payment, report, verdict)


async def _capture_authorized(
    gateway: Gateway, payment: PaymentRow, reports: Sequence[AttemptReport]
) -> Sequence[AttemptReport]:
    authorized = find_capturable(payment, reports)
    if authorized is None:
        return reports
    captured = await gateway.capture_attempt(authorized)
    return [captured if report.transaction_id == captured.transaction_id else report for report in reports]


async def _store_event(
    tx: Transaction, provider: str, payment: PaymentRow, report: AttemptReport, verdict: Verdict
) -> None:
    # "asked" marks the source: the gateway's API and not a webhook.
    event_id = f"asked:{report.transaction_id}:{report.status}"
    new = NewPaymentEvent(
        provider=provider,
        event_id=event_id,
        digest=hashlib.sha256(event_id.encode()).digest(),
        type=f"asked.{report.status}",
        payment_id=payment.id,
        transaction_id=report.transaction_id,
        outcome=verdict.value,
        details=dict(report.details),
    )
    await tx.run(queries.INSERT_EVENT, **parameters(new))


async def check_due_payments(app: PaymentApp) -> None:
    """Reconciles the payments that are due, because webhooks may be lost."""
    due = await app.db.all(queries.LIST_DUE_CHECKS, limit=CHECK_BATCH)
    slots = asyncio.Semaphore(MOST_CONCURRENT_CHECKS)

    async def check(payment_id: UUID) -> None:
        async with slots:
            await _check_payment(app, payment_id)

    await asyncio.gather(*map(check, due))


async def _check_payment(app: PaymentApp, payment_id: UUID) -> None:
    # The next check is scheduled first, so that an unavailable gateway is not queried without a pause.
    check_after = timedelta(seconds=app.settings.reconcile_after_seconds)
    await app.db.run(queries.SCHEDULE_NEXT_CHECK, payment_id=payment_id, check_after=check_after)
    payment = await get_payment_unscoped(app, payment_id)
    try:
        await reconcile_payment(app, payment)
    except GatewayError as error:
        app.log.warning("payment check failed", payment_id=str(payment_id), error=str(error))
