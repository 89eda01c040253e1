"""A customer's addresses."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from chassis.database import Row
from chassis.errors import NotFound, StaleEtag
from chassis.rpc.pagination import Page
from services.customer.app import CustomerApp
from services.customer.model import MAX_ADDRESSES, TooManyAddresses
from services.customer.queries import accounts
from services.customer.queries import addresses as q


async def list_addresses(app: CustomerApp, customer_id: UUID, page: Page) -> list[Row]:
    """Newest first."""
    after_time, after_id = page.after or (None, None)
    return await app.db.all(
        q.ADDRESSES, customer_id=customer_id, after_time=after_time, after_id=after_id, limit=page.limit
    )


async def create(app: CustomerApp, customer_id: UUID, columns: dict[str, Any], *, is_default: bool) -> Row:
    """Adds an address; the first becomes the default. Raises NotFound, TooManyAddresses."""
    async with app.db.transaction() as tx:
        if await tx.one(accounts.LOCK_CUSTOMER, id=customer_id) is None:
            raise NotFound
        count = await tx.value(q.COUNT_ADDRESSES, customer_id=customer_id)
        if count >= MAX_ADDRESSES:
            raise TooManyAddresses
        if is_default:
            await tx.run(q.CLEAR_DEFAULT, customer_id=customer_id)
        return await tx.one(q.INSERT_ADDRESS, customer_id=customer_id, is_default=is_default or count == 0, **columns)


async def update(
    app: CustomerApp, customer_id: UUID, address_id: UUID, changes: dict[str, Any], etag: str | None
) -> Row:
    """Writes the columns that `changes` names. Raises NotFound, StaleEtag."""
    async with app.db.transaction() as tx:
        await tx.one(accounts.LOCK_CUSTOMER, id=customer_id)
        row = await tx.one(q.ADDRESS_FOR_UPDATE, address_id=address_id, customer_id=customer_id)
        if row is None:
            raise NotFound
        if etag is not None and etag != str(row.version):
            raise StaleEtag(str(row.version))
        if changes.get("is_default") and not row.is_default:
            await tx.run(q.CLEAR_DEFAULT, customer_id=customer_id)
        kept = {
            name: value
            for name, value in row._asdict().items()
            if name not in {"customer_id", "version", "created_at", "updated_at"}
        }
        return await tx.one(q.UPDATE_ADDRESS, **{**kept, **changes})


async def delete(app: CustomerApp, customer_id: UUID, address_id: UUID) -> None:
    """Raises NotFound."""
    if not await app.db.run(q.DELETE_ADDRESS, address_id=address_id, customer_id=customer_id):
        raise NotFound
