"""Reading the menu: one product, pages of them, and what matches words."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from jainshikanji.inventory.v1 import product_pb2, product_service_pb2

from chassis import Caller
from chassis.clock import now
from chassis.database import Row
from chassis.errors import NotFound
from chassis.money import money_to_proto
from services.inventory import wire
from services.inventory.app import InventoryApp
from services.inventory.model import menu
from services.inventory.queries import products as q

DEFAULT_SORT = "newest"
MANAGER = "MANAGER"


def sees_costs(caller: Caller) -> bool:
    """Whether the caller may see what things cost the house: admins, and managers of any store."""
    return caller.is_admin or any(grant.role == MANAGER for grant in caller.grants)


async def get_product(app: InventoryApp, product_id: UUID, store_id: UUID | None) -> bytes:
    """A product with its options as everybody may see it, serialized. From the cache where it is there."""
    today = menu.today(now())
    kept = app.product_messages.get(product_id, store_id, today)
    if kept is not None:
        return kept
    ticket = app.product_messages.ticket()
    row = await app.db.one(q.PRODUCT, product_id=product_id, store_id=store_id)
    if row is None:
        raise NotFound
    message = _with_options(row, in_store=store_id is not None).SerializeToString()
    # A store that nothing is known of is not worth a place: anybody can make up store ids.
    if store_id is None or row.current_stock is not None or row.store_available is not None:
        app.product_messages.put(product_id, store_id, today, message, ticket)
    return message


async def get_product_with_cost(app: InventoryApp, product_id: UUID, store_id: UUID | None) -> product_pb2.Product:
    """A product with what it costs the house, for managers and admins. Never from a cache."""
    row = await app.db.one(q.PRODUCT, product_id=product_id, store_id=store_id)
    if row is None:
        raise NotFound
    return for_managers(row, in_store=store_id is not None)


async def list_products(
    app: InventoryApp, request: product_service_pb2.ListProductsRequest
) -> product_service_pb2.ListProductsResponse:
    """A page of the menu."""
    page = app.pages.open(request)
    today = menu.today(now())
    filters = _filters(request)
    sort = wire.SORT.from_proto(request.sort) if request.sort else DEFAULT_SORT
    store_id = wire.optional_uuid(request.store_id)
    parameters = {**filters, "store_id": store_id, "limit": page.limit}
    if "is_available" in filters:
        parameters["today"] = today.isoformat()
    if page.after is not None:
        parameters["after_value"], parameters["after_id"] = _place(sort, page.after[0]), UUID(page.after[1])
    wanted = q.product_list(frozenset(filters), sort, in_store=store_id is not None, paged=page.after is not None)
    rows = await app.db.all(wanted, **parameters)
    return product_service_pb2.ListProductsResponse(
        products=[wire.product(row, today, in_store=store_id is not None) for row in page.trim(rows)],
        next_page_token=page.next_token(
            rows, lambda row: (_sort_value(row, sort, in_store=store_id is not None), str(row.id))
        ),
    )


async def search_products(
    app: InventoryApp, request: product_service_pb2.SearchProductsRequest
) -> product_service_pb2.SearchProductsResponse:
    """Products that match the words or nearly do, the best first."""
    page = app.pages.open(request)
    today = menu.today(now())
    store_id = wire.optional_uuid(request.store_id)
    parameters: dict[str, Any] = {"query": request.query.strip(), "store_id": store_id, "limit": page.limit}
    if page.after is not None:
        parameters["after_score"], parameters["after_id"] = int(page.after[0]), UUID(page.after[1])
    rows = await app.read_db.all(q.product_search(paged=page.after is not None), **parameters)
    return product_service_pb2.SearchProductsResponse(
        products=[wire.product(row, today, in_store=store_id is not None) for row in page.trim(rows)],
        next_page_token=page.next_token(rows, lambda row: (str(row.score), str(row.id))),
    )


def _filters(request: product_service_pb2.ListProductsRequest) -> dict[str, Any]:
    """Bind parameters of what the request narrows by."""
    filters: dict[str, Any] = {
        name: value for name in ("slug", "category", "subcategory") if (value := getattr(request, name))
    }
    for name in ("is_veg", "is_vegan", "is_jain", "is_gluten_free", "is_nut_free", "is_featured", "is_available"):
        if request.HasField(name):
            filters[name] = getattr(request, name)
    if request.tag:
        filters["tag"] = [menu.word(request.tag)]
    if request.query.strip():
        filters["query"] = request.query.strip()
    if request.spice_level:
        filters["spice_level"] = wire.SPICE_LEVEL.from_proto(request.spice_level)
    for name in ("min_price", "max_price"):
        if request.HasField(f"{name}_minor_units"):  # type: ignore[arg-type]
            filters[name] = Decimal(getattr(request, f"{name}_minor_units")).scaleb(-2)
    return filters


def _sort_value(row: Row, sort: str, *, in_store: bool) -> str:
    """What the row is sorted by, as a page token carries it."""
    match sort:
        case "name":
            return str(row.sort_name)
        case "price" | "price_descending":
            return str(row.store_price if in_store and row.store_price is not None else row.price)
        case "rating":
            return str(row.rating)
        case _:
            created_at: datetime = row.created_at
            return created_at.isoformat()


def _place(sort: str, value: str) -> str | Decimal | datetime:
    match sort:
        case "name":
            return value
        case "newest":
            return datetime.fromisoformat(value)
        case _:
            return Decimal(value)


def _with_options(row: Row, *, in_store: bool) -> product_pb2.Product:
    message = wire.product(row, menu.today(now()), in_store=in_store)
    message.customizations.extend(wire.customization_messages(wire.customizations(row.customizations)))
    return message


def for_managers(row: Row, *, in_store: bool = False) -> product_pb2.Product:
    """A product with its options and what it costs the house."""
    message = _with_options(row, in_store=in_store)
    if row.cost_price is not None:
        message.cost_price.CopyFrom(money_to_proto(row.cost_price))
    return message
