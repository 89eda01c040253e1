"""Reading the menu: single products, pages, and search results."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from chassis import Caller
from chassis.clock import now
from chassis.database.rows import column_values
from chassis.errors import NotFound
from chassis.rpc.pagination import Page
from services.inventory import queries, wire
from services.inventory.app import InventoryApp
from services.inventory.commands import ListProducts, ProductSort, SearchProducts
from services.inventory.model.menu import local_date
from services.inventory.rows import ProductRow

MANAGER = "MANAGER"


def may_see_costs(caller: Caller) -> bool:
    """Whether the caller may see cost prices: administrators, and managers of any store."""
    return caller.is_admin or any(grant.role == MANAGER for grant in caller.grants)


async def get_serialized_product(app: InventoryApp, caller: Caller, product_id: UUID, store_id: UUID | None) -> bytes:
    """The public product with its options as a serialized message, from the cache when it is there. Raises NotFound."""
    today = local_date(now())
    cached = app.products.get(product_id, store_id, today)
    if cached is not None:
        return cached
    ticket = app.products.ticket()
    row = await get_product(app, caller, product_id, store_id)
    message = wire.products.serialize_product(row, today, in_store=store_id is not None)
    # Products of unknown stores are not cached, since any caller can invent ids of stores.
    if store_id is None or row.current_stock is not None or row.store_available is not None:
        app.products.put(product_id, store_id, today, message, ticket)
    return message


async def get_product(app: InventoryApp, caller: Caller, product_id: UUID, store_id: UUID | None) -> ProductRow:
    """A product of the catalogue, or as one store offers it. Raises NotFound."""
    row = await app.db.one(queries.products.GET_PRODUCT, product_id=product_id, store_id=store_id)
    if row is None:
        raise NotFound
    return row


async def list_products(app: InventoryApp, caller: Caller, command: ListProducts, page: Page) -> list[ProductRow]:
    """A page of the menu, with one row more than the page shows."""
    values: dict[str, Any] = {**column_values(command.filters), "store_id": command.store_id, "limit": page.limit}
    if "is_available" in command.filters:
        values["today"] = local_date(now()).isoformat()
    if page.after is not None:
        values["after_value"] = _parse_sort_value(command.sort, page.after[0])
        values["after_id"] = UUID(page.after[1])
    query = queries.products.list_products(
        frozenset(command.filters),
        command.sort,
        in_store=command.store_id is not None,
        has_cursor=page.after is not None,
    )
    return await app.db.all(query, **values)


async def search_products(app: InventoryApp, caller: Caller, command: SearchProducts, page: Page) -> list[ProductRow]:
    """A page of the products that match the text, best match first, with one row more than the page shows."""
    values: dict[str, Any] = {"query": command.query, "store_id": command.store_id, "limit": page.limit}
    if page.after is not None:
        values["after_score"], values["after_id"] = int(page.after[0]), UUID(page.after[1])
    return await app.read_db.all(queries.products.search_products(has_cursor=page.after is not None), **values)


def _parse_sort_value(sort: ProductSort, value: str) -> str | Decimal | datetime:
    match sort:
        case "name":
            return value
        case "newest":
            return datetime.fromisoformat(value)
        case _:
            return Decimal(value)
