"""Adding, changing and finding stores."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from psycopg.errors import UniqueViolation

from chassis.database import Row, Transaction
from chassis.errors import InvalidArgument, NotFound, PermissionDenied, StaleEtag
from chassis.ids import new_id
from chassis.rpc.call import Caller
from chassis.rpc.pagination import Page
from services.store import queries as q
from services.store import wire
from services.store.app import StoreApp
from services.store.model.hours import find_zone
from services.store.model.refusals import SlugTaken

_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_SLUG_LENGTH = 200
# What only an admin may change: it is the group's decision, not the store's.
_OF_THE_GROUP = ("slug", "is_active")


async def store_bytes(app: StoreApp, store_id: UUID) -> bytes:
    """The store as a serialized message, from the cache where it is there. Raises NotFound."""
    kept = app.stores.get(store_id)
    if kept is not None:
        return kept
    ticket = app.stores.ticket()
    message: bytes = wire.store_message(await get_store(app, store_id)).SerializeToString()
    app.stores.put(store_id, message, ticket)
    return message


async def get_store(app: StoreApp, store_id: UUID) -> Row:
    """The store's row as it is now. Raises NotFound."""
    row = await app.db.one(q.STORE, store_id=store_id)
    if row is None:
        raise NotFound
    return row


async def batch_get_stores(app: StoreApp, store_ids: Sequence[UUID]) -> list[Row]:
    """Those that exist, in no order."""
    return await app.db.all(q.STORES, store_ids=list(store_ids))


async def list_stores(
    app: StoreApp, caller: Caller, page: Page, *, slug: str, city: str, include_inactive: bool
) -> list[Row]:
    """Up to one more than the page shows, by name. Raises PermissionDenied when others than admins ask for inactive."""
    if include_inactive and not caller.is_admin:
        raise PermissionDenied
    filters: dict[str, Any] = {"slug": slug, "city": city.strip()}
    filters = {name: value for name, value in filters.items() if value}
    if page.after is not None:
        filters |= {"after_name": page.after[0], "after_id": UUID(page.after[1])}
    query = q.stores_page(
        slug="slug" in filters, city="city" in filters, inactive=include_inactive, following=page.after is not None
    )
    return await app.db.all(query, limit=page.limit, **filters)


async def create_store(app: StoreApp, columns: dict[str, Any]) -> Row:
    """Adds a store without hours and zones. Makes a slug from the name when none is given. Raises SlugTaken."""
    _check_zone(columns["time_zone"])
    wanted = columns.pop("slug")
    slugs = iter([wanted]) if wanted else slug_candidates(columns["name"], columns["city"])
    async with app.db.transaction() as tx:
        for slug in slugs:
            row = await tx.one(q.INSERT_STORE, id=new_id(), slug=slug, **columns)
            if row is not None:
                tx.publish(wire.store_created(row), key=row.id, version=row.version)
                return row
        raise SlugTaken(wanted)


def slug_candidates(name: str, city: str) -> Iterator[str]:
    """Readable first; the last one is unique for all purposes. Scripts without Latin letters leave only that."""
    plain = slug_of(name)
    if plain:
        yield plain
        yield slug_of(f"{plain} {city}") or plain
    yield f"{plain or 'store'}-{secrets.token_hex(4)}"


def slug_of(text: str) -> str:
    """Lower-case ASCII letters and digits joined by hyphens; accents are dropped, other scripts vanish."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return _NOT_SLUG.sub("-", ascii_text).strip("-")[:_SLUG_LENGTH].strip("-")


async def update_store(
    app: StoreApp, caller: Caller, store_id: UUID, columns: dict[str, Any], known_version: int | None
) -> Row:
    """Sets the columns. Raises NotFound, StaleEtag, SlugTaken, and PermissionDenied for what the group decides."""
    if not caller.is_admin and any(name in columns for name in _OF_THE_GROUP):
        raise PermissionDenied("only an admin may change slug and is_active")
    if "time_zone" in columns:
        _check_zone(columns["time_zone"])
    try:
        async with app.db.transaction() as tx:
            return await touch_store(app, tx, store_id, known_version, columns)
    except UniqueViolation:
        raise SlugTaken(columns["slug"]) from None


async def touch_store(
    app: StoreApp,
    tx: Transaction,
    store_id: UUID,
    known_version: int | None = None,
    columns: dict[str, Any] | None = None,
) -> Row:
    """Sets columns of the store, if any, with its next version, and announces it; its row stays locked.

    Changes of hours and zones begin here too: they are changes of the store, one at a time.
    Raises NotFound, and StaleEtag when the store has another version than the known one.
    """
    given = columns or {}
    statement = q.update_store(tuple(sorted(given)))
    row = await tx.one(statement, store_id=store_id, known_version=known_version, **given)
    if row is None:
        current = await tx.one(q.STORE, store_id=store_id)
        if current is None:
            raise NotFound
        raise StaleEtag(wire.etag(current.version))
    tx.publish(wire.store_updated(row), key=row.id, version=row.version)
    tx.after_commit(lambda: app.stores.drop(store_id))
    return row


def _check_zone(name: str) -> None:
    # Names without a region ("EST", "localtime") mean different things to different programs.
    if find_zone(name) is None or ("/" not in name and name != "UTC"):
        raise InvalidArgument("timeZone", "is no IANA time zone, as in Asia/Kolkata")
