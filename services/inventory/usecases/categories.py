"""Categories of the menu."""

from __future__ import annotations

from uuid import UUID

from psycopg.errors import UniqueViolation

from chassis import Caller
from chassis.database import Transaction
from chassis.database.rows import parameters
from chassis.errors import InvalidArgument, NotFound, PermissionDenied
from chassis.ids import new_id
from services.inventory import queries
from services.inventory.app import InventoryApp
from services.inventory.commands import CreateCategory, UpdateCategory
from services.inventory.errors import CategoryTaken
from services.inventory.model.menu import make_slug
from services.inventory.rows import CategoryRow, NewCategory

_SLUG_LENGTH = 100


async def list_categories(app: InventoryApp, caller: Caller, *, include_inactive: bool) -> list[CategoryRow]:
    """The categories in display order. Raises PermissionDenied for inactive ones unless an administrator calls."""
    if include_inactive and not caller.is_admin:
        raise PermissionDenied
    return await app.db.all(queries.categories.LIST_CATEGORIES, include_inactive=include_inactive)


async def create_category(app: InventoryApp, caller: Caller, command: CreateCategory) -> CategoryRow:
    """Adds a category.

    Raises CategoryTaken, InvalidArgument for an unknown parent, a blank name, or a name without a slug.
    """
    slug = command.slug or make_slug(command.name, _SLUG_LENGTH)
    if not slug:
        raise InvalidArgument("slug", "is required: the name has no Latin letter or digit")
    if not command.name:
        raise InvalidArgument("name", "must not be blank")
    async with app.db.transaction() as tx:
        parent_id = await _get_parent_id(tx, command.parent_slug)
        new = NewCategory(new_id(), slug, command.name, command.description, parent_id, command.display_order)
        try:
            await tx.run(queries.categories.INSERT_CATEGORY, **parameters(new))
        except UniqueViolation as error:
            raise CategoryTaken(slug) from error
        return await _get_existing_category(tx, new.id)


async def update_category(app: InventoryApp, caller: Caller, command: UpdateCategory) -> CategoryRow:
    """Changes a category. Raises NotFound."""
    async with app.db.transaction() as tx:
        if not await tx.run(queries.categories.UPDATE_CATEGORY, **parameters(command)):
            raise NotFound
        return await _get_existing_category(tx, command.category_id)


async def _get_parent_id(tx: Transaction, slug: str) -> UUID | None:
    """The id of the parent, which must be a top category: products name a category and at most one below it."""
    if not slug:
        return None
    found = await tx.one(queries.categories.LIST_CATEGORIES_BY_SLUG, slugs=[slug])
    if found is None or found.parent_id is not None:
        raise InvalidArgument("parentSlug", "is not the slug of a top category")
    return found.id


async def _get_existing_category(tx: Transaction, category_id: UUID) -> CategoryRow:
    row = await tx.one(queries.categories.GET_CATEGORY, category_id=category_id)
    assert row is not None
    return row
