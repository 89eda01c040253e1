"""Delivery zones of a store. Each change takes the store's row first, so that a code stays in one active zone."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from chassis.database import Row, Transaction
from chassis.errors import NotFound
from chassis.rpc.pagination import Page
from services.store import queries as q
from services.store.app import StoreApp
from services.store.model.refusals import PostalCodeTaken, TooManyZones
from services.store.usecases.stores import get_store, touch_store

MAX_ZONES = 200
USUAL_MINUTES = 30


async def list_zones(app: StoreApp, store_id: UUID, page: Page) -> list[Row]:
    """Up to one more than the page shows, by name. Raises NotFound for a store that is not there."""
    parameters: dict[str, Any] = {"store_id": store_id, "limit": page.limit}
    if page.after is not None:
        parameters |= {"after_name": page.after[0], "after_id": UUID(page.after[1])}
    rows = await app.db.all(q.zones_page(following=page.after is not None), **parameters)
    if not rows:
        await get_store(app, store_id)
    return rows


async def create_zone(app: StoreApp, store_id: UUID, columns: dict[str, Any]) -> Row:
    """Adds a zone. Raises NotFound, PostalCodeTaken, TooManyZones."""
    values = {"estimated_time_minutes": USUAL_MINUTES, "is_active": True, **columns}
    async with app.db.transaction() as tx:
        await touch_store(app, tx, store_id)
        if await tx.value(q.COUNT_ZONES, store_id=store_id) >= MAX_ZONES:
            raise TooManyZones(MAX_ZONES)
        if values["is_active"]:
            await _refuse_taken(tx, store_id, None, values["postal_codes"])
        return await tx.one(q.INSERT_ZONE, store_id=store_id, **values)


async def update_zone(app: StoreApp, store_id: UUID, zone_id: UUID, columns: dict[str, Any]) -> Row:
    """Sets the columns. Raises NotFound, PostalCodeTaken."""
    async with app.db.transaction() as tx:
        await touch_store(app, tx, store_id)
        row = await tx.one(q.update_zone(tuple(sorted(columns))), of_store=store_id, zone_id=zone_id, **columns)
        if row is None:
            raise NotFound
        if row.is_active:
            await _refuse_taken(tx, store_id, zone_id, row.postal_codes or [])
        return row


async def delete_zone(app: StoreApp, store_id: UUID, zone_id: UUID) -> None:
    """Takes the zone away. Raises NotFound."""
    async with app.db.transaction() as tx:
        await touch_store(app, tx, store_id)
        if await tx.run(q.DELETE_ZONE, store_id=store_id, zone_id=zone_id) == 0:
            raise NotFound


async def _refuse_taken(tx: Transaction, store_id: UUID, zone_id: UUID | None, codes: list[str]) -> None:
    taken = await tx.all(q.TAKEN_CODES, store_id=store_id, zone_id=zone_id, postal_codes=codes)
    if taken:
        raise PostalCodeTaken(row.code for row in taken)
