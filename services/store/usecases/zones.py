"""Delivery zones of a store. Each change locks the store's row first: a postal code is in one active zone only."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from chassis import Caller
from chassis.database import Transaction
from chassis.database.rows import column_values, parameters
from chassis.errors import NotFound
from chassis.rpc.pagination import Page
from services.store import queries
from services.store.app import StoreApp
from services.store.commands import UpdateZone
from services.store.errors import PostalCodeTaken, TooManyZones
from services.store.rows import NewZone, ZoneRow
from services.store.usecases.stores import change_store, get_store

MAX_ZONES = 200


async def list_zones(app: StoreApp, caller: Caller, store_id: UUID, page: Page) -> list[ZoneRow]:
    """A page of zones by name, with one row more than the page shows. Raises NotFound for an unknown store."""
    values: dict[str, Any] = {"store_id": store_id, "limit": page.limit}
    if page.after is not None:
        values |= {"after_name": page.after[0], "after_id": UUID(page.after[1])}
    rows = await app.db.all(queries.list_zones(has_cursor=page.after is not None), **values)
    if not rows:
        await get_store(app, caller, store_id)
    return rows


async def create_zone(app: StoreApp, caller: Caller, new: NewZone) -> ZoneRow:
    """Adds a zone. Raises NotFound, PostalCodeTaken, TooManyZones."""
    async with app.db.transaction() as tx:
        await change_store(app, tx, new.store_id)
        if (await tx.one(queries.COUNT_ZONES, store_id=new.store_id) or 0) >= MAX_ZONES:
            raise TooManyZones(MAX_ZONES)
        if new.is_active:
            await _check_postal_codes(tx, new.store_id, None, new.postal_codes)
        row = await tx.one(queries.INSERT_ZONE, **parameters(new))
        assert row is not None
        return row


async def update_zone(app: StoreApp, caller: Caller, command: UpdateZone) -> ZoneRow:
    """Changes a zone. Raises NotFound, PostalCodeTaken."""
    async with app.db.transaction() as tx:
        await change_store(app, tx, command.store_id)
        values = column_values(command.changes)
        query = queries.update_zone(frozenset(command.changes))
        row = await tx.one(query, of_store=command.store_id, zone_id=command.zone_id, **values)
        if row is None:
            raise NotFound
        if row.is_active:
            await _check_postal_codes(tx, command.store_id, command.zone_id, row.postal_codes or [])
        return row


async def delete_zone(app: StoreApp, caller: Caller, store_id: UUID, zone_id: UUID) -> None:
    """Deletes a zone. Raises NotFound."""
    async with app.db.transaction() as tx:
        await change_store(app, tx, store_id)
        if await tx.run(queries.DELETE_ZONE, store_id=store_id, zone_id=zone_id) == 0:
            raise NotFound


async def _check_postal_codes(tx: Transaction, store_id: UUID, zone_id: UUID | None, codes: list[str]) -> None:
    taken = await tx.all(queries.LIST_TAKEN_CODES, store_id=store_id, zone_id=zone_id, postal_codes=codes)
    if taken:
        raise PostalCodeTaken(taken)
