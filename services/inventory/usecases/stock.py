"""Stock that people count, receive and discard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial
from uuid import UUID

from chassis import Caller
from chassis.clock import now
from chassis.database import Transaction
from chassis.database.rows import parameters
from chassis.errors import InvalidArgument, NotFound
from chassis.rpc import idempotency
from chassis.rpc.pagination import Page
from services.inventory import queries, wire
from services.inventory.app import InventoryApp
from services.inventory.commands import ListItems, ListMovements, RecordMovement, SetStock
from services.inventory.errors import InsufficientStock, MaxStockExceeded, StockChanged
from services.inventory.model.menu import local_date
from services.inventory.model.stock import ADJUST, RECEIVE, SPOIL, Goods, Level, find_crossing
from services.inventory.model.views import InventoryItemView
from services.inventory.rows import (
    InventoryItemRow,
    LockedItemRow,
    NewBatch,
    ReorderProposalRow,
    StockChangeRow,
    StockMovementRow,
    StockThresholds,
)

# The maximum stock when a receipt is forced; the column can store more.
_MAX_FORCED_STOCK = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Cause:
    """Who changes stock by hand, and why."""

    kind: str
    actor_id: UUID
    reason: str
    purchase_order_id: UUID | None = None


# --- reads ---


async def get_item(app: InventoryApp, caller: Caller, product_id: UUID, store_id: UUID) -> InventoryItemView:
    """The stock of a product in a store. Raises NotFound."""
    item = await app.db.one(queries.stock.GET_ITEM, product_id=product_id, store_id=store_id)
    if item is None:
        raise NotFound
    batches = await app.db.all(queries.stock.LIST_OPEN_BATCHES, product_id=product_id, store_id=store_id)
    return InventoryItemView(item, batches)


async def list_items(app: InventoryApp, caller: Caller, command: ListItems, page: Page) -> list[InventoryItemRow]:
    """A page of the stock of a store by product name, with one row more than the page shows."""
    after_name, after_id = page.after or (None, None)
    return await app.db.all(
        queries.stock.LIST_ITEMS,
        **parameters(command),
        after_name=after_name,
        after_id=after_id,
        limit=page.limit,
    )


async def list_movements(
    app: InventoryApp, caller: Caller, command: ListMovements, page: Page
) -> list[StockMovementRow]:
    """A page of the movements, newest first, with one row more than the page shows."""
    return await app.db.all(
        queries.stock.LIST_MOVEMENTS,
        **parameters(command),
        after_id=UUID(page.after[0]) if page.after else None,
        limit=page.limit,
    )


async def list_reorder_proposals(
    app: InventoryApp, caller: Caller, store_id: UUID, page: Page
) -> list[ReorderProposalRow]:
    """A page of the products to reorder by name, with one row more than the page shows."""
    after_name, after_id = page.after or (None, None)
    return await app.db.all(
        queries.stock.LIST_REORDER_PROPOSALS,
        store_id=store_id,
        after_name=after_name,
        after_id=after_id,
        limit=page.limit,
    )


# --- changes ---


async def set_stock(app: InventoryApp, caller: Caller, command: SetStock) -> InventoryItemView:
    """Sets a counted stock and the thresholds. Raises NotFound, StockChanged, InvalidArgument."""
    product_id, store_id = command.product_id, command.store_id
    async with app.db.transaction() as tx:
        await tx.run(queries.stock.INSERT_ITEMS, store_id=store_id, product_ids=[product_id])
        item = (await _lock_items(tx, store_id, [product_id]))[product_id]
        if command.expected_stock is not None and command.expected_stock != item.current_stock:
            raise StockChanged(item.current_stock)
        thresholds = _change_thresholds(item, command)
        await tx.run(
            queries.stock.SET_THRESHOLDS,
            item_product_id=product_id,
            item_store_id=store_id,
            **parameters(thresholds),
        )
        after = item.current_stock if command.current_stock is None else command.current_stock
        if command.current_stock is not None:
            cause = Cause(ADJUST, caller.account, command.reason)
            await _adjust_stock(tx, item, after - item.current_stock, cause)
        publish_stock_changes(app, tx, [_describe_change(item, after, thresholds)])
        return await _get_existing_item(tx, product_id, store_id)


async def record_movement(app: InventoryApp, caller: Caller, command: RecordMovement) -> InventoryItemView:
    """Records units that are received without a purchase order, a correction, or a loss; once per Idempotency-Key.

    Raises NotFound, InsufficientStock, MaxStockExceeded, InvalidArgument.
    """
    product_id, store_id = command.product_id, command.store_id
    cause = Cause(command.kind, caller.account, command.reason)
    goods = _get_goods(command)

    async def work(tx: Transaction) -> UUID:
        if goods is not None:
            return (await receive_goods(app, tx, store_id, [goods], cause, force=command.force))[0]
        item = (await _lock_items(tx, store_id, [product_id]))[product_id]
        delta = -command.quantity if command.kind == SPOIL else command.quantity
        if item.current_stock + delta < 0:
            raise InsufficientStock(product_id, item.current_stock)
        movement_id = await _adjust_stock(tx, item, delta, cause)
        publish_stock_changes(app, tx, [_describe_change(item, item.current_stock + delta)])
        return movement_id

    await idempotency.run_once(app.db, command.claim, work)
    return await get_item(app, caller, product_id, store_id)


async def receive_goods(
    app: InventoryApp, tx: Transaction, store_id: UUID, goods: Sequence[Goods], cause: Cause, *, force: bool
) -> list[UUID]:
    """Adds received units with their batches; creates missing stock of the store. Returns the ids of the movements.

    Raises NotFound for a deleted product, MaxStockExceeded unless forced.
    """
    product_ids = sorted({each.product_id for each in goods})
    await tx.run(queries.stock.INSERT_ITEMS, store_id=store_id, product_ids=product_ids)
    items = await _lock_items(tx, store_id, product_ids)
    movement_ids = []
    for each in goods:
        item = items[each.product_id]
        after = item.current_stock + each.quantity
        if after > (_MAX_FORCED_STOCK if force else item.max_stock):
            raise MaxStockExceeded(each.product_id, item.max_stock)
        movement_ids.append(await _change_stock(tx, item, each.quantity, cause, unit_cost=each.unit_cost))
        await _insert_batch(tx, store_id, each, cause.purchase_order_id)
        publish_stock_changes(app, tx, [_describe_change(item, after)])
    await tx.run(queries.stock.COPY_NEXT_BATCH, store_id=store_id, product_ids=product_ids)
    return movement_ids


def check_expiry_date(expiry: date | None, field: str) -> None:
    """Raises InvalidArgument when the units have expired."""
    if expiry is not None and expiry < local_date(now()):
        raise InvalidArgument(field, "is in the past")


def publish_stock_changes(app: InventoryApp, tx: Transaction, changes: Iterable[StockChangeRow]) -> None:
    """Publishes the crossed thresholds; drops cached products whose availability changes."""
    for change in changes:
        crossed = find_crossing(Level(change.before, change.min_before), Level(change.after, change.min_after))
        for event in wire.events.stock_change_to_proto(change, crossed):
            tx.publish(event, key=change.product_id)
        if (change.before == 0) != (change.after == 0):
            tx.after_commit(partial(app.drop_product, change.product_id))


def _change_thresholds(item: LockedItemRow, command: SetStock) -> StockThresholds:
    thresholds = StockThresholds(
        min_stock=item.min_stock if command.min_stock is None else command.min_stock,
        max_stock=item.max_stock if command.max_stock is None else command.max_stock,
        reorder_point=item.reorder_point if command.reorder_point is None else command.reorder_point,
        cost_per_unit=command.cost_per_unit or item.cost_per_unit,
        unit=command.unit or item.unit,
    )
    if thresholds.max_stock < thresholds.min_stock:
        raise InvalidArgument("maxStock", "must not be below minStock")
    return thresholds


def _get_goods(command: RecordMovement) -> Goods | None:
    """The received units; None for another kind of movement."""
    check_expiry_date(command.expiry_date, "expiryDate")
    if command.kind == RECEIVE:
        return Goods(command.product_id, command.quantity, command.batch_number, command.expiry_date, command.unit_cost)
    if command.batch_number or command.expiry_date or command.unit_cost is not None:
        raise InvalidArgument("kind", "only received units have a batch, an expiry date and a cost")
    return None


async def _lock_items(tx: Transaction, store_id: UUID, product_ids: Sequence[UUID]) -> dict[UUID, LockedItemRow]:
    """Locks the stock of these products. Raises NotFound when the store does not have one of them."""
    rows = await tx.all(queries.stock.LOCK_ITEMS, store_id=store_id, product_ids=product_ids)
    items = {row.product_id: row for row in rows}
    if len(items) < len(product_ids):
        raise NotFound
    return items


async def _adjust_stock(tx: Transaction, item: LockedItemRow, delta: int, cause: Cause) -> UUID:
    """Changes a locked stock and its batches by a correction or a loss."""
    movement_id = await _change_stock(tx, item, delta, cause)
    if delta > 0:
        await _insert_batch(tx, item.store_id, Goods(item.product_id, delta), None)
    elif delta < 0:
        await tx.run(
            queries.stock.TAKE_FROM_BATCHES,
            product_ids=[item.product_id],
            store_ids=[item.store_id],
            quantities=[-delta],
        )
    await tx.run(queries.stock.COPY_NEXT_BATCH, store_id=item.store_id, product_ids=[item.product_id])
    return movement_id


async def _change_stock(
    tx: Transaction, item: LockedItemRow, delta: int, cause: Cause, unit_cost: Decimal | None = None
) -> UUID:
    """Changes a locked stock and writes its movement. Returns the id of the movement."""
    movement_id = await tx.one(
        queries.stock.CHANGE_STOCK,
        product_id=item.product_id,
        store_id=item.store_id,
        delta=delta,
        kind=cause.kind,
        unit_cost=unit_cost,
        actor_id=cause.actor_id,
        actor_service=None,
        reason=cause.reason,
        purchase_order_id=cause.purchase_order_id,
    )
    assert movement_id is not None
    return movement_id


async def _insert_batch(tx: Transaction, store_id: UUID, goods: Goods, purchase_order_id: UUID | None) -> None:
    batch = NewBatch(
        product_id=goods.product_id,
        store_id=store_id,
        purchase_order_id=purchase_order_id,
        batch_number=goods.batch_number,
        expiry_date=goods.expiry_date,
        unit_cost=goods.unit_cost,
        received_quantity=goods.quantity,
        remaining_quantity=goods.quantity,
    )
    await tx.run(queries.stock.INSERT_BATCH, **parameters(batch))


def _describe_change(item: LockedItemRow, after: int, thresholds: StockThresholds | None = None) -> StockChangeRow:
    """The change of a locked stock, with new thresholds or the present ones."""
    return StockChangeRow(
        product_id=item.product_id,
        store_id=item.store_id,
        product_name=item.product_name,
        before=item.current_stock,
        after=after,
        min_before=item.min_stock,
        min_after=thresholds.min_stock if thresholds else item.min_stock,
        reorder_point=thresholds.reorder_point if thresholds else item.reorder_point,
    )


async def _get_existing_item(tx: Transaction, product_id: UUID, store_id: UUID) -> InventoryItemView:
    item = await tx.one(queries.stock.GET_ITEM, product_id=product_id, store_id=store_id)
    if item is None:  # the product is deleted; its stock stays for the ledger
        raise NotFound
    batches = await tx.all(queries.stock.LIST_OPEN_BATCHES, product_id=product_id, store_id=store_id)
    return InventoryItemView(item, batches)
