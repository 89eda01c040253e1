"""Money that goes back: written first, capped by the database, then carried out at the gateway until it is done.

A refund's own id is its reference at the gateway, so a repeat after a crash or a lost answer gives nothing back twice;
and every repeat first asks what became of the one before.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from uuid import UUID

from google.protobuf.message import Message
from psycopg.errors import CheckViolation

from chassis import Call, ids
from chassis.clock import now
from chassis.database import Jsonb, Row, Transaction
from chassis.errors import InvalidArgument, NotFound
from chassis.money import money_from_proto
from chassis.rpc import idempotency
from chassis.rpc.pagination import Page
from services.payment import queries as q
from services.payment import wire
from services.payment.gateways.port import Gateway, NoAnswer, RefundOrder, RefundReport, Refused
from services.payment.model import (
    COD,
    COMPLETED,
    FAILED,
    PENDING,
    REFUNDED,
    CashRefundNeedsManager,
    PaymentNotCaptured,
    RefundOverLimit,
    RefundTooLarge,
    step,
)
from services.payment.usecases.alarms import alarm

if TYPE_CHECKING:
    from jainshikanji.type.v1.money_pb2 import Money

    from services.payment.app import PaymentApp

BATCH: Final = 20
CLAIM: Final = timedelta(seconds=20)
LONGEST_PAUSE_SECONDS: Final = 3600
AFTER_FAILURE: Final = timedelta(hours=1)
AUTOMATIC_TRIES: Final = 5


async def ask_refund(
    app: PaymentApp, call: Call, request: Message, payment_id: UUID, amount: Money | None, reason: str
) -> Row:
    """Staff give money back; `amount` None is all that is left. Once per Idempotency-Key."""

    async def work(tx: Transaction) -> UUID:
        payment = await tx.one(q.LOCK_VISIBLE, id=payment_id, **call.scope.params())
        if payment is None:
            raise NotFound
        kept = await tx.one(q.KEPT_ATTEMPT, payment_id=payment.id)
        if kept is None:
            raise PaymentNotCaptured
        cash = payment.payment_method == COD
        wanted = _wanted(payment, amount)
        _authorise(app, call, payment, wanted, cash=cash)
        if not cash:
            _refuse_below_minimum(app.accounts.named(payment.provider), wanted)
        return await write(app, tx, payment, kept.id, wanted, reason, requested_by=call.caller.account_id, cash=cash)

    refund_id = await idempotency.run_once(app.db, idempotency.Claim.of(call), work)
    return await app.db.one(q.REFUND, id=refund_id)


def _wanted(payment: Row, amount: Money | None) -> Decimal:
    left: Decimal = payment.captured_amount - payment.refunded_amount
    if amount is not None and amount.currency_code != payment.currency:
        raise InvalidArgument("amount.currencyCode", f"must be {payment.currency}")
    wanted = left if amount is None else money_from_proto(amount)
    if wanted > left or left == 0:
        raise RefundTooLarge(left)
    return wanted


def _authorise(app: PaymentApp, call: Call, payment: Row, wanted: Decimal, *, cash: bool) -> None:
    """Cashiers give back up to a limit per payment, and no cash."""
    if may_refund_freely(call, payment.store_id):
        return
    if cash:
        raise CashRefundNeedsManager
    limit: Decimal = app.settings.cashier_refund_limit
    if payment.refunded_amount + wanted > limit:
        raise RefundOverLimit(limit)


def may_refund_freely(call: Call, store_id: UUID) -> bool:
    """Admins everywhere, managers in their store."""
    caller = call.caller
    return caller.is_admin or any(grant.tenant_id == store_id and grant.role == "MANAGER" for grant in caller.grants)


def _refuse_below_minimum(gateway: Gateway | None, wanted: Decimal) -> None:
    if gateway is not None and wanted < gateway.smallest_amount:
        raise InvalidArgument("amount", f"the gateway gives back {gateway.smallest_amount} or more")


async def return_everything(app: PaymentApp, tx: Transaction, payment_id: UUID, reason: str) -> None:
    """Gives back what is left of the order's money. Callers hold the payment's lock."""
    payment = await tx.one(q.PAYMENT_BY_ID, id=payment_id)
    kept = await tx.one(q.KEPT_ATTEMPT, payment_id=payment_id)
    assert payment is not None
    if kept is None:
        return
    left = payment.captured_amount - payment.refunded_amount
    if left <= 0:
        return
    if payment.payment_method == COD:
        alarm("cash_to_return", payment_id=payment.id, order_id=payment.order_id, amount=left)
        return
    await write(app, tx, payment, kept.id, left, reason, automatic=True)


async def write(
    app: PaymentApp,
    tx: Transaction,
    payment: Row,
    attempt_id: UUID,
    amount: Decimal,
    reason: str,
    *,
    automatic: bool = False,
    cash: bool = False,
    requested_by: UUID | None = None,
    after: timedelta = timedelta(),
) -> UUID:
    """Writes a refund; the loop carries it out after the commit. Cash is given back as it is written."""
    refund_id = ids.new_id()
    await tx.run(
        q.INSERT_REFUND,
        id=refund_id,
        refund_id=str(refund_id),
        payment_id=payment.id,
        order_id=payment.order_id,
        attempt_id=attempt_id,
        amount=amount,
        reason=reason,
        status=PENDING,
        gateway_refund_id=None,
        gateway_response=None,
        completed_at=None,
        automatic=automatic,
        cash=cash,
        requested_by=requested_by,
        try_at=now() + after,
    )
    if cash:
        await tx.run(q.REFUND_COMPLETED, id=refund_id, gateway_refund_id=None, details=None)
        await _announce(tx, payment, attempt_id, refund_id)
    else:
        tx.after_commit(app.refunds_due.set)
    return refund_id


async def list_refunds(app: PaymentApp, call: Call, payment_id: UUID, page: Page) -> list[Row]:
    """Newest first; `page.limit` rows at most. NotFound for a payment that is not the caller's."""
    if await app.db.one(q.PAYMENT, id=payment_id, **call.scope.params()) is None:
        raise NotFound
    after_at, after_id = page.after or (None, None)
    return await app.db.all(
        q.REFUNDS_OF_PAYMENT,
        payment_id=payment_id,
        first_page=page.after is None,
        after_at=after_at,
        after_id=UUID(after_id) if after_id else None,
        limit=page.limit,
    )


async def carry_out_due(app: PaymentApp) -> None:
    """Carries out every refund whose time has come."""
    while claimed := await app.db.all(q.CLAIM_REFUNDS, limit=BATCH, claim=CLAIM):
        await asyncio.gather(*(carry_out(app, refund) for refund in claimed))


async def carry_out(app: PaymentApp, refund: Row) -> None:
    """One claimed refund at its gateway. Whatever goes wrong, it is tried again; nothing is lost by not raising."""
    gateway = app.accounts.named(refund.provider)
    if gateway is None:
        alarm("refund_without_gateway", refund_id=refund.id, provider=refund.provider)
        await _try_later(app, refund)
        return
    order = RefundOrder(refund.refund_id, refund.transaction_id, refund.amount, refund.currency)
    try:
        report = await _send(gateway, order, sent_before=refund.tries > 1)
    except NoAnswer as silence:
        app.log.warning("a refund was not answered", refund_id=str(refund.id), tries=refund.tries, error=str(silence))
        await _try_later(app, refund)
    except Refused as refusal:
        alarm("refund_refused", refund_id=refund.id, tries=refund.tries, gateway_says=refusal.description)
        await _refused(app, refund)
    else:
        await _settle_claimed(app, refund, report)


async def _send(gateway: Gateway, order: RefundOrder, *, sent_before: bool) -> RefundReport:
    if sent_before and (known := await gateway.find_refund(order)) is not None:
        return known
    try:
        return await gateway.refund(order)
    except Refused:
        # "Already refunded in full" may be the refusal of a repeat whose first answer got lost.
        if (known := await gateway.find_refund(order)) is not None:
            return known
        raise


async def _settle_claimed(app: PaymentApp, refund: Row, report: RefundReport) -> None:
    async with app.db.transaction() as tx:
        payment = await tx.one(q.LOCK_PAYMENT, id=refund.payment_id)
        assert payment is not None
        outcome = await settle(app, tx, payment, refund.attempt_id, report)
    if outcome in {"under_way", "mismatch"}:
        await _try_later(app, refund)


async def _refused(app: PaymentApp, refund: Row) -> None:
    """What staff asked for fails before their eyes; what the platform owes by itself is tried until it works."""
    if refund.automatic:
        await _try_later(app, refund)
        return
    async with app.db.transaction() as tx:
        await tx.one(q.LOCK_PAYMENT, id=refund.payment_id)
        await tx.run(q.REFUND_FAILED, id=refund.id, gateway_refund_id=None, details=None)


async def _try_later(app: PaymentApp, refund: Row) -> None:
    pause = min(2 ** min(refund.tries, 12), LONGEST_PAUSE_SECONDS)
    await app.db.run(q.TRY_REFUND_LATER, id=refund.id, after=timedelta(seconds=pause))


async def settle(app: PaymentApp, tx: Transaction, payment: Row, attempt_id: UUID, report: RefundReport) -> str:
    """What a gateway says of a refund, under the payment's lock. Returns a word for the books."""
    refund = await tx.one(
        q.REFUND_OF_ATTEMPT,
        attempt_id=attempt_id,
        reference=report.reference,
        gateway_refund_id=report.gateway_refund_id,
    )
    if refund is None:
        return await _made_elsewhere(tx, payment, attempt_id, report)
    if refund.status in {COMPLETED, FAILED}:
        return "known"
    if refund.amount != report.amount:
        alarm("refund_of_wrong_amount", refund_id=refund.id, expected=refund.amount, reported=report.amount)
        return "mismatch"
    told = {"gateway_refund_id": report.gateway_refund_id, "details": Jsonb(dict(report.details))}
    if report.status == "pending":
        await tx.run(q.REFUND_UNDER_WAY, id=refund.id, **told)
        return "under_way"
    if report.status == "failed":
        await tx.run(q.REFUND_FAILED, id=refund.id, **told)
        await _failed_at_gateway(app, tx, payment, attempt_id, refund)
        return "refund_failed"
    await tx.run(q.REFUND_COMPLETED, id=refund.id, **told)
    await _announce(tx, payment, attempt_id, refund.id)
    return "refunded"


async def _failed_at_gateway(app: PaymentApp, tx: Transaction, payment: Row, attempt_id: UUID, refund: Row) -> None:
    """The gateway took the refund and could not carry it out. What the platform owes is written anew, some times."""
    alarm("refund_failed", refund_id=refund.id, payment_id=payment.id, amount=refund.amount)
    if not refund.automatic:
        return
    if await tx.value(q.FAILED_AUTOMATIC_REFUNDS, attempt_id=attempt_id) < AUTOMATIC_TRIES:
        reason = "repeats a refund that the gateway could not carry out"
        await write(app, tx, payment, attempt_id, refund.amount, reason, automatic=True, after=AFTER_FAILURE)


async def _made_elsewhere(tx: Transaction, payment: Row, attempt_id: UUID, report: RefundReport) -> str:
    """Somebody refunded at the gateway itself: the money is gone, so it is in the books."""
    if report.status != "processed" or report.amount <= 0:
        return "ignored"
    refund_id = ids.new_id()
    try:
        async with tx.savepoint():
            await tx.run(
                q.INSERT_REFUND,
                id=refund_id,
                refund_id=str(refund_id),
                payment_id=payment.id,
                order_id=payment.order_id,
                attempt_id=attempt_id,
                amount=report.amount,
                reason="refunded at the gateway",
                status=COMPLETED,
                gateway_refund_id=report.gateway_refund_id,
                gateway_response=dict(report.details),
                completed_at=now(),
                automatic=False,
                cash=False,
                requested_by=None,
                try_at=now(),
            )
    except CheckViolation:
        alarm("refunded_beyond_capture", payment_id=payment.id, gateway_refund_id=report.gateway_refund_id)
        return "beyond_capture"
    await _announce(tx, payment, attempt_id, refund_id)
    return "refunded_elsewhere"


async def _announce(tx: Transaction, payment: Row, attempt_id: UUID, refund_id: UUID) -> None:
    """Says that a refund is done, and closes the payment when everything is back."""
    refund = await tx.one(q.REFUND, id=refund_id)
    assert refund is not None
    if not refund.kept:
        tx.publish(wire.surplus_refunded(payment, refund, refund.currency, now()), key=payment.order_id)
        return
    returned: Decimal = await tx.value(q.RETURNED, attempt_id=attempt_id)
    status = step(payment.status, REFUNDED) if returned == payment.captured_amount else payment.status
    version = await tx.value(q.SET_RETURNED, id=payment.id, status=status)
    event = wire.refund_processed(payment, refund, version, returned, now())
    tx.publish(event, key=payment.order_id, version=version)
