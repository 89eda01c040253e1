"""Favorite products of a customer."""

from __future__ import annotations

from uuid import UUID

from chassis import Caller
from chassis.errors import NotFound
from chassis.rpc.pagination import Page
from services.customer import queries
from services.customer.app import CustomerApp
from services.customer.errors import MAX_FAVORITES, TooManyFavorites
from services.customer.rows import FavoriteRow


async def list_favorites(app: CustomerApp, caller: Caller, customer_id: UUID, page: Page) -> list[FavoriteRow]:
    """A page of the favorites, newest first, with one row more than the page shows."""
    after_time, after_id = page.after or (None, None)
    return await app.db.all(
        queries.favorites.LIST_FAVORITES,
        customer_id=customer_id,
        after_time=after_time,
        after_id=after_id,
        limit=page.limit,
    )


async def put_favorite(app: CustomerApp, caller: Caller, customer_id: UUID, product_id: UUID) -> FavoriteRow:
    """Marks the product; an existing favorite is not changed. Raises NotFound, TooManyFavorites."""
    async with app.db.transaction() as tx:
        if await tx.one(queries.accounts.LOCK_ACCOUNT, id=customer_id) is None:
            raise NotFound
        found = await tx.one(queries.favorites.GET_FAVORITE, customer_id=customer_id, product_id=product_id)
        if found is not None:
            return found
        if (await tx.one(queries.favorites.COUNT_FAVORITES, customer_id=customer_id) or 0) >= MAX_FAVORITES:
            raise TooManyFavorites
        row = await tx.one(queries.favorites.INSERT_FAVORITE, customer_id=customer_id, product_id=product_id)
    assert row is not None
    return row


async def delete_favorite(app: CustomerApp, caller: Caller, customer_id: UUID, product_id: UUID) -> None:
    """Deletes the favorite, if there is one."""
    await app.db.run(queries.favorites.DELETE_FAVORITE, customer_id=customer_id, product_id=product_id)
