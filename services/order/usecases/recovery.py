"""Periodic jobs: sagas of processes that died, and orders that were not paid in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import structlog

from chassis.errors import DomainError, RemoteError
from services.order import clients, queries
from services.order.app import OrderApp
from services.order.model import states
from services.order.rows import SagaRow
from services.order.usecases.placement import release_reservations
from services.order.usecases.transitions import apply_cancellation, apply_confirmation
from services.order.writer import CompletedSaga

log = structlog.get_logger(__name__)

BATCH = 50
CONCURRENCY = 8
LOCK = timedelta(seconds=60)
MAX_DELAY_SECONDS = 300

T = TypeVar("T")


async def recover_sagas(app: OrderApp) -> None:
    """Takes over sagas whose lock has expired: compensates those without an order, completes the others."""
    while True:
        sagas = await app.db.all(queries.placement.LOCK_EXPIRED_SAGAS, lock=LOCK, batch=BATCH)
        await _for_each(sagas, lambda saga: _recover_saga(app, saga))
        if len(sagas) < BATCH:
            return


async def _recover_saga(app: OrderApp, saga: SagaRow) -> None:
    try:
        is_done = await (_complete_saga(app, saga) if saga.state == "placed" else _compensate_saga(app, saga))
    except Exception as error:
        is_done = False
        log.warning("saga recovery failed", order_id=str(saga.order_id), error=str(error))
    if not is_done:
        delay = timedelta(seconds=min(2**saga.attempts, MAX_DELAY_SECONDS))
        await app.db.run(queries.placement.POSTPONE_SAGA, order_id=saga.order_id, delay=delay)


async def _compensate_saga(app: OrderApp, saga: SagaRow) -> bool:
    """Releases the reservations and the key of an order that was not inserted; False if a release has failed."""
    if not await release_reservations(app, saga.order_id, stock=True, benefits=saga.holds_benefits):
        return False
    async with app.db.transaction() as tx:
        await tx.run(queries.placement.DELETE_KEY_WITHOUT_RESULT, caller=saga.caller, method=saga.method, key=saga.key)
        await tx.run(queries.placement.DELETE_COMPENSATED_SAGA, order_id=saga.order_id)
    log.info("saga compensated", order_id=str(saga.order_id))
    return True


async def _complete_saga(app: OrderApp, saga: SagaRow) -> bool:
    """Starts the payment of an inserted order, unless it is cancelled.

    Also for a delivered COD order: the payment service books the cash once it has the payment.
    """
    order = await app.db.one(queries.orders.GET_ORDER, id=saga.order_id)
    provider_order_id = ""
    if order is not None and order.payment_id is not None and order.status not in states.NOT_PAYABLE:
        try:
            provider_order_id = await clients.start_payment(app.calls, order)
        except RemoteError as error:
            # Retrying would not change it; an online order expires.
            log.warning("the payment service rejects an order", order_id=str(order.id), reason=error.reason)
    await app.completed_sagas.do(CompletedSaga(saga.order_id, provider_order_id))
    return True


async def cancel_unpaid_orders(app: OrderApp) -> None:
    """Cancels orders that were not paid in time. Calls the payment service first, so that lost events do no harm."""
    order_ids = await app.db.all(queries.placement.LIST_OVERDUE_ORDERS, batch=BATCH)
    await _for_each(order_ids, lambda order_id: _confirm_or_cancel(app, order_id))


async def _confirm_or_cancel(app: OrderApp, order_id: UUID) -> None:
    try:
        is_captured = await clients.is_payment_captured(app.channels, order_id)
    except RemoteError as error:
        if error.reason != "NOT_FOUND":
            log.warning("payment reconciliation failed", order_id=str(order_id), reason=error.reason)
            return
        is_captured = False
    except DomainError as error:
        # The order may be paid, so it is neither confirmed nor cancelled until the payment service responds.
        log.warning("payment reconciliation failed", order_id=str(order_id), error=error.message)
        return
    order = await app.db.one(queries.orders.GET_ORDER_HEAD, id=order_id)
    if order is None or order.status != states.PENDING:
        return
    async with app.db.transaction() as tx:
        if is_captured:
            await apply_confirmation(app, tx, order)
        else:
            note = "not paid in time"
            await apply_cancellation(app, tx, order, states.SYSTEM, states.PAYMENT_TIMEOUT, note)


async def _for_each(items: Sequence[T], handle: Callable[[T], Awaitable[None]]) -> None:
    """Handles all items, a few concurrently; an error of one does not affect the others."""
    semaphore = asyncio.Semaphore(CONCURRENCY)

    async def handle_one(item: T) -> None:
        async with semaphore:
            try:
                await handle(item)
            except Exception as error:
                log.warning("item left for the next run", error=f"{type(error).__name__}: {error}")

    await asyncio.gather(*map(handle_one, items))
