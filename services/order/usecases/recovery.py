"""What loops do for orders: sagas of dead processes, payments that never came, partitions for the months ahead."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from chassis.clock import now
from chassis.errors import DomainError, RemoteError
from services.order import clients
from services.order.app import OrderApp
from services.order.model import states
from services.order.model.months import months
from services.order.queries import partitions, reading
from services.order.queries import placing as q
from services.order.usecases import lifecycle
from services.order.usecases.placing import release
from services.order.writing import Finished

log = structlog.get_logger(__name__)

BATCH = 50
AT_ONCE = 8
LOCK = timedelta(seconds=60)
MAX_DELAY_SECONDS = 300
MONTHS_AHEAD = 4


async def recover_sagas(app: OrderApp) -> None:
    """Takes over sagas whose holder is dead or gave them away: undoes what was not written, finishes what was."""
    while True:
        sagas = await app.db.all(q.TAKE_OVER, lock=LOCK, batch=BATCH)
        await _each(sagas, lambda saga: _recover(app, saga))
        if len(sagas) < BATCH:
            return


async def _recover(app: OrderApp, saga: Any) -> None:
    try:
        done = await (_finish(app, saga) if saga.state == "placed" else _undo(app, saga))
    except Exception as failure:
        done = False
        log.warning("an order's saga is not settled", order_id=str(saga.order_id), error=str(failure))
    if not done:
        delay = min(2**saga.attempts, MAX_DELAY_SECONDS)
        await app.db.run(q.POSTPONE, order_id=saga.order_id, delay=timedelta(seconds=delay))


async def _undo(app: OrderApp, saga: Any) -> bool:
    """Nothing was written: what is held goes back, and the key is free for another attempt."""
    if not await release(app, saga.order_id, stock=True, benefits=saga.holds_benefits):
        return False
    async with app.db.transaction() as tx:
        await tx.run(q.FREE_KEY, caller=saga.caller, method=saga.method, key=saga.key)
        await tx.run(q.UNDONE, order_id=saga.order_id)
    log.info("an order that was not written is undone", order_id=str(saga.order_id))
    return True


async def _finish(app: OrderApp, saga: Any) -> bool:
    """The order is written: its payment is started, unless the order was given up.

    Also that of an order which is delivered by now: its cash is booked when payment hears of it.
    """
    order = await app.db.one(reading.OWN_ORDER, id=saga.order_id)
    provider_order_id = ""
    if order is not None and order.payment_id is not None and order.status not in states.GIVEN_UP:
        try:
            provider_order_id = (await clients.start_payment(app.calls, order)).provider_order_id
        except RemoteError as refusal:
            # It will not be otherwise; an online order runs into its timeout.
            log.warning("payment refuses an order", order_id=str(order.id), reason=refusal.reason)
    await app.finish_saga.do(Finished(saga.order_id, provider_order_id))
    return True


async def cancel_unpaid(app: OrderApp) -> None:
    """Orders whose time to pay is over: payment is asked first, by gRPC, so it works with NATS down."""
    rows = await app.db.all(q.OVERDUE, batch=BATCH)
    await _each(rows, lambda row: _settle_unpaid(app, row.id))


async def _settle_unpaid(app: OrderApp, order_id: UUID) -> None:
    try:
        captured = (await clients.reconcile_payment(app.channels, order_id)).captured
    except RemoteError as refusal:
        if refusal.reason != "NOT_FOUND":
            log.warning("payment does not tell of an order", order_id=str(order_id), reason=refusal.reason)
            return
        captured = False
    except DomainError as refusal:
        # Whether it is paid is not known: neither confirmed nor given up until it is.
        log.warning("an unpaid order waits for payment's answer", order_id=str(order_id), error=refusal.message)
        return
    row = await app.db.one(reading.OWN_HEAD, id=order_id)
    if row is None or row.status != states.PENDING:
        return
    async with app.db.transaction() as tx:
        if captured:
            await lifecycle.confirm(app, tx, row)
        else:
            await lifecycle.give_up(app, tx, row, states.SYSTEM, states.PAYMENT_TIMEOUT, "not paid in time")


async def make_partitions(app: OrderApp) -> None:
    """Months ahead get their partitions; waits briefly for the table and tries again at the next run."""
    for month in months(now(), MONTHS_AHEAD):
        async with app.db.transaction() as tx:
            await tx.run(partitions.IMPATIENT)
            await tx.run(partitions.create_partition(month))


async def _each(rows: list[Any], act: Any) -> None:
    """Acts on all rows, a few at once; a failure of one does not keep the others."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(row: Any) -> None:
        async with gate:
            try:
                await act(row)
            except Exception as failure:
                log.warning("left for the next run", error=f"{type(failure).__name__}: {failure}")

    await asyncio.gather(*(one(row) for row in rows))
