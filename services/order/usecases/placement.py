"""Placement of an order: a saga over five services that tolerates crashes and clients that disconnect.

    1. claim the idempotency key, insert the saga                           one statement, one commit
       ∥ read customer, store and prices                                    nothing is reserved
    2. reserve stock ∥ coupon and points                                    under the order's id
    3. insert the order, its events and the result of the key               one transaction
    4. start the payment                                                    at most 3 seconds
    5. delete the saga                                                      one statement

If step 1 or 2 fails, step 2 is compensated and the error is stored under the idempotency key. Without an online
payment, steps 4 and 5 run after the response. If the process dies, the saga stays: the recovery job compensates step 2
before step 3, and starts the payment after it (usecases.recovery).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from contextvars import Context
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import grpc
import psycopg
import structlog

from chassis import tasks
from chassis.clock import now
from chassis.errors import DomainError, RemoteError, Unavailable
from chassis.ids import new_id
from chassis.rpc import idempotency
from chassis.rpc.call import Caller
from services.order import clients, queries
from services.order.app import OrderApp
from services.order.commands import PlaceOrder
from services.order.model.cart import Cart
from services.order.model.numbers import new_order_number
from services.order.model.pricing import NO_BENEFITS, Benefits
from services.order.model.views import OrderView
from services.order.rows import NewOrder, NewOrderItem, NewSaga, order_row
from services.order.usecases.new_orders import PricedOrder, build_insert, build_items, build_order
from services.order.usecases.offers import Offer, gather_both, get_offer
from services.order.usecases.orders import get_own_order
from services.order.writer import CompletedSaga

log = structlog.get_logger(__name__)

# The recovery job continues a saga after this time when a release or a payment has failed.
RETRY = timedelta(seconds=5)
NUMBER_ATTEMPTS = 3


async def place_order(app: OrderApp, caller: Caller, command: PlaceOrder) -> OrderView:
    """Places the order. A repeated key returns the order as it is now, or raises the stored error."""
    return await app.run_shielded(_place_order(app, command))


async def _place_order(app: OrderApp, command: PlaceOrder) -> OrderView:
    while True:
        order_id = new_id()
        offer = asyncio.create_task(get_offer(app, command.cart))
        try:
            if await app.saga_inserts.do(_new_saga(order_id, command)):
                return await _run_saga(app, order_id, command, offer)
        finally:
            await tasks.cancel(offer)
        known = await idempotency.wait_for_result(app.db, command.claim)
        if known is not None:
            return await get_own_order(app, known)


def _new_saga(order_id: UUID, command: PlaceOrder) -> NewSaga:
    cart, claim = command.cart, command.claim
    return NewSaga(
        order_id=order_id,
        customer_id=cart.customer_id,
        store_id=cart.store_id,
        holds_benefits=cart.uses_benefits,
        caller=claim.caller,
        method=claim.method,
        key=claim.key,
        body_hash=claim.body_hash,
    )


@dataclass(slots=True)
class Reservations:
    """What other services may have reserved for an order that is not inserted: requested, and not surely rejected."""

    stock: bool = False
    benefits: bool = False


async def _run_saga(app: OrderApp, order_id: UUID, command: PlaceOrder, offer: Awaitable[Offer]) -> OrderView:
    reservations = Reservations()
    try:
        priced = await _reserve(app, order_id, command, await offer, reservations)
    except Exception as error:
        await _run_detached(_compensate(app, order_id, command, reservations, error))
        raise
    try:
        order, items = await _insert_order(app, order_id, command, priced)
    except Exception as error:
        await _run_detached(_compensate_unless_inserted(app, order_id, command, reservations, error))
        raise
    row = order_row(order, items)
    if order.payment_expires_at is not None:
        row = row._replace(provider_order_id=await _start_payment(app, order))
    elif order.payment_id is not None:
        app.run_in_background(_start_payment(app, order))
    else:
        app.run_in_background(app.completed_sagas.do(CompletedSaga(order_id, "")))
    return OrderView(row, priced.offer.customer.contact)


async def _reserve(
    app: OrderApp, order_id: UUID, command: PlaceOrder, offer: Offer, reservations: Reservations
) -> PricedOrder:
    """Prices the cart and reserves what it needs. `reservations` is correct after an error too."""
    cart = command.cart
    quote = app.quotes.verify(command.quote, cart, now()) if command.quote else None
    rate = app.settings.delivery_tax_basis_points
    if quote is not None and not cart.uses_benefits:
        # The price is final before anything is reserved.
        quote.check(offer.compute_price(NO_BENEFITS, rate))
    benefits = await _reserve_stock_and_benefits(app, order_id, cart, offer, reservations)
    price = offer.compute_price(benefits, rate)
    if quote is not None:
        quote.check(price)
    return PricedOrder(offer, price, benefits)


async def _reserve_stock_and_benefits(
    app: OrderApp, order_id: UUID, cart: Cart, offer: Offer, reservations: Reservations
) -> Benefits:
    async def reserve_stock() -> None:
        reservations.stock = True
        try:
            await clients.reserve_stock(app.calls, order_id, cart)
        except RemoteError:
            reservations.stock = False
            raise

    async def reserve_benefits() -> Benefits:
        reservations.benefits = True
        try:
            return await clients.reserve_benefits(
                app.channels, order_id, cart, offer.lines, offer.subtotal, offer.delivery_fee
            )
        except RemoteError:
            reservations.benefits = False
            raise

    if not cart.uses_benefits:
        await reserve_stock()
        return NO_BENEFITS
    _, benefits = await gather_both(reserve_stock(), reserve_benefits())
    return benefits


async def _insert_order(
    app: OrderApp, order_id: UUID, command: PlaceOrder, priced: PricedOrder
) -> tuple[NewOrder, tuple[NewOrderItem, ...]]:
    """Inserts the order, with another number if its number exists."""
    order = build_order(app, order_id, command, priced, now())
    items = build_items(order, priced.price.lines)
    for attempt in range(NUMBER_ATTEMPTS):
        try:
            if not await app.order_inserts.do(build_insert(order, items)):
                raise Unavailable("the request took too long and was cancelled; try again")
        except psycopg.errors.UniqueViolation:
            if attempt == NUMBER_ATTEMPTS - 1:
                raise
            order = replace(order, order_number=new_order_number(order.created_at))
        else:
            break
    return order, items


async def _start_payment(app: OrderApp, order: NewOrder) -> str:
    """Starts the payment of an inserted order; returns the provider's order id, empty if there is none yet."""
    try:
        provider_order_id = await clients.start_payment(app.calls, order)
        await app.completed_sagas.do(CompletedSaga(order.id, provider_order_id))
    except Exception as error:
        # The order stays valid; the recovery job starts its payment.
        log.warning("starting a payment failed", order_id=str(order.id), error=_describe(error))
        await app.db.run(queries.placement.POSTPONE_SAGA, order_id=order.id, delay=RETRY)
        return ""
    return provider_order_id


async def _run_detached(work: Coroutine[Any, Any, None]) -> None:
    """Runs a compensation without the deadline and the identity of the request."""
    try:
        await asyncio.create_task(work, context=Context())
    except Exception as error:
        log.warning("compensation failed; the recovery job will retry it", error=_describe(error))


async def _compensate_unless_inserted(
    app: OrderApp, order_id: UUID, command: PlaceOrder, reservations: Reservations, error: Exception
) -> None:
    """Compensates only a saga that is still `reserving`: the commit may have succeeded although its result was lost."""
    if await app.db.one(queries.placement.START_COMPENSATION, order_id=order_id) is not None:
        await _compensate(app, order_id, command, reservations, error)


async def _compensate(
    app: OrderApp, order_id: UUID, command: PlaceOrder, reservations: Reservations, error: Exception
) -> None:
    """Releases the reservations, then stores the error under the key. The recovery job retries failed releases."""
    is_released = await release_reservations(app, order_id, stock=reservations.stock, benefits=reservations.benefits)
    async with app.db.transaction() as tx:
        await idempotency.store_error(tx, command.claim, _error_to_store(error))
        if is_released:
            await tx.run(queries.placement.DELETE_COMPENSATED_SAGA, order_id=order_id)
        else:
            await tx.run(queries.placement.RETRY_COMPENSATION, order_id=order_id, lock=RETRY)


async def release_reservations(app: OrderApp, order_id: UUID, *, stock: bool, benefits: bool) -> bool:
    """Releases the reservations of an order that was not inserted; False if a release has failed."""
    releases: list[Coroutine[Any, Any, None]] = []
    if stock:
        releases.append(clients.release_stock(app.channels, order_id))
    if benefits:
        releases.append(clients.release_benefits(app.channels, order_id))
    results = await asyncio.gather(*releases, return_exceptions=True)
    errors = [result for result in results if isinstance(result, BaseException)]
    for error in errors:
        log.warning("releasing a reservation failed", order_id=str(order_id), error=_describe(error))
    return not errors


def _error_to_store(error: Exception) -> DomainError:
    """The error for the key. Unavailable releases the key, also for faults and for rate limits."""
    if isinstance(error, RemoteError) and error.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return Unavailable()
    return error if isinstance(error, DomainError) else Unavailable()


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
