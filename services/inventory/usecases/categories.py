"""The headings of the menu."""

from __future__ import annotations

from uuid import UUID

from jainshikanji.inventory.v1 import category_pb2, product_service_pb2
from psycopg.errors import UniqueViolation

from chassis.database import Transaction
from chassis.errors import InvalidArgument, NotFound, PermissionDenied
from chassis.ids import new_id
from chassis.rpc.call import Caller
from services.inventory import wire
from services.inventory.app import InventoryApp
from services.inventory.model.menu import slugify
from services.inventory.model.refusals import CategoryTaken
from services.inventory.queries import products as q

SLUG_LENGTH = 100


async def list_categories(app: InventoryApp, caller: Caller, *, include_inactive: bool) -> list[category_pb2.Category]:
    """In display order. Raises PermissionDenied when others than admins ask for those that are switched off."""
    if include_inactive and not caller.is_admin:
        raise PermissionDenied
    return [wire.category(row) for row in await app.db.all(q.CATEGORIES, include_inactive=include_inactive)]


async def create_category(
    app: InventoryApp, request: product_service_pb2.CreateCategoryRequest
) -> category_pb2.Category:
    """Adds a heading. Raises CategoryTaken, InvalidArgument for an unknown parent or a name without a slug."""
    slug = request.slug or slugify(request.name, SLUG_LENGTH)
    if not slug:
        raise InvalidArgument("slug", "is needed: the name has no Latin letter or digit")
    category_id = new_id()
    async with app.db.transaction() as tx:
        try:
            await tx.run(
                q.INSERT_CATEGORY,
                id=category_id,
                slug=slug,
                name=_name(request.name),
                description=request.description,
                parent_id=await _parent(tx, request.parent_slug),
                display_order=request.display_order,
            )
        except UniqueViolation as taken:
            raise CategoryTaken(slug) from taken
        return await _read(tx, category_id)


async def update_category(
    app: InventoryApp, request: product_service_pb2.UpdateCategoryRequest
) -> category_pb2.Category:
    """Changes what the request says. Raises NotFound."""
    category_id = UUID(request.id)
    async with app.db.transaction() as tx:
        changed = await tx.run(
            q.UPDATE_CATEGORY,
            category_id=category_id,
            name=_name(request.name) if request.HasField("name") else None,
            description=(request.description if request.HasField("description") else None),
            display_order=request.display_order if request.HasField("display_order") else None,
            is_active=request.is_active if request.HasField("is_active") else None,
        )
        if not changed:
            raise NotFound
        return await _read(tx, category_id)


async def _parent(tx: Transaction, slug: str) -> UUID | None:
    """The id of the category above. Only top ones may have children: products name one category and one below."""
    if not slug:
        return None
    found = await tx.one(q.CATEGORIES_BY_SLUG, slugs=[slug])
    if found is None or found.parent_id is not None:
        raise InvalidArgument("parentSlug", "is not the slug of a top category")
    parent_id: UUID = found.id
    return parent_id


async def _read(tx: Transaction, category_id: UUID) -> category_pb2.Category:
    row = await tx.one(q.CATEGORY, category_id=category_id)
    assert row is not None
    return wire.category(row)


def _name(text: str) -> str:
    name = text.strip()
    if not name:
        raise InvalidArgument("name", "must not be blank")
    return name
