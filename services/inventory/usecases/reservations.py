"""Stock of orders: reserved before the order is written, committed by its confirmation, returned by its cancellation.

A reservation subtracts from current_stock. A commit does not change the stock: it subtracts the units from their
batches, after which only a cancellation returns them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from chassis import Caller
from chassis.clock import now
from chassis.database import Transaction
from chassis.database.rows import arrays, field_names
from chassis.errors import DomainError, Unavailable
from chassis.events import outbox
from services.inventory import clients, queries, wire
from services.inventory.app import InventoryApp
from services.inventory.commands import ReserveStock, SettleOrders
from services.inventory.errors import OutOfStock, ReservationCommitted, ReservationMismatch, ReservationReleased
from services.inventory.model.stock import HELD, RELEASE, RELEASED, RETURN, RETURNED, sum_lines
from services.inventory.rows import OrderLine, ReservationRow, ReserveResultRow, StockChangeRow
from services.inventory.usecases.stock import publish_stock_changes

# The services that are stored as actors of movements.
_ORDER = "order"
_INVENTORY = "inventory"
# The state of an order that is pending is read again after this time.
_PENDING_PAUSE = timedelta(minutes=10)
# The latest first read of the state of an order.
_MAX_EXPIRY = timedelta(hours=24)
# States of an order whose reservation is released, or stays.
_ORDER_CANCELLED = "CANCELLED"
_ORDER_PENDING = "PENDING"
_PURGE_BATCH = 5000


@dataclass(frozen=True, slots=True)
class Reservation:
    """The lines of an order, each product once and sorted, and when the state of the order is read."""

    order_id: UUID
    store_id: UUID
    lines: Mapping[UUID, int]
    ask_after: datetime


def plan_reservation(app: InventoryApp, command: ReserveStock) -> Reservation:
    """The reservation of an order; the state of the order is read between the configured minutes and a day later."""
    at = now()
    earliest, latest = at + timedelta(minutes=app.settings.reservation_minutes), at + _MAX_EXPIRY
    ask_after = max(earliest, min(command.expires_at, latest)) if command.expires_at else earliest
    return Reservation(command.order_id, command.store_id, sum_lines(command.lines), ask_after)


async def reserve_all(app: InventoryApp, reservations: Sequence[Reservation]) -> list[DomainError | None]:
    """Reserves the lines of each order, all or none, in one transaction. The error of each order, or None."""
    first: dict[UUID, Reservation] = {}
    for each in reservations:
        first.setdefault(each.order_id, each)
    failed = await _reserve(app, list(first.values()))
    errors = {each.order_id: await _find_error(app, each, failed, alone=len(first) == 1) for each in first.values()}
    return [_check_duplicate(each, first[each.order_id], errors[each.order_id]) for each in reservations]


def _check_duplicate(each: Reservation, first: Reservation, error: DomainError | None) -> DomainError | None:
    """The error of a second call for one order in a batch: that of the first, or a mismatch of their lines."""
    if error is None and (each.store_id, each.lines) != (first.store_id, first.lines):
        return ReservationMismatch(each.order_id)
    return error


async def _reserve(app: InventoryApp, reservations: Sequence[Reservation]) -> dict[UUID, list[UUID] | None]:
    """The orders that were not reserved, each with the products that are short.

    No product is short when the order has a reservation already, or an order before it in the batch took the stock.
    """
    lines = [
        (each.order_id, product_id, quantity) for each in reservations for product_id, quantity in each.lines.items()
    ]
    events = [
        (wire.events.stock_reserved_to_proto(each.order_id, each.store_id, each.lines), str(each.order_id), 0)
        for each in reservations
    ]
    async with app.db.transaction() as tx:
        rows = await tx.all(
            queries.reservations.RESERVE,
            order_ids=[each.order_id for each in reservations],
            store_ids=[each.store_id for each in reservations],
            ask_after=[each.ask_after for each in reservations],
            line_orders=[order_id for order_id, _, _ in lines],
            product_ids=[product_id for _, product_id, _ in lines],
            quantities=[quantity for _, _, quantity in lines],
            actor_service=_ORDER,
            **outbox.columns(events),
        )
        tx.after_commit(app.outbox.wake)
        publish_stock_changes(app, tx, _list_stock_changes(rows))
    return {row.order_id: row.short for row in rows if row.order_id is not None and not row.held}


def _list_stock_changes(rows: Iterable[ReserveResultRow]) -> list[StockChangeRow]:
    names = field_names(StockChangeRow)
    return [StockChangeRow._make(getattr(row, name) for name in names) for row in rows if row.order_id is None]


async def _find_error(
    app: InventoryApp, each: Reservation, failed: Mapping[UUID, list[UUID] | None], *, alone: bool
) -> DomainError | None:
    if each.order_id not in failed:
        return None
    present = await app.db.one(queries.reservations.GET_RESERVATION, order_id=each.order_id)
    if present is not None:
        return _compare(each, present)
    if short := failed[each.order_id]:
        return OutOfStock(short)
    if alone:
        return Unavailable("the reservation changed concurrently")
    return (await reserve_all(app, [each]))[0]


def _compare(each: Reservation, present: ReservationRow) -> DomainError | None:
    """The error of a repeated call, or None when the present reservation is equal."""
    if present.status in {RELEASED, RETURNED}:
        return ReservationReleased(each.order_id)
    present_lines = dict(zip(present.product_ids, present.quantities, strict=True))
    is_same = present.store_id == each.store_id and present_lines == each.lines
    return None if is_same else ReservationMismatch(each.order_id)


async def release_stock(app: InventoryApp, caller: Caller, order_id: UUID) -> None:
    """Releases the reservation of an unconfirmed order; without one, a later reservation is rejected.

    Raises ReservationCommitted for a confirmed order.
    """
    await _release_stock(app, order_id, actor=_ORDER)


async def _release_stock(app: InventoryApp, order_id: UUID, *, actor: str) -> None:
    async with app.db.transaction() as tx:
        released = await tx.all(queries.reservations.RELEASE_RESERVATIONS, order_ids=[order_id])
        if not released:
            present = await tx.one(queries.reservations.GET_RESERVATION, order_id=order_id)
            if present is not None and present.status != RELEASED:
                raise ReservationCommitted(order_id)
        await _add_stock(app, tx, released, RELEASE, actor)


async def settle_orders(app: InventoryApp, tx: Transaction, command: SettleOrders) -> None:
    """Commits the stock of confirmed orders and of those whose food was begun; returns that of other cancelled orders.

    Settled reservations are not changed.
    """
    confirmed, returned, consumed = command.confirmed, command.returned, command.consumed
    present = await tx.all(queries.reservations.LOCK_RESERVATIONS, order_ids=sorted(confirmed | returned | consumed))
    lines = _list_lines(present)
    await tx.all(
        queries.reservations.LOCK_STOCK,
        product_ids=[line.product_id for line in lines],
        store_ids=[line.store_id for line in lines],
    )
    held = {row.order_id for row in present if row.status == HELD}
    await _commit(tx, sorted((confirmed | consumed) & held))
    if lost := [
        str(row.order_id) for row in present if row.status == RELEASED and row.order_id in confirmed - returned
    ]:
        app.log.warning("orders confirmed after their stock was released", order_ids=lost)
    if returned:
        released = await tx.all(
            queries.reservations.RELEASE_RESERVATIONS, order_ids=sorted(returned - confirmed - consumed)
        )
        await _add_stock(app, tx, released, RELEASE, _ORDER)
        rows = await tx.all(queries.reservations.RETURN_RESERVATIONS, order_ids=sorted(returned))
        await _add_stock(app, tx, rows, RETURN, _ORDER)


async def _commit(tx: Transaction, order_ids: Sequence[UUID]) -> None:
    if not order_ids:
        return
    columns = arrays(
        OrderLine, _list_lines(await tx.all(queries.reservations.COMMIT_RESERVATIONS, order_ids=order_ids))
    )
    quantities = columns.pop("quantity")
    await tx.run(
        queries.reservations.RECORD_COMMITS,
        order_ids=columns["order_id"],
        product_ids=columns["product_id"],
        store_ids=columns["store_id"],
        actor_service=_ORDER,
    )
    await tx.run(
        queries.stock.TAKE_FROM_BATCHES,
        product_ids=columns["product_id"],
        store_ids=columns["store_id"],
        quantities=quantities,
    )


async def _add_stock(
    app: InventoryApp, tx: Transaction, reservations: Sequence[ReservationRow], kind: str, actor: str
) -> None:
    """Adds the stock of released or returned reservations; tombstones have none."""
    lines = _list_lines(reservations)
    if not lines:
        return
    product_ids, store_ids = [line.product_id for line in lines], [line.store_id for line in lines]
    quantities = [line.quantity for line in lines]
    changes = await tx.all(
        queries.reservations.ADD_STOCK,
        order_ids=[line.order_id for line in lines],
        product_ids=product_ids,
        store_ids=store_ids,
        quantities=quantities,
        kind=kind,
        actor_service=actor,
    )
    if kind == RETURN:
        await tx.run(
            queries.stock.RETURN_TO_BATCHES, product_ids=product_ids, store_ids=store_ids, quantities=quantities
        )
    for row in reservations:
        if row.product_ids:
            event = wire.events.stock_released_to_proto(row, is_return=kind == RETURN)
            tx.publish(event, key=row.order_id)
    publish_stock_changes(app, tx, changes)


def _list_lines(reservations: Iterable[ReservationRow]) -> list[OrderLine]:
    """The lines of reservations. A tombstone has no store and no lines."""
    return [
        OrderLine(row.order_id, product_id, row.store_id, quantity)
        for row in reservations
        if row.store_id is not None
        for product_id, quantity in zip(row.product_ids, row.quantities, strict=True)
    ]


async def recover_reservations(app: InventoryApp) -> None:
    """Reads the state of orders whose reservation is overdue, and releases only those that are unknown or cancelled."""
    while order_ids := await app.db.all(queries.reservations.LIST_OVERDUE_RESERVATIONS, limit=clients.MAX_STATES):
        states = await clients.get_order_states(app.channels, order_ids)
        pending = [order_id for order_id in order_ids if states.get(order_id) == _ORDER_PENDING]
        cancelled = [order_id for order_id in order_ids if states.get(order_id, _ORDER_CANCELLED) == _ORDER_CANCELLED]
        accepted = frozenset(order_ids) - frozenset(pending) - frozenset(cancelled)
        app.log.warning("overdue reservations", pending=len(pending), released=len(cancelled), committed=len(accepted))
        if pending:
            await app.db.run(queries.reservations.POSTPONE_RESERVATIONS, order_ids=pending, pause=_PENDING_PAUSE)
        async with app.db.transaction() as tx:
            await settle_orders(app, tx, SettleOrders(confirmed=accepted))
        for order_id in cancelled:
            await _release_overdue(app, order_id)


async def _release_overdue(app: InventoryApp, order_id: UUID) -> None:
    try:
        await _release_stock(app, order_id, actor=_INVENTORY)
    except ReservationCommitted:  # its confirmation arrived in between
        app.log.info("overdue reservation was settled concurrently", order_id=str(order_id))


async def purge_reservations(app: InventoryApp) -> None:
    """Deletes reservations that were settled long ago; their movements stay."""
    keep = timedelta(days=app.settings.reservation_keep_days)
    while await app.db.run(queries.reservations.PURGE_RESERVATIONS, keep=keep, limit=_PURGE_BATCH) == _PURGE_BATCH:
        pass
