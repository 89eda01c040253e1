"""Payments: opened with their order, taken to the gateway by the customer, and asked about when nothing is told."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from google.protobuf.message import Message

from chassis import Call
from chassis.batching import Batcher
from chassis.clock import now
from chassis.database import Jsonb, Row, Transaction
from chassis.errors import InvalidArgument, NotFound
from chassis.rpc import idempotency
from services.payment import queries as q
from services.payment.gateways.port import AttemptReport, Gateway, NoAnswer, Refused
from services.payment.model import (
    CANCELLED,
    COD,
    FAILED,
    OPEN,
    PENDING,
    GatewayDeclined,
    GatewaySilent,
    NotPaidOnline,
    OrderHasPayment,
    PaymentClosed,
    PaymentExpired,
)
from services.payment.usecases import attempts, orders

if TYPE_CHECKING:
    from services.payment.app import PaymentApp

CHECKED_AT_ONCE: Final = 8
CHECK_BATCH: Final = 50
# In so long order opens the payment of an order that it has answered.
OPENING_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class NewPayment:
    """What order says when it opens a payment."""

    id: UUID
    order_id: UUID
    customer_id: UUID
    store_id: UUID
    order_number: str
    amount: Decimal
    currency: str
    method: str
    expires_at: datetime | None


# A payment to be written, with the gateway that takes its money if one does.
Opening = tuple[NewPayment, Gateway | None]


async def start(app: PaymentApp, writes: Batcher[Opening, Row], new: NewPayment, patience: float) -> Row:
    """Writes the payment and opens its order at the gateway, which may stay silent for `patience` seconds.

    The same payment again is returned as it is, with the gateway asked again if it was silent.
    """
    gateway = app.accounts.chosen() if new.method != COD and new.amount > 0 else None
    payment = await writes.do((new, gateway))
    if not _is(payment, new):
        raise OrderHasPayment
    if not _needs_gateway_order(payment):
        return payment
    try:
        async with asyncio.timeout(patience):
            await _open_gateway_order(app, payment)
    except (NoAnswer, Refused, TimeoutError) as fault:
        app.log.warning("no gateway order yet", payment_id=str(payment.id), error=str(fault) or "no time is left")
    return await _read(app, new.id)


async def write_all(app: PaymentApp, openings: Sequence[Opening]) -> list[Row]:
    """Writes payments in one transaction. Answers each, or the payment that its order or its id has already."""
    payments = [_columns(app, new, gateway) for new, gateway in openings]
    async with app.db.transaction() as tx:
        await tx.run(q.LOCK_ORDERS, order_ids=[new.order_id for new, _ in openings])
        rows = await tx.all(q.INSERT_PAYMENTS, payments=json.dumps(payments, default=str))
        written = {row.order_id: await _catch_up(app, tx, row) for row in rows}
        return [written.get(new.order_id) or await _find_other(tx, new) for new, _ in openings]


def _columns(app: PaymentApp, new: NewPayment, gateway: Gateway | None) -> dict[str, Any]:
    expires_at = check_order_at = None
    if gateway is not None:
        expires_at = new.expires_at or now() + timedelta(minutes=app.settings.payment_minutes)
        check_order_at = expires_at + timedelta(seconds=app.settings.order_check_seconds)
    return {
        "id": new.id,
        "order_id": new.order_id,
        "customer_id": new.customer_id,
        "store_id": new.store_id,
        "order_number": new.order_number,
        "payment_method": new.method,
        "provider": gateway.name if gateway is not None else None,
        "amount": new.amount,
        "currency": new.currency,
        "expires_at": expires_at,
        "order_check_at": check_order_at,
    }


async def _catch_up(app: PaymentApp, tx: Transaction, payment: Row) -> Row:
    """Applies what happened to the order before its payment came. Returns the payment as it is then."""
    if payment.outcome == "cancelled":
        await orders.cancel(tx, payment)
    elif payment.outcome == "delivered" and payment.payment_method == COD:
        await attempts.take_cash(app, tx, payment, payment.actor)
    elif payment.amount == 0:
        await attempts.complete(app, tx, payment, transaction_id=None, method=None, details=None)
    else:
        return payment
    return await tx.one(q.PAYMENT_BY_ID, id=payment.id)


async def _find_other(tx: Transaction, new: NewPayment) -> Row:
    return await tx.one(q.PAYMENT_BY_ORDER, order_id=new.order_id) or await tx.one(q.PAYMENT_BY_ID, id=new.id)


def _is(payment: Row, new: NewPayment) -> bool:
    facts = (payment.id, payment.order_id, payment.customer_id, payment.store_id, payment.amount, payment.currency)
    return facts == (new.id, new.order_id, new.customer_id, new.store_id, new.amount, new.currency)


def _needs_gateway_order(payment: Row) -> bool:
    return payment.provider is not None and payment.provider_order_id is None and payment.status in OPEN


async def _open_gateway_order(app: PaymentApp, payment: Row) -> None:
    """Of several that open one at the same time the first is kept; the others' orders are never shown to anybody."""
    gateway = _gateway(app, payment)
    provider_order_id = await gateway.open_order(
        payment.payment_id, payment.amount, payment.currency, payment.order_number
    )
    await app.db.run(
        q.SET_PROVIDER_ORDER,
        id=payment.id,
        provider_order_id=provider_order_id,
        check_after=timedelta(seconds=app.settings.reconcile_after_seconds),
    )


def _gateway(app: PaymentApp, payment: Row) -> Gateway:
    gateway = app.accounts.named(payment.provider)
    if gateway is None:
        raise NoAnswer(f"{payment.provider} is not configured any more")
    return gateway


async def initiate(
    app: PaymentApp, call: Call, request: Message, order_id: UUID, method: str | None
) -> tuple[Row, str]:
    """The customer goes to the gateway. Returns the payment, and the secret of its checkout where there is one."""

    async def work(tx: Transaction) -> UUID:
        payment = await tx.one(q.LOCK_BY_ORDER, order_id=order_id)
        if payment is None or payment.customer_id != call.caller.account_id:
            raise NotFound
        _refuse_unpayable(payment)
        if payment.status in {PENDING, FAILED}:
            await attempts.set_processing(tx, payment, method)
        return UUID(str(payment.id))

    # A payment that order has not started yet may be there a moment later: such a refusal is not kept with the key.
    if await app.db.one(q.PAYMENT_BY_ORDER, order_id=order_id) is None:
        raise NotFound
    payment_id = await idempotency.run_once(app.db, idempotency.Claim.of(call), work)
    payment = await _read(app, payment_id)
    if payment.status not in OPEN:
        return payment, ""
    try:
        if _needs_gateway_order(payment):
            await _open_gateway_order(app, payment)
            payment = await _read(app, payment.id)
        return payment, await _gateway(app, payment).client_secret(payment.provider_order_id)
    except NoAnswer as silence:
        raise GatewaySilent from silence
    except Refused as refusal:
        raise GatewayDeclined from refusal


def _refuse_unpayable(payment: Row) -> None:
    if payment.provider is None:
        raise NotPaidOnline
    if payment.status not in OPEN:
        raise PaymentClosed(payment.status)
    if payment.expires_at is not None and payment.expires_at < now():
        raise PaymentExpired


async def verify(
    app: PaymentApp, call: Call, payment_id: UUID, provider_order_id: str, transaction_id: str, signature: str
) -> Row:
    """The checkout handed this to the customer. A good signature opens the question; the gateway answers it."""
    payment = await find(app, call, payment_id)
    gateway = app.accounts.named(payment.provider)
    if gateway is None or payment.provider_order_id != provider_order_id:
        raise InvalidArgument("providerOrderId", "is not the order of this payment at its gateway")
    if not gateway.checkout_is_signed(provider_order_id, transaction_id, signature):
        raise InvalidArgument("signature", "does not fit the order and the payment")
    if payment.status not in OPEN:
        return payment
    try:
        await ask_gateway(app, payment)
    except (NoAnswer, Refused) as fault:
        app.log.warning("a checkout could not be confirmed yet", payment_id=str(payment.id), error=str(fault))
        await _await_notice(app, payment.id)
    return await _read(app, payment_id)


async def _await_notice(app: PaymentApp, payment_id: UUID) -> None:
    """The customer has paid, as the gateway's signature says; how much, its webhook or the next check will tell."""
    async with app.db.transaction() as tx:
        payment = await tx.one(q.LOCK_PAYMENT, id=payment_id)
        assert payment is not None
        if payment.status in {PENDING, FAILED}:
            await attempts.set_processing(tx, payment)
        await attempts.check_soon(app, tx, payment_id)


async def reconcile(app: PaymentApp, order_id: UUID) -> Row:
    """The payment of an order after its gateway was asked. Raises NotFound, or GatewaySilent when it could not be."""
    payment = await app.db.one(q.PAYMENT_BY_ORDER, order_id=order_id)
    if payment is None:
        raise NotFound
    if payment.provider_order_id is None or payment.status not in OPEN | {CANCELLED}:
        return payment
    try:
        await ask_gateway(app, payment)
    except (NoAnswer, Refused) as fault:
        raise GatewaySilent from fault
    return await _read(app, payment.id)


async def ask_gateway(app: PaymentApp, payment: Row) -> None:
    """Asks for every attempt to pay and applies what is new. Takes the money of an authorised one that nothing beats.

    Raises NoAnswer or Refused of the port; nothing is written then.
    """
    gateway = _gateway(app, payment)
    listed = await gateway.attempts(payment.provider_order_id)
    reports = await _capture_authorised(gateway, payment, listed)
    async with app.db.transaction() as tx:
        for report in in_order(reports):
            # The state that the report before has left.
            current = await tx.one(q.LOCK_PAYMENT, id=payment.id)
            assert current is not None
            verdict = await attempts.apply(app, tx, current, report, asked=True)
            if verdict is not attempts.Verdict.KNOWN:
                await _remember(tx, payment, report, verdict.value)


async def _capture_authorised(
    gateway: Gateway, payment: Row, reports: Sequence[AttemptReport]
) -> Sequence[AttemptReport]:
    authorised = [report for report in reports if report.status == "authorized" and report.amount == payment.amount]
    taken = any(report.status == "captured" for report in reports)
    if taken or not authorised or payment.status not in OPEN:
        return reports
    captured = await gateway.capture(authorised[0])
    return [captured if report.transaction_id == captured.transaction_id else report for report in reports]


def in_order(reports: Sequence[AttemptReport]) -> list[AttemptReport]:
    """Captures first, the oldest first: what was declined before it succeeded is no news. Gateways list backwards."""
    oldest_first = [*reversed(reports)]
    oldest_first.sort(key=lambda report: report.status != "captured")
    return oldest_first


async def _remember(tx: Transaction, payment: Row, report: AttemptReport, outcome: str) -> None:
    event_id = f"asked:{report.transaction_id}:{report.status}"
    await tx.run(
        q.INSERT_EVENT,
        provider=payment.provider,
        event_id=event_id,
        digest=hashlib.sha256(event_id.encode()).digest(),
        type=f"asked.{report.status}",
        payment_id=payment.id,
        transaction_id=report.transaction_id,
        outcome=outcome,
        details=Jsonb(dict(report.details)),
    )


async def check_payments(app: PaymentApp) -> None:
    """Asks the gateway about payments that it should have told of: webhooks get lost."""
    due = await app.db.all(q.DUE_CHECKS, limit=CHECK_BATCH)
    slots = asyncio.Semaphore(CHECKED_AT_ONCE)

    async def check(payment_id: UUID) -> None:
        async with slots:
            await _check(app, payment_id)

    await asyncio.gather(*(check(payment.id) for payment in due))


async def _check(app: PaymentApp, payment_id: UUID) -> None:
    # First the next time, then the asking: a gateway that is down is not asked without a pause.
    await app.db.run(q.NEXT_CHECK, id=payment_id, check_after=timedelta(seconds=app.settings.reconcile_after_seconds))
    payment = await _read(app, payment_id)
    try:
        await ask_gateway(app, payment)
    except (NoAnswer, Refused) as fault:
        app.log.warning("a payment could not be checked", payment_id=str(payment_id), error=str(fault))


async def find(app: PaymentApp, call: Call, payment_id: UUID) -> Row:
    """The payment, if it is the caller's to see. Raises NotFound."""
    payment = await app.db.one(q.PAYMENT, id=payment_id, **call.scope.params())
    if payment is None:
        raise NotFound
    return payment


async def find_of_order(app: PaymentApp, call: Call, order_id: UUID) -> Row:
    """The payment of an order, if it is the caller's to see. Raises NotFound."""
    payment = await app.db.one(q.PAYMENT_OF_ORDER, order_id=order_id, **call.scope.params())
    if payment is None:
        # An order in cash is answered before its payment is opened here.
        await asyncio.sleep(OPENING_SECONDS)
        payment = await app.db.one(q.PAYMENT_OF_ORDER, order_id=order_id, **call.scope.params())
    if payment is None:
        raise NotFound
    return payment


async def _read(app: PaymentApp, payment_id: UUID) -> Row:
    payment = await app.db.one(q.PAYMENT_BY_ID, id=payment_id)
    assert payment is not None
    return payment
