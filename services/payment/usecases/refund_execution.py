"""Execution of refunds at their gateways, by a periodic job, until each is completed or has failed.

The id of a refund is its reference at the gateway, so that a repetition after a crash or a lost response does not
refund twice. Before each repetition the gateway is queried for the refund.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from services.payment import queries
from services.payment.app import PaymentApp
from services.payment.gateways.port import Gateway, GatewayUnavailable, RefundRequest, RequestRejected
from services.payment.model.refunds import RefundReport
from services.payment.rows import ClaimedRefundRow
from services.payment.usecases.alarms import raise_alarm
from services.payment.usecases.refunds import apply_refund_report

BATCH: Final = 20
CLAIM: Final = timedelta(seconds=20)
MAX_DELAY_SECONDS: Final = 3600


async def execute_due_refunds(app: PaymentApp) -> None:
    """Executes every refund that is due."""
    while claimed := await app.db.all(queries.CLAIM_REFUNDS, limit=BATCH, claim=CLAIM):
        await asyncio.gather(*(_execute_refund(app, refund) for refund in claimed))


async def _execute_refund(app: PaymentApp, refund: ClaimedRefundRow) -> None:
    """Executes one claimed refund. A failure postpones it; only the rejection of a refund by staff is final."""
    gateway = app.gateways.find(refund.provider)
    if gateway is None:
        raise_alarm("refund_without_gateway", refund_id=refund.id, provider=refund.provider)
        await _postpone_refund(app, refund)
        return
    request = RefundRequest(refund.refund_id, refund.transaction_id, refund.amount, refund.currency)
    try:
        report = await _send_refund(gateway, request, is_repetition=refund.tries > 1)
    except GatewayUnavailable as error:
        app.log.warning(
            "gateway unavailable for a refund", refund_id=str(refund.id), tries=refund.tries, error=str(error)
        )
        await _postpone_refund(app, refund)
    except RequestRejected as error:
        raise_alarm("refund_rejected", refund_id=refund.id, tries=refund.tries, gateway_message=error.description)
        await _handle_rejection(app, refund)
    else:
        await _apply_report(app, refund, report)


async def _send_refund(gateway: Gateway, request: RefundRequest, *, is_repetition: bool) -> RefundReport:
    if is_repetition and (known := await gateway.find_refund(request)) is not None:
        return known
    try:
        return await gateway.create_refund(request)
    except RequestRejected:
        # The rejection may concern a repetition, "already refunded in full", of a request whose response was lost.
        if (known := await gateway.find_refund(request)) is not None:
            return known
        raise


async def _apply_report(app: PaymentApp, refund: ClaimedRefundRow, report: RefundReport) -> None:
    async with app.db.transaction() as tx:
        payment = await tx.one(queries.LOCK_PAYMENT, payment_id=refund.payment_id)
        assert payment is not None
        outcome = await apply_refund_report(app, tx, payment, refund.attempt_id, report)
    if outcome in {"under_way", "mismatch"}:
        await _postpone_refund(app, refund)


async def _handle_rejection(app: PaymentApp, refund: ClaimedRefundRow) -> None:
    """A refund by staff fails, so that they see it. An automatic refund is repeated until it succeeds."""
    if refund.automatic:
        await _postpone_refund(app, refund)
        return
    async with app.db.transaction() as tx:
        await tx.one(queries.LOCK_PAYMENT, payment_id=refund.payment_id)
        await tx.run(queries.SET_REFUND_FAILED, refund_id=refund.id, gateway_refund_id=None, details=None)


async def _postpone_refund(app: PaymentApp, refund: ClaimedRefundRow) -> None:
    seconds = min(2 ** min(refund.tries, 12), MAX_DELAY_SECONDS)
    await app.db.run(queries.POSTPONE_REFUND, refund_id=refund.id, delay=timedelta(seconds=seconds))
