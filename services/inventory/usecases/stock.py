"""Counting, receiving and throwing away: stock that people change, and what they see of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from jainshikanji.inventory.v1 import stock_pb2, stock_service_pb2

from chassis import Call
from chassis.clock import now
from chassis.database import Row, Transaction
from chassis.errors import InvalidArgument, NotFound
from chassis.rpc import idempotency
from chassis.timestamps import parse_optional_date
from services.inventory import wire
from services.inventory.app import InventoryApp
from services.inventory.model import menu
from services.inventory.model import stock as rules
from services.inventory.model.refusals import InsufficientStock, MaxStockExceeded, StockChanged
from services.inventory.queries import stock as q
from services.inventory.usecases.reservations import announce

# Far above any store, far below what the column holds.
MOST = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Cause:
    """Who changes stock by hand, and why."""

    kind: str
    actor: UUID
    reason: str
    purchase_order_id: UUID | None = None


# --- Reading ----------------------------------------------------------------------------------------------------------


async def get_item(app: InventoryApp, product_id: UUID, store_id: UUID) -> stock_pb2.InventoryItem:
    """The stock of a product in a store with its batches. Raises NotFound."""
    row = await app.db.one(q.ITEM, product_id=product_id, store_id=store_id)
    if row is None:
        raise NotFound
    return wire.inventory_item(row, await app.db.all(q.OPEN_BATCHES, product_id=product_id, store_id=store_id))


async def list_items(
    app: InventoryApp, request: stock_service_pb2.ListInventoryItemsRequest
) -> stock_service_pb2.ListInventoryItemsResponse:
    """The stock of a store, by product name."""
    page = app.pages.open(request, default_size=50)
    after_name, after_id = page.after or (None, None)
    rows = await app.db.all(
        q.ITEMS,
        store_id=UUID(request.store_id),
        low_only=request.low_only,
        after_name=after_name,
        after_id=after_id,
        limit=page.limit,
    )
    return stock_service_pb2.ListInventoryItemsResponse(
        items=[wire.inventory_item(row) for row in page.trim(rows)],
        next_page_token=page.next_token(rows, lambda row: (row.sort_name, str(row.product_id))),
    )


async def list_movements(
    app: InventoryApp, request: stock_service_pb2.ListStockMovementsRequest
) -> stock_service_pb2.ListStockMovementsResponse:
    """Every change, newest first."""
    page = app.pages.open(request, default_size=50)
    rows = await app.db.all(
        q.MOVEMENTS,
        product_id=UUID(request.product_id),
        store_id=UUID(request.store_id),
        kind=wire.MOVEMENT_KIND.from_proto(request.kind) if request.kind else None,
        after_id=UUID(page.after[0]) if page.after else None,
        limit=page.limit,
    )
    return stock_service_pb2.ListStockMovementsResponse(
        movements=[wire.movement(row) for row in page.trim(rows)],
        next_page_token=page.next_token(rows, lambda row: (str(row.id),)),
    )


async def list_reorder_proposals(
    app: InventoryApp, request: stock_service_pb2.ListReorderProposalsRequest
) -> stock_service_pb2.ListReorderProposalsResponse:
    """What should be bought for a store, by product name."""
    page = app.pages.open(request, default_size=50)
    after_name, after_id = page.after or (None, None)
    rows = await app.db.all(
        q.REORDER_PROPOSALS,
        store_id=UUID(request.store_id),
        after_name=after_name,
        after_id=after_id,
        limit=page.limit,
    )
    return stock_service_pb2.ListReorderProposalsResponse(
        proposals=[
            wire.reorder_proposal(row, rules.proposed_quantity(row.current_stock, row.max_stock, row.on_order))
            for row in page.trim(rows)
        ],
        next_page_token=page.next_token(rows, lambda row: (row.sort_name, str(row.product_id))),
    )


# --- Changing ---------------------------------------------------------------------------------------------------------


async def set_stock(
    app: InventoryApp, request: stock_service_pb2.SetStockRequest, actor: UUID
) -> stock_pb2.InventoryItem:
    """Sets what was counted and the thresholds. Raises NotFound, StockChanged, InvalidArgument."""
    product_id, store_id = UUID(request.product_id), UUID(request.store_id)
    async with app.db.transaction() as tx:
        await tx.run(q.STOCK_PRODUCTS, store_id=store_id, product_ids=[product_id])
        item = (await _lock(tx, store_id, [product_id]))[product_id]
        if request.HasField("expected_stock") and request.expected_stock != item.current_stock:
            raise StockChanged(item.current_stock)
        thresholds = _thresholds(request, item)
        await tx.run(q.SET_THRESHOLDS, item_product_id=product_id, item_store_id=store_id, **thresholds)
        after = request.current_stock if request.HasField("current_stock") else item.current_stock
        if request.HasField("current_stock"):
            cause = Cause(rules.ADJUST, actor, request.reason)
            await _adjust(tx, item, after - item.current_stock, cause)
        announce(app, tx, [_change(item, after, thresholds["min_stock"], thresholds["reorder_point"])])
        return await _read(tx, product_id, store_id)


async def record_movement(
    app: InventoryApp, call: Call, request: stock_service_pb2.RecordStockMovementRequest, actor: UUID
) -> stock_pb2.InventoryItem:
    """Goods that came in without a purchase order, a correction, or goods thrown away; once per Idempotency-Key.

    Raises NotFound, InsufficientStock, MaxStockExceeded, InvalidArgument.
    """
    product_id, store_id = UUID(request.product_id), UUID(request.store_id)
    cause = Cause(wire.MOVEMENT_KIND.from_proto(request.kind), actor, request.reason)
    goods = _goods(request, cause.kind)

    async def work(tx: Transaction) -> UUID:
        if goods is not None:
            return (await receive(app, tx, store_id, [goods], cause, force=request.force))[0]
        item = (await _lock(tx, store_id, [product_id]))[product_id]
        delta = -request.quantity if cause.kind == rules.SPOIL else request.quantity
        if item.current_stock + delta < 0:
            raise InsufficientStock(product_id, item.current_stock)
        movement_id = await _adjust(tx, item, delta, cause)
        announce(app, tx, [_change(item, item.current_stock + delta)])
        return movement_id

    await idempotency.run_once(app.db, idempotency.Claim.of(call), work)
    return await get_item(app, product_id, store_id)


async def receive(
    app: InventoryApp, tx: Transaction, store_id: UUID, goods: Sequence[rules.Goods], cause: Cause, *, force: bool
) -> list[UUID]:
    """Goods come in: movements, batches, and the store stocks what it did not. Returns the movements' ids.

    Raises NotFound for a product that is gone, MaxStockExceeded unless forced.
    """
    product_ids = sorted({each.product_id for each in goods})
    await tx.run(q.STOCK_PRODUCTS, store_id=store_id, product_ids=product_ids)
    items = await _lock(tx, store_id, product_ids)
    movement_ids = []
    for each in goods:
        item = items[each.product_id]
        after = item.current_stock + each.quantity
        if after > (MOST if force else item.max_stock):
            raise MaxStockExceeded(each.product_id, item.max_stock)
        movement_ids.append(await _move(tx, item, each.quantity, cause, unit_cost=each.unit_cost))
        await _add_batch(tx, store_id, each, cause.purchase_order_id)
        announce(app, tx, [_change(item, after)])
    await tx.run(q.COPY_NEXT_BATCH, store_id=store_id, product_ids=product_ids)
    return movement_ids


def _thresholds(request: stock_service_pb2.SetStockRequest, item: Row) -> dict[str, Any]:
    columns: dict[str, Any] = {
        name: getattr(request, name) if request.HasField(name) else getattr(item, name)
        for name in ("min_stock", "max_stock", "reorder_point")
    }
    if columns["max_stock"] < columns["min_stock"]:
        raise InvalidArgument("maxStock", "must not be below minStock")
    columns["cost_per_unit"] = wire.optional_money(request, "cost_per_unit") or item.cost_per_unit
    columns["unit"] = wire.UNIT.from_proto(request.unit) if request.unit else item.unit
    return columns


def _goods(request: stock_service_pb2.RecordStockMovementRequest, kind: str) -> rules.Goods | None:
    """What came in; None for any other kind of movement."""
    if kind != rules.ADJUST and request.quantity < 0:
        raise InvalidArgument("quantity", "must be above zero")
    expiry = expiry_date(request.expiry_date, "expiryDate")
    if kind == rules.RECEIVE:
        return rules.Goods(
            UUID(request.product_id),
            request.quantity,
            request.batch_number,
            expiry,
            wire.optional_money(request, "unit_cost"),
        )
    if request.batch_number or expiry or request.HasField("unit_cost"):
        raise InvalidArgument("kind", "only goods that come in have a batch and a cost")
    return None


def expiry_date(text: str, field: str) -> date | None:
    """The last day goods are good. Raises InvalidArgument when it is over already."""
    expiry = parse_optional_date(field, text)
    if expiry is not None and expiry < menu.today(now()):
        raise InvalidArgument(field, "is over: what has expired does not come in")
    return expiry


async def _lock(tx: Transaction, store_id: UUID, product_ids: Sequence[UUID]) -> dict[UUID, Row]:
    """The stock of these products, locked. Raises NotFound when the store does not stock one of them."""
    rows = await tx.all(q.LOCK_ITEMS, store_id=store_id, product_ids=product_ids)
    items = {row.product_id: row for row in rows}
    if len(items) < len(product_ids):
        raise NotFound
    return items


async def _adjust(tx: Transaction, item: Row, delta: int, cause: Cause) -> UUID:
    """Changes a locked stock by what was counted or thrown away, and its batches with it."""
    movement_id = await _move(tx, item, delta, cause)
    if delta > 0:
        await _add_batch(tx, item.store_id, rules.Goods(item.product_id, delta), None)
    elif delta < 0:
        await tx.run(q.TAKE_FROM_BATCHES, product_ids=[item.product_id], store_ids=[item.store_id], quantities=[-delta])
    await tx.run(q.COPY_NEXT_BATCH, store_id=item.store_id, product_ids=[item.product_id])
    return movement_id


async def _move(tx: Transaction, item: Row, delta: int, cause: Cause, unit_cost: Any = None) -> UUID:
    movement_id: UUID = await tx.value(
        q.MOVE,
        product_id=item.product_id,
        store_id=item.store_id,
        delta=delta,
        kind=cause.kind,
        unit_cost=unit_cost,
        actor_id=cause.actor,
        actor_service=None,
        reason=cause.reason,
        purchase_order_id=cause.purchase_order_id,
    )
    return movement_id


async def _add_batch(tx: Transaction, store_id: UUID, goods: rules.Goods, purchase_order_id: UUID | None) -> None:
    await tx.run(
        q.INSERT_BATCH,
        product_id=goods.product_id,
        store_id=store_id,
        purchase_order_id=purchase_order_id,
        batch_number=goods.batch_number,
        expiry_date=goods.expiry_date,
        unit_cost=goods.unit_cost,
        received_quantity=goods.quantity,
        remaining_quantity=goods.quantity,
    )


def _change(item: Row, after: int, min_after: int | None = None, reorder_point: int | None = None) -> rules.StockChange:
    return rules.StockChange(
        product_id=item.product_id,
        store_id=item.store_id,
        product_name=item.product_name,
        before=item.current_stock,
        after=after,
        min_before=item.min_stock,
        min_after=item.min_stock if min_after is None else min_after,
        reorder_point=item.reorder_point if reorder_point is None else reorder_point,
    )


async def _read(tx: Transaction, product_id: UUID, store_id: UUID) -> stock_pb2.InventoryItem:
    row = await tx.one(q.ITEM, product_id=product_id, store_id=store_id)
    if row is None:  # the product was deleted; its stock row stays for the record
        raise NotFound
    return wire.inventory_item(row, await tx.all(q.OPEN_BATCHES, product_id=product_id, store_id=store_id))
