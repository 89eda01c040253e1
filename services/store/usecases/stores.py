"""Creating, changing and finding stores."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from psycopg.errors import UniqueViolation

from chassis import Caller
from chassis.database import Transaction
from chassis.database.rows import column_values, parameters
from chassis.errors import InvalidArgument, NotFound, PermissionDenied, StaleEtag
from chassis.rpc.etags import version_to_etag
from chassis.rpc.pagination import Page
from services.store import queries, wire
from services.store.app import StoreApp
from services.store.commands import ListStores, StoreChanges, StoreColumn, UpdateStore
from services.store.errors import SlugTaken
from services.store.model.hours import find_time_zone
from services.store.rows import NewStore, StoreRow

_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_SLUG_LENGTH = 200
# Columns that only an admin may change: decisions of the group, not of the store.
_ADMIN_COLUMNS: frozenset[StoreColumn] = frozenset({"slug", "is_active"})


async def get_serialized_store(app: StoreApp, caller: Caller, store_id: UUID) -> bytes:
    """The store as a serialized message, from the cache when it is there. Raises NotFound."""
    cached = app.stores.get(store_id)
    if cached is not None:
        return cached
    ticket = app.stores.ticket()
    message = wire.serialize_store(await get_store(app, caller, store_id))
    app.stores.put(store_id, message, ticket)
    return message


async def get_store(app: StoreApp, caller: Caller, store_id: UUID) -> StoreRow:
    """The store; stores are public. Raises NotFound."""
    row = await app.db.one(queries.GET_STORE, store_id=store_id)
    if row is None:
        raise NotFound
    return row


async def get_stores(app: StoreApp, caller: Caller, store_ids: Sequence[UUID]) -> list[StoreRow]:
    """The stores that exist, in no order."""
    return await app.db.all(queries.GET_STORES, store_ids=list(store_ids))


async def list_stores(app: StoreApp, caller: Caller, command: ListStores, page: Page) -> list[StoreRow]:
    """A page of stores by name, with one row more than the page shows.

    Raises PermissionDenied when anyone but an admin includes inactive stores.
    """
    if command.include_inactive and not caller.is_admin:
        raise PermissionDenied
    values: dict[str, Any] = {"limit": page.limit}
    if command.slug:
        values["slug"] = command.slug
    if command.city:
        values["city"] = command.city
    if page.after is not None:
        values |= {"after_name": page.after[0], "after_id": UUID(page.after[1])}
    query = queries.list_stores(
        has_slug=bool(command.slug),
        has_city=bool(command.city),
        include_inactive=command.include_inactive,
        has_cursor=page.after is not None,
    )
    return await app.db.all(query, **values)


async def create_store(app: StoreApp, caller: Caller, new: NewStore) -> StoreRow:
    """Adds a store without hours and zones. Derives a slug from the name when `slug` is empty. Raises SlugTaken."""
    _check_time_zone(new.time_zone)
    slugs = iter([new.slug]) if new.slug else slug_candidates(new.name, new.city)
    async with app.db.transaction() as tx:
        for slug in slugs:
            row = await tx.one(queries.INSERT_STORE, **parameters(replace(new, slug=slug)))
            if row is not None:
                tx.publish(wire.store_created_to_proto(row), key=row.id, version=row.version)
                return row
        raise SlugTaken(new.slug)


def slug_candidates(name: str, city: str) -> Iterator[str]:
    """Readable slugs first; the last is unique by a random suffix. Names without Latin letters only get the last."""
    plain = make_slug(name)
    if plain:
        yield plain
        yield make_slug(f"{plain} {city}") or plain
    yield f"{plain or 'store'}-{secrets.token_hex(4)}"


def make_slug(text: str) -> str:
    """Lower-case ASCII letters and digits joined by hyphens; drops accents and letters of other scripts."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return _NOT_SLUG.sub("-", ascii_text).strip("-")[:_SLUG_LENGTH].strip("-")


async def update_store(app: StoreApp, caller: Caller, command: UpdateStore) -> StoreRow:
    """Changes a store. Raises NotFound, StaleEtag, SlugTaken, and PermissionDenied for columns of admins."""
    changes = command.changes
    if not caller.is_admin and not _ADMIN_COLUMNS.isdisjoint(changes):
        raise PermissionDenied("only an admin may change slug and is_active")
    if "time_zone" in changes:
        _check_time_zone(changes["time_zone"])
    try:
        async with app.db.transaction() as tx:
            return await change_store(app, tx, command.store_id, changes, command.known_version)
    except UniqueViolation:
        raise SlugTaken(changes["slug"]) from None


async def change_store(
    app: StoreApp,
    tx: Transaction,
    store_id: UUID,
    changes: StoreChanges | None = None,
    known_version: int | None = None,
) -> StoreRow:
    """Sets columns of the store, if any, and its next version, and publishes StoreUpdated; its row stays locked.

    Changes of hours and zones call it first: they are changes of the store, one at a time. Raises NotFound, and
    StaleEtag when the store has another version than the known one.
    """
    values = column_values(changes or {})
    query = queries.update_store(frozenset(changes or ()))
    row = await tx.one(query, store_id=store_id, known_version=known_version, **values)
    if row is None:
        current = await tx.one(queries.GET_STORE, store_id=store_id)
        if current is None:
            raise NotFound
        raise StaleEtag(version_to_etag(current.version))
    tx.publish(wire.store_updated_to_proto(row), key=row.id, version=row.version)
    tx.after_commit(lambda: app.stores.drop(store_id))
    return row


def _check_time_zone(name: str) -> None:
    # Names without a region ("EST", "localtime") mean different things to different programs.
    if find_time_zone(name) is None or ("/" not in name and name != "UTC"):
        raise InvalidArgument("timeZone", "must be an IANA time zone, such as Asia/Kolkata")
