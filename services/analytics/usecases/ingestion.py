"""Events become facts and figures, in the transaction that records the events.

Locks are taken in one order, so that streams and replicas do not deadlock: facts of orders by id, stores by id, then
roll-up rows by key. A change of a store's time zone locks the store alone and reads facts without locks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import structlog

from chassis.database import Statement, Transaction
from chassis.database.rows import arrays, json_rows
from services.analytics import clients, queries
from services.analytics.app import AnalyticsApp
from services.analytics.commands import Change, IngestEvents
from services.analytics.model.facts import OrderFact, Placement, StoreFact
from services.analytics.model.period import PLATFORM_ZONE, list_zones
from services.analytics.model.rollups import Differences
from services.analytics.rows import (
    NewCustomerDay,
    NewProduct,
    NewProductDay,
    NewRegistration,
    NewSalesDay,
    NewSalesHour,
    NewStockOut,
)

log = structlog.get_logger(__name__)

_LOWEST_ID: Final = UUID(int=0)


async def ingest_events(app: AnalyticsApp, tx: Transaction, command: IngestEvents) -> None:
    """Stores a batch of events and updates facts and roll-ups."""
    await tx.run(queries.INSERT_EVENTS, rows=json_rows(command.events))
    await _change_orders(tx, command.changes)
    await _store_products(tx, command.products)
    await _insert(tx, queries.INSERT_STOCK_OUTS, NewStockOut, command.stock_outs)
    await _insert(tx, queries.INSERT_REGISTRATIONS, NewRegistration, command.registrations)
    for store in command.stores:
        await upsert_store(tx, store)


async def erase_account(app: AnalyticsApp, tx: Transaction, account_id: UUID) -> None:
    """Removes the account from events of apps. Figures keep its id, which no longer identifies a person."""
    await tx.run(queries.ERASE_CLIENT_EVENTS, account_id=account_id)


async def _change_orders(tx: Transaction, changes: Mapping[UUID, Sequence[Change]]) -> None:
    order_ids = sorted(changes)
    if not order_ids:
        return
    await tx.run(queries.INSERT_ORDERS, order_ids=order_ids)
    rows = await tx.all(queries.LOCK_ORDERS, order_ids=order_ids)
    before = {row.order_id: OrderFact.from_row(row) for row in rows}
    after = {order_id: _apply(fact, changes[order_id]) for order_id, fact in before.items()}
    changed = [order_id for order_id in order_ids if after[order_id] != before[order_id]]
    if not changed:
        return
    await tx.run(queries.UPDATE_ORDERS, rows=json_rows(after[order_id].to_row() for order_id in changed))
    placements = [placement for order_id in changed if (placement := after[order_id].placement)]
    await _store_products(tx, _products_of(placements))
    zones = await _share_zones(tx, {fact.placement.store_id for fact in after.values() if fact.placement})
    differences = Differences()
    for order_id in changed:
        placement = after[order_id].placement
        if placement is not None:
            for zone in zones[placement.store_id]:
                differences.change(before[order_id], after[order_id], zone)
    await _add_differences(tx, differences)


def _apply(fact: OrderFact, changes: Sequence[Change]) -> OrderFact:
    for change in changes:
        fact = change(fact)
    return fact


async def _share_zones(tx: Transaction, store_ids: set[UUID]) -> dict[UUID, tuple[str, ...]]:
    wanted = sorted(store_ids)
    if not wanted:
        return {}
    stores = await tx.all(queries.SHARE_STORES, store_ids=wanted)
    if len(stores) < len(wanted):
        await tx.run(queries.INSERT_STORES, store_ids=wanted)
        stores = await tx.all(queries.SHARE_STORES, store_ids=wanted)
    return {row.store_id: list_zones(row.time_zone) for row in stores}


async def _add_differences(tx: Transaction, differences: Differences) -> None:
    await _insert(tx, queries.ADD_HOURS, NewSalesHour, differences.hours())
    await _insert(tx, queries.ADD_DAYS, NewSalesDay, differences.days())
    await _insert(tx, queries.ADD_PRODUCTS, NewProductDay, differences.products())
    await _insert(tx, queries.ADD_CUSTOMERS, NewCustomerDay, differences.customers())


async def _insert(tx: Transaction, what: Statement[None], row: type, rows: Sequence[Any]) -> None:
    if rows:
        await tx.run(what, **arrays(row, rows))


def _products_of(placements: Sequence[Placement]) -> list[NewProduct]:
    return [
        NewProduct(line.product_id, line.name, line.category, placement.placed_at)
        for placement in placements
        for line in placement.lines
    ]


async def _store_products(tx: Transaction, products: Sequence[NewProduct]) -> None:
    """Stores the newest name of each product."""
    newest: dict[UUID, NewProduct] = {}
    for product in sorted(products, key=lambda product: product.known_at):
        newest[product.product_id] = product
    await _insert(tx, queries.UPSERT_PRODUCTS, NewProduct, [newest[product_id] for product_id in sorted(newest)])


async def upsert_store(tx: Transaction, store: StoreFact) -> None:
    """Stores name and time zone unless a newer version is known; a new time zone gets roll-ups of its own."""
    await tx.run(queries.INSERT_STORES, store_ids=[store.store_id])
    known = await tx.one(queries.LOCK_STORE, store_id=store.store_id)
    assert known is not None
    if known.version >= store.version:
        return
    await tx.run(
        queries.UPDATE_STORE,
        store_id=store.store_id,
        name=store.name,
        time_zone=store.time_zone,
        version=store.version,
    )
    if known.time_zone != store.time_zone:
        await _rebuild_rollups(tx, store.store_id, store.time_zone)


async def _rebuild_rollups(tx: Transaction, store_id: UUID, zone: str) -> None:
    """Rebuilds the roll-ups in the store's own time zone from its facts; the store's lock keeps writers away."""
    for statement in queries.DELETE_OTHER_ZONES.values():
        await tx.run(statement, store_id=store_id, platform_zone=PLATFORM_ZONE)
    if zone == PLATFORM_ZONE:
        return
    after, orders = _LOWEST_ID, 0
    while rows := await tx.all(queries.LIST_ORDERS_OF_STORE, store_id=store_id, after=after):
        differences = Differences()
        for row in rows:
            differences.change(OrderFact(row.order_id), OrderFact.from_row(row), zone)
        await _add_differences(tx, differences)
        after, orders = rows[-1].order_id, orders + len(rows)
    log.info("roll-ups rebuilt for a new time zone", store_id=str(store_id), zone=zone, orders=orders)


async def load_unknown_stores(app: AnalyticsApp) -> None:
    """Loads stores from the store service that only orders have named; usually their own events come first."""
    store_ids = await app.db.all(queries.LIST_UNKNOWN_STORES)
    if not store_ids:
        return
    for store in await clients.get_stores(app.channels, store_ids):
        async with app.db.transaction() as tx:
            await upsert_store(tx, store)
