"""Payments: started with their order, initiated by the customer, and read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from chassis import Caller
from chassis.batching import Batcher
from chassis.clock import now
from chassis.database import Transaction
from chassis.database.rows import parameters
from chassis.errors import NotFound
from chassis.rpc import idempotency
from chassis.rpc.idempotency import Claim
from services.payment import queries
from services.payment.app import PaymentApp
from services.payment.commands import InitiatePayment, StartPayment
from services.payment.errors import GatewayDeclined, GatewaySilent, OrderHasPayment
from services.payment.gateways.port import GatewayError, GatewayUnavailable, RequestRejected
from services.payment.model.payments import COD, check_payable, is_paid_online, is_same_payment, needs_gateway_order
from services.payment.model.states import FAILED, OPEN, PENDING
from services.payment.rows import InsertedPaymentRow, NewPayment, PaymentRow
from services.payment.usecases import attempts, orders

# The order service starts the payment of a COD order after its response to the customer, within this time.
START_DELAY_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Checkout:
    """A payment, and the secret with which the browser opens its checkout; empty where the gateway needs none."""

    payment: PaymentRow
    client_secret: str = ""


async def start_payment(
    app: PaymentApp,
    caller: Caller,
    command: StartPayment,
    inserts: Batcher[NewPayment, PaymentRow],
    timeout_seconds: float,
) -> PaymentRow:
    """Inserts the payment of an order and creates its order at the gateway, within `timeout_seconds`.

    Repeatable: returns the payment as it is, and creates the gateway's order if it is missing. A failure of the gateway
    is logged; the payment is then returned without provider_order_id. Raises OrderHasPayment, OnlinePaymentOff.
    """
    new = _new_payment(app, command)
    payment = await inserts.do(new)
    if not is_same_payment(payment, new):
        raise OrderHasPayment
    if not needs_gateway_order(payment):
        return payment
    try:
        async with asyncio.timeout(timeout_seconds):
            await _create_gateway_order(app, payment)
    except (GatewayError, TimeoutError) as error:
        app.log.warning("gateway order not created", payment_id=str(payment.id), error=str(error) or "timeout")
    return await get_payment_unscoped(app, new.id)


def _new_payment(app: PaymentApp, command: StartPayment) -> NewPayment:
    provider = expires_at = order_check_at = None
    if is_paid_online(command.payment_method, command.amount):
        provider = app.gateways.get_default().name
        expires_at = command.expires_at or now() + timedelta(minutes=app.settings.payment_minutes)
        order_check_at = expires_at + timedelta(seconds=app.settings.order_check_seconds)
    return NewPayment(
        id=command.payment_id,
        order_id=command.order_id,
        customer_id=command.customer_id,
        store_id=command.store_id,
        order_number=command.order_number,
        payment_method=command.payment_method,
        provider=provider,
        amount=command.amount,
        currency=command.currency,
        expires_at=expires_at,
        order_check_at=order_check_at,
    )


async def insert_payments(app: PaymentApp, new_payments: Sequence[NewPayment]) -> list[PaymentRow]:
    """Inserts payments in one transaction. Returns each, or the payment that its order or its id already has."""
    async with app.db.transaction() as tx:
        await tx.run(queries.LOCK_ORDERS, order_ids=[new.order_id for new in new_payments])
        payments = json.dumps([parameters(new) for new in new_payments], default=str)
        rows = await tx.all(queries.INSERT_PAYMENTS, payments=payments)
        inserted = {row.order_id: await _apply_known_outcome(app, tx, row) for row in rows}
        return [inserted.get(new.order_id) or await _get_existing_payment(tx, new) for new in new_payments]


async def _apply_known_outcome(app: PaymentApp, tx: Transaction, row: InsertedPaymentRow) -> PaymentRow:
    """Applies an outcome of the order that arrived before the payment, and completes a payment of amount 0."""
    payment = row.payment
    if row.order_outcome == "cancelled":
        await orders.cancel_payment(tx, payment)
    elif row.order_outcome == "delivered" and payment.payment_method == COD:
        await attempts.record_cash(app, tx, payment, row.order_actor)
    elif payment.amount == 0:
        await attempts.complete_payment(app, tx, payment)
    else:
        return payment
    changed = await tx.one(queries.GET_PAYMENT, payment_id=payment.id)
    assert changed is not None
    return changed


async def _get_existing_payment(tx: Transaction, new: NewPayment) -> PaymentRow:
    payment = await tx.one(queries.GET_PAYMENT_OF_ORDER, order_id=new.order_id)
    payment = payment or await tx.one(queries.GET_PAYMENT, payment_id=new.id)
    assert payment is not None
    return payment


async def _create_gateway_order(app: PaymentApp, payment: PaymentRow) -> None:
    """Creates the order at the gateway. Of concurrent calls the first stores its order; the others are never used."""
    gateway = app.gateways.get(payment.provider)
    provider_order_id = await gateway.create_order(
        payment.payment_id, payment.amount, payment.currency, payment.order_number
    )
    await app.db.run(
        queries.SET_PROVIDER_ORDER,
        payment_id=payment.id,
        provider_order_id=provider_order_id,
        check_after=timedelta(seconds=app.settings.reconcile_after_seconds),
    )


async def initiate_payment(app: PaymentApp, caller: Caller, command: InitiatePayment, claim: Claim) -> Checkout:
    """Starts an attempt of the customer at the gateway, and creates the gateway's order if it is missing.

    Raises NotFound, NotPaidOnline, PaymentClosed, PaymentExpired, GatewaySilent, GatewayDeclined.
    """

    async def start_attempt(tx: Transaction) -> UUID:
        payment = await tx.one(queries.LOCK_PAYMENT_OF_ORDER, order_id=command.order_id)
        if payment is None or payment.customer_id != caller.account_id:
            raise NotFound
        check_payable(payment, now())
        if payment.status in {PENDING, FAILED}:
            await attempts.set_processing(tx, payment, command.payment_method)
        return payment.id

    # NotFound is not stored under the key when the payment does not exist yet: it may be started soon.
    if await app.db.one(queries.GET_PAYMENT_OF_ORDER, order_id=command.order_id) is None:
        raise NotFound
    payment_id = await idempotency.run_once(app.db, claim, start_attempt)
    payment = await get_payment_unscoped(app, payment_id)
    if payment.status not in OPEN:
        return Checkout(payment)
    try:
        if needs_gateway_order(payment):
            await _create_gateway_order(app, payment)
            payment = await get_payment_unscoped(app, payment.id)
        if payment.provider_order_id is None:
            return Checkout(payment)
        gateway = app.gateways.get(payment.provider)
        return Checkout(payment, await gateway.get_client_secret(payment.provider_order_id))
    except GatewayUnavailable as error:
        raise GatewaySilent from error
    except RequestRejected as error:
        raise GatewayDeclined from error


async def get_payment(app: PaymentApp, caller: Caller, payment_id: UUID) -> PaymentRow:
    """The payment. Raises NotFound for one outside the caller's scope."""
    payment = await app.db.one(queries.GET_VISIBLE_PAYMENT, payment_id=payment_id, **caller.scope.params())
    if payment is None:
        raise NotFound
    return payment


async def get_order_payment(app: PaymentApp, caller: Caller, order_id: UUID) -> PaymentRow:
    """The payment of an order. Raises NotFound for one outside the caller's scope.

    Waits once for a payment that does not exist yet: that of a COD order is started after the order's response.
    """
    scope = caller.scope.params()
    payment = await app.db.one(queries.GET_VISIBLE_PAYMENT_OF_ORDER, order_id=order_id, **scope)
    if payment is None:
        await asyncio.sleep(START_DELAY_SECONDS)
        payment = await app.db.one(queries.GET_VISIBLE_PAYMENT_OF_ORDER, order_id=order_id, **scope)
    if payment is None:
        raise NotFound
    return payment


async def get_payment_unscoped(app: PaymentApp, payment_id: UUID) -> PaymentRow:
    """The payment, which must exist, whatever the scope of the caller."""
    payment = await app.db.one(queries.GET_PAYMENT, payment_id=payment_id)
    assert payment is not None
    return payment
