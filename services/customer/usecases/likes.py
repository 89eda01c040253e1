"""What a customer likes: preferences and favorites."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from chassis.database import Row
from chassis.errors import NotFound
from chassis.rpc.pagination import Page
from services.customer.app import CustomerApp
from services.customer.model import DEFAULT_SPICE_LEVEL, MAX_FAVORITES, TooManyFavorites
from services.customer.queries import accounts
from services.customer.queries import likes as q


async def get_preferences(app: CustomerApp, customer_id: UUID) -> Row:
    """Raises NotFound when there is no such customer."""
    row = await app.db.one(q.PREFERENCES, customer_id=customer_id)
    if row is None:
        raise NotFound
    return row


async def update_preferences(app: CustomerApp, customer_id: UUID, changes: dict[str, Any]) -> Row:
    """Writes the columns that `changes` names. Raises NotFound."""
    async with app.db.transaction() as tx:
        if await tx.one(accounts.LOCK_CUSTOMER, id=customer_id) is None:
            raise NotFound
        row = await tx.one(q.PREFERENCES, customer_id=customer_id)
        assert row is not None
        columns = {**row._asdict(), **changes}
        del columns["updated_at"]
        columns["preferred_spice_level"] = columns["preferred_spice_level"] or DEFAULT_SPICE_LEVEL
        await tx.run(q.PUT_PREFERENCES, **columns)
        return await tx.one(q.PREFERENCES, customer_id=customer_id)


async def list_favorites(app: CustomerApp, customer_id: UUID, page: Page) -> list[Row]:
    """Newest first."""
    after_time, after_id = page.after or (None, None)
    return await app.db.all(
        q.FAVORITES, customer_id=customer_id, after_time=after_time, after_id=after_id, limit=page.limit
    )


async def put_favorite(app: CustomerApp, customer_id: UUID, product_id: UUID) -> Row:
    """Marks the product; a mark that is there stays as it is. Raises NotFound, TooManyFavorites."""
    async with app.db.transaction() as tx:
        if await tx.one(accounts.LOCK_CUSTOMER, id=customer_id) is None:
            raise NotFound
        found = await tx.one(q.FAVORITE, customer_id=customer_id, product_id=product_id)
        if found is not None:
            return found
        if await tx.value(q.COUNT_FAVORITES, customer_id=customer_id) >= MAX_FAVORITES:
            raise TooManyFavorites
        return await tx.one(q.INSERT_FAVORITE, customer_id=customer_id, product_id=product_id)


async def delete_favorite(app: CustomerApp, customer_id: UUID, product_id: UUID) -> None:
    """Takes the mark away, if there is one."""
    await app.db.run(q.DELETE_FAVORITE, customer_id=customer_id, product_id=product_id)
