"""Placing an order: one saga over five services that neither a crash nor a disconnecting client can tear.

    1. the key is claimed and the saga recorded                             one statement, one commit
       ∥ customer, store and prices                                         asked only, nothing is held
    2. stock ∥ coupon and points                                            held under the order's id
    3. the order is written, its events, and the answer to the key          one transaction
    4. the payment is started                                               3 seconds at most
    5. the saga is deleted                                                  one statement

Whoever refuses in 1 or 2 undoes 2 and answers the key. Where nothing is paid online, 4 and 5 come after the answer. A
process that dies leaves the saga: the recovery loop undoes what was not written and starts the payment of what was
(usecases.recovery).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from contextvars import Context
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import grpc
import psycopg
import structlog
from jainshikanji.order.v1.order_pb2 import Order
from jainshikanji.order.v1.order_service_pb2 import CreateOrderRequest

from chassis import ids, tasks
from chassis.clock import now
from chassis.errors import DomainError, RemoteError, Unavailable
from chassis.rpc import idempotency
from chassis.rpc.call import Call
from chassis.rpc.idempotency import Claim
from services.order import clients
from services.order.app import OrderApp
from services.order.model.cart import Cart
from services.order.model.numbers import new_order_number
from services.order.model.pricing import NO_BENEFITS, Benefits
from services.order.queries import placing as q
from services.order.usecases import reading
from services.order.usecases.drafting import Draft, draft, written
from services.order.usecases.pricing import Offer, both, offer
from services.order.wire import orders
from services.order.writing import Finished, Saga

log = structlog.get_logger(__name__)

# When something could not be given back or started at once, the recovery loop tries after this.
RETRY = timedelta(seconds=5)
NUMBER_ATTEMPTS = 3


async def place(app: OrderApp, call: Call, cart: Cart, request: CreateOrderRequest) -> Order:
    """Places the order, or answers what its key came to before: the order as it is now, or the same refusal."""
    return await app.run_shielded(_place(app, Claim.of(call), cart, request))


async def _place(app: OrderApp, claim: Claim, cart: Cart, request: CreateOrderRequest) -> Order:
    while True:
        saga = Saga(ids.new_id(), cart.customer_id, cart.store_id, cart.wants_benefits, claim)
        offered = asyncio.create_task(offer(app, cart))
        try:
            if await app.begin.do(saga):
                return await _carry_out(app, saga, cart, request, offered)
        finally:
            await tasks.end(offered)
        known = await idempotency.wait_for_result(app.db, claim)
        if known is not None:
            return await reading.own_order(app, known)


@dataclass(slots=True)
class Held:
    """What may be held elsewhere for an order that is not written: asked for, and not surely refused."""

    stock: bool = False
    benefits: bool = False


async def _carry_out(
    app: OrderApp, saga: Saga, cart: Cart, request: CreateOrderRequest, offered: Awaitable[Offer]
) -> Order:
    held = Held()
    try:
        ready = await _reserve(app, saga.order_id, cart, request, await offered, held)
    except Exception as failure:
        await _in_peace(_give_up(app, saga, held, failure))
        raise
    try:
        row = await _write(app, ready)
    except Exception as failure:
        await _in_peace(_give_up_unless_written(app, saga, held, failure))
        raise
    if row.payment_expires_at is not None:
        row.provider_order_id = await _start_payment(app, row)
    elif row.payment_id is not None:
        app.run_in_background(_start_payment(app, row))
    else:
        app.run_in_background(app.finish_saga.do(Finished(saga.order_id, "")))
    return orders.order(row, ready.offer.contact)


async def _reserve(
    app: OrderApp, order_id: UUID, cart: Cart, request: CreateOrderRequest, offered: Offer, held: Held
) -> Draft:
    """Prices the cart and holds what it needs. Sets in `held` what may be held, whatever happens."""
    promise = app.quotes.open(request.quote, cart, now()) if request.quote else None
    rate = app.settings.delivery_tax_basis_points
    if promise is not None and not cart.wants_benefits:
        # Known before anything is held.
        promise.check(offered.price(NO_BENEFITS, rate))
    benefits = await _hold(app, order_id, cart, offered, held)
    price = offered.price(benefits, rate)
    if promise is not None:
        promise.check(price)
    return draft(order_id, cart, request, offered, price, benefits)


async def _hold(app: OrderApp, order_id: UUID, cart: Cart, offered: Offer, held: Held) -> Benefits:
    async def stock() -> None:
        held.stock = True
        try:
            await clients.reserve_stock(app.calls, order_id, cart)
        except RemoteError:
            held.stock = False
            raise

    async def benefits() -> Benefits:
        held.benefits = True
        try:
            return await clients.reserve_benefits(
                app.channels, order_id, cart, offered.lines, offered.subtotal, offered.delivery_fee
            )
        except RemoteError:
            held.benefits = False
            raise

    if not cart.wants_benefits:
        await stock()
        return NO_BENEFITS
    _, granted = await both(stock(), benefits())
    return granted


async def _write(app: OrderApp, ready: Draft) -> SimpleNamespace:
    """Writes the order. A number that is taken by chance is drawn again."""
    row = ready.row(app, now())
    for attempt in range(NUMBER_ATTEMPTS):
        try:
            if not await app.write.do(written(row)):
                raise Unavailable("the request took too long and was given up; try again")
        except psycopg.errors.UniqueViolation:
            if attempt == NUMBER_ATTEMPTS - 1:
                raise
            row.order_number = new_order_number(row.created_at)
        else:
            break
    return row


async def _start_payment(app: OrderApp, row: SimpleNamespace) -> str:
    """Starts the payment of a written order; the provider's order, or empty when payment or its gateway is silent."""
    try:
        payment = await clients.start_payment(app.calls, row)
        await app.finish_saga.do(Finished(row.id, payment.provider_order_id))
    except Exception as failure:
        # The order stands; the recovery loop starts its payment.
        log.warning("a payment was not started yet", order_id=str(row.id), error=_named(failure))
        await app.db.run(q.POSTPONE, order_id=row.id, delay=RETRY)
        return ""
    return payment.provider_order_id


async def _in_peace(work: Coroutine[Any, Any, None]) -> None:
    """Undoing has its own time: neither the request's deadline nor its caller count any more."""
    try:
        await asyncio.create_task(work, context=Context())
    except Exception as failure:
        log.warning("an order's saga is left to the recovery loop", error=_named(failure))


async def _give_up_unless_written(app: OrderApp, saga: Saga, held: Held, failure: Exception) -> None:
    """The commit may have happened although its answer was lost: only a saga that is still `reserving` is undone."""
    if await app.db.value(q.GIVE_UP, order_id=saga.order_id) is not None:
        await _give_up(app, saga, held, failure)


async def _give_up(app: OrderApp, saga: Saga, held: Held, failure: Exception) -> None:
    """Gives back what may be held, then answers the key; what could not be given back stays with the recovery loop."""
    freed = await release(app, saga.order_id, stock=held.stock, benefits=held.benefits)
    async with app.db.transaction() as tx:
        await idempotency.store_error(tx, saga.claim, _to_keep(failure))
        if freed:
            await tx.run(q.UNDONE, order_id=saga.order_id)
        else:
            await tx.run(q.STILL_HELD, order_id=saga.order_id, lock=RETRY)


async def release(app: OrderApp, order_id: UUID, *, stock: bool, benefits: bool) -> bool:
    """Gives back what is held for an order that was not written; whether everything asked for is back."""
    work: list[Coroutine[Any, Any, None]] = []
    if stock:
        work.append(clients.release_stock(app.channels, order_id))
    if benefits:
        work.append(clients.release_benefits(app.channels, order_id))
    results = await asyncio.gather(*work, return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    for failure in failures:
        log.warning("a reservation was not released yet", order_id=str(order_id), error=_named(failure))
    return not failures


def _to_keep(failure: Exception) -> DomainError:
    """What the key shall answer. A fault or a limit that passes frees the key instead."""
    if isinstance(failure, RemoteError) and failure.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return Unavailable()
    return failure if isinstance(failure, DomainError) else Unavailable()


def _named(failure: BaseException) -> str:
    return f"{type(failure).__name__}: {failure}"
