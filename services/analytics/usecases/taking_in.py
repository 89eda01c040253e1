"""From events to figures, in the transaction that remembers the events.

Locks are taken in one order everywhere, so that streams and replicas do not deadlock: facts of orders by id, stores by
id, then roll-up rows by their keys. The change of a store's zone takes the store alone and reads facts without locking.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import structlog

from chassis.database import Jsonb, Row, Transaction
from services.analytics import clients, queries
from services.analytics.app import AnalyticsApp
from services.analytics.model.facts import Line, Milestone, OrderFact, Placement
from services.analytics.model.period import PLATFORM_ZONE, zones_of
from services.analytics.model.rollups import MEASURES, Differences, Figures

log = structlog.get_logger(__name__)

Change = Callable[[OrderFact], OrderFact]
_LOWEST: Final = UUID(int=0)
_AMOUNTS: Final = ("subtotal", "tax", "delivery_fee", "discount", "loyalty_discount", "total")


async def change_orders(tx: Transaction, changes: Mapping[UUID, Sequence[Change]]) -> None:
    """Applies what events say of orders and moves the roll-ups by the difference."""
    order_ids = sorted(changes)
    if not order_ids:
        return
    await tx.run(queries.KNOW_ORDERS, order_ids=order_ids)
    before = {row.order_id: read_fact(row) for row in await tx.all(queries.LOCK_ORDERS, order_ids=order_ids)}
    after = {order_id: _changed(fact, changes[order_id]) for order_id, fact in before.items()}
    changed = [order_id for order_id in order_ids if after[order_id] != before[order_id]]
    if not changed:
        return
    await tx.run(queries.KEEP_ORDERS, rows=Jsonb([_row(after[order_id]) for order_id in changed]))
    await _know_products(tx, [fact.placement for order_id in changed if (fact := after[order_id]).placement])
    zones = await _zones(tx, {fact.placement.store_id for fact in after.values() if fact.placement})
    differences = Differences()
    for order_id in changed:
        placement = after[order_id].placement
        if placement is not None:
            for zone in zones[placement.store_id]:
                differences.change(before[order_id], after[order_id], zone)
    await _add(tx, differences)


def _changed(fact: OrderFact, changes: Sequence[Change]) -> OrderFact:
    for change in changes:
        fact = change(fact)
    return fact


async def _zones(tx: Transaction, store_ids: set[UUID]) -> dict[UUID, tuple[str, ...]]:
    wanted = sorted(store_ids)
    if not wanted:
        return {}
    stores = await tx.all(queries.SHARE_STORES, store_ids=wanted)
    if len(stores) < len(wanted):
        await tx.run(queries.KNOW_STORE_IDS, store_ids=wanted)
        stores = await tx.all(queries.SHARE_STORES, store_ids=wanted)
    return {row.store_id: zones_of(row.time_zone) for row in stores}


async def _add(tx: Transaction, differences: Differences) -> None:
    await _add_sales(tx, queries.ADD_HOURS, ("store_ids", "report_zones", "days", "hours"), differences.hours())
    await _add_sales(tx, queries.ADD_DAYS, ("store_ids", "report_zones", "days"), differences.days())
    products = ("store_ids", "report_zones", "days", "product_ids", "quantities", "orders", "sales")
    await _run(tx, queries.ADD_PRODUCTS, products, differences.products())
    customers = ("store_ids", "report_zones", "days", "customer_ids", "orders", "revenues")
    await _run(tx, queries.ADD_CUSTOMERS, customers, differences.customers())


async def _add_sales(tx: Transaction, what: Any, keys: tuple[str, ...], rows: list[Figures]) -> None:
    await _run(tx, what, (*keys, *MEASURES), rows)


async def _run(tx: Transaction, what: Any, names: tuple[str, ...], rows: list[Figures]) -> None:
    """Rows as one array a column."""
    if rows:
        await tx.run(what, **{name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)})


@dataclass(frozen=True, slots=True)
class ProductName:
    """What a product is called, and since when that is known."""

    product_id: UUID
    name: str
    category: str
    known_at: datetime


async def _know_products(tx: Transaction, placements: Sequence[Placement]) -> None:
    await know_products(
        tx,
        [
            ProductName(line.product_id, line.name, line.category, order.placed_at)
            for order in placements
            for line in order.lines
        ],
    )


async def know_products(tx: Transaction, names: Sequence[ProductName]) -> None:
    """Keeps the newest name of each product."""
    newest: dict[UUID, ProductName] = {}
    for name in sorted(names, key=lambda item: item.known_at):
        newest[name.product_id] = name
    ordered = [newest[product_id] for product_id in sorted(newest)]
    if ordered:
        await tx.run(
            queries.KNOW_PRODUCTS,
            product_ids=[name.product_id for name in ordered],
            names=[name.name for name in ordered],
            categories=[name.category for name in ordered],
            known_ats=[name.known_at for name in ordered],
        )


async def know_store(tx: Transaction, store: clients.StoreFacts, version: int) -> None:
    """Keeps a store's name and zone unless something newer is known; a new zone gets roll-ups of its own days."""
    await tx.run(queries.KNOW_STORE_IDS, store_ids=[store.store_id])
    known = await tx.one(queries.LOCK_STORE, store_id=store.store_id)
    assert known is not None
    if known.version >= version:
        return
    await tx.run(
        queries.KEEP_STORE, store_id=store.store_id, name=store.name, time_zone=store.time_zone, version=version
    )
    if known.time_zone != store.time_zone:
        await _count_again(tx, store.store_id, store.time_zone)


async def _count_again(tx: Transaction, store_id: UUID, zone: str) -> None:
    """The roll-ups of a store's own zone, from its facts. The store is locked, so nobody adds meanwhile."""
    for drop in queries.DROP_OTHER_ZONES:
        await tx.run(drop, store_id=store_id, platform_zone=PLATFORM_ZONE)
    if zone == PLATFORM_ZONE:
        return
    after, orders = _LOWEST, 0
    while rows := await tx.all(queries.STORE_ORDERS, store_id=store_id, after=after):
        differences = Differences()
        for row in rows:
            differences.change(OrderFact(row.order_id), read_fact(row), zone)
        await _add(tx, differences)
        after, orders = rows[-1].order_id, orders + len(rows)
    log.info("a store's days are counted in its own zone", store_id=str(store_id), zone=zone, orders=orders)


async def learn_stores(app: AnalyticsApp) -> None:
    """Asks store for stores of which only orders have told. Their events do it sooner, where they were heard."""
    rows = await app.db.all(queries.UNKNOWN_STORES)
    if not rows:
        return
    for store in await clients.stores(app.channels, [row.store_id for row in rows]):
        async with app.db.transaction() as tx:
            # Below every version that an event carries but the first, which says the same.
            await know_store(tx, store, 1)


def read_fact(row: Row) -> OrderFact:
    """A row of order_facts."""
    placement = None
    if row.placed_at is not None:
        placement = Placement(
            number=row.number,
            store_id=row.store_id,
            customer_id=row.customer_id,
            placed_at=row.placed_at,
            fulfilment=row.fulfilment,
            payment_method=row.payment_method,
            lines=tuple(
                Line(UUID(line["product_id"]), line["name"], line["category"], line["quantity"], Decimal(line["sales"]))
                for line in row.lines
            ),
            **{name: getattr(row, name) for name in _AMOUNTS},
        )
    reached = {milestone: at for milestone in Milestone if (at := getattr(row, f"{milestone}_at")) is not None}
    refunds = {refund_id: Decimal(amount) for refund_id, amount in row.refunds.items()}
    return OrderFact(row.order_id, placement, reached, refunds, row.version)


def _row(fact: OrderFact) -> dict[str, Any]:
    row: dict[str, Any] = {
        "order_id": str(fact.order_id),
        "refunds": {refund_id: str(amount) for refund_id, amount in fact.refunds.items()},
        "version": fact.version,
        **{f"{milestone}_at": at.isoformat() for milestone, at in fact.reached.items()},
    }
    order = fact.placement
    if order is not None:
        row |= {
            "number": order.number,
            "store_id": str(order.store_id),
            "customer_id": str(order.customer_id),
            "placed_at": order.placed_at.isoformat(),
            "fulfilment": order.fulfilment,
            "payment_method": order.payment_method,
            "lines": [_line(line) for line in order.lines],
            **{name: str(getattr(order, name)) for name in _AMOUNTS},
        }
    return row


def _line(line: Line) -> dict[str, Any]:
    return {
        "product_id": str(line.product_id),
        "name": line.name,
        "category": line.category,
        "quantity": line.quantity,
        "sales": str(line.sales),
    }
