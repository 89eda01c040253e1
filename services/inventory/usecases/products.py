"""Creating, changing and deleting products."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from uuid import UUID

from psycopg.errors import UniqueViolation

from chassis import Caller
from chassis.database import Database, Transaction
from chassis.database.rows import column_values, field_names, parameters
from chassis.errors import DomainError, InvalidArgument, NotFound, PermissionDenied
from chassis.ids import new_id
from chassis.rpc.etags import check_version
from services.inventory import queries, wire
from services.inventory.app import InventoryApp
from services.inventory.commands import ProductChanges, SetStoreOffer, UpdateProduct, UpdateRating
from services.inventory.errors import SkuTaken, SlugTaken
from services.inventory.model.diet import find_jain_conflicts
from services.inventory.model.menu import ZERO, check_customizations, make_slug
from services.inventory.model.views import parse_customizations
from services.inventory.rows import ProductColumns, ProductRow, StoreOfferRow

_SLUG_LENGTH = 200


async def create_product(app: InventoryApp, caller: Caller, changes: ProductChanges) -> ProductRow:
    """Adds a product. Raises SlugTaken, SkuTaken, InvalidArgument for values that the menu does not allow."""
    columns = replace(ProductColumns(), **column_values(changes))
    product_id = new_id()
    if not columns.slug:
        columns = replace(columns, slug=await _make_free_slug(app.db, columns.name or "", product_id))
    async with app.db.transaction() as tx:
        await _check_product(tx, columns)
        try:
            await tx.run(
                queries.products.INSERT_PRODUCT,
                id=product_id,
                created_by=caller.account_id,
                **parameters(columns),
            )
        except UniqueViolation as error:
            raise _taken_error(error, columns) from error
        row = await _get_existing_product(tx, product_id)
        tx.publish(wire.events.product_created_to_proto(row), key=product_id, version=row.version)
        tx.after_commit(partial(app.drop_product, product_id))
        return row


async def update_product(app: InventoryApp, caller: Caller, command: UpdateProduct) -> ProductRow:
    """Changes a product. Raises NotFound, StaleEtag, SlugTaken, SkuTaken, InvalidArgument."""
    product_id = command.product_id
    async with app.db.transaction() as tx:
        before = await lock_product(tx, product_id, command.known_version)
        present = ProductColumns(**{name: getattr(before, name) for name in field_names(ProductColumns)})
        columns = replace(present, **column_values(command.changes))
        await _check_product(tx, columns)
        if problem := check_customizations(columns.price or ZERO, parse_customizations(before.customizations)):
            raise InvalidArgument("price", problem)
        try:
            await tx.run(queries.products.UPDATE_PRODUCT, product_id=product_id, **parameters(columns))
        except UniqueViolation as error:
            raise _taken_error(error, columns) from error
        after = await _get_existing_product(tx, product_id)
        event = wire.events.product_updated_to_proto(product_id, after)
        tx.publish(event, key=product_id, version=after.version)
        tx.after_commit(partial(app.drop_product, product_id))
        return after


async def delete_product(app: InventoryApp, caller: Caller, product_id: UUID) -> None:
    """Removes the product from every menu; orders are not changed. Raises NotFound."""
    async with app.db.transaction() as tx:
        version = await tx.one(queries.products.DELETE_PRODUCT, product_id=product_id)
        if version is None:
            raise NotFound
        event = wire.events.product_deleted_to_proto(product_id, version)
        tx.publish(event, key=product_id, version=version)
        tx.after_commit(partial(app.drop_product, product_id))


async def set_store_offer(app: InventoryApp, caller: Caller, command: SetStoreOffer) -> StoreOfferRow:
    """Sets price and availability in one store. Raises NotFound; PermissionDenied unless an admin sets the price."""
    product_id = command.product_id
    if (command.price is not None or command.clear_price) and not caller.scope.everything:
        raise PermissionDenied("only an administrator sets the price of a store")
    if command.price is not None and command.clear_price:
        raise InvalidArgument("clearPrice", "must not be set together with price")
    async with app.db.transaction() as tx:
        product = await lock_product(tx, product_id)
        row = await tx.one(queries.options.UPSERT_STORE_OFFER, **parameters(command))
        assert row is not None
        event = wire.events.product_updated_to_proto(product_id, product)
        tx.publish(event, key=product_id, version=product.version)
        tx.after_commit(partial(app.drop_product, product_id))
        return row


async def update_rating(app: InventoryApp, tx: Transaction, command: UpdateRating) -> None:
    """Updates the copy of the product's rating, unless a newer version is stored."""
    row = await tx.one(
        queries.products.SET_RATING,
        product_id=command.product_id,
        rating=command.average,
        review_count=command.review_count,
        rating_version=command.version,
    )
    if row is not None:
        event = wire.events.product_updated_to_proto(command.product_id, row)
        tx.publish(event, key=command.product_id, version=row.version)
        tx.after_commit(partial(app.drop_product, command.product_id))


async def lock_product(tx: Transaction, product_id: UUID, known_version: int | None = None) -> ProductRow:
    """Locks the product until the end of the transaction. Raises NotFound, StaleEtag."""
    row = await tx.one(queries.products.LOCK_PRODUCT, product_id=product_id)
    if row is None:
        raise NotFound
    check_version(known_version, row.version)
    return row


async def _get_existing_product(tx: Transaction, product_id: UUID) -> ProductRow:
    row = await tx.one(queries.products.GET_PRODUCT, product_id=product_id, store_id=None)
    assert row is not None
    return row


async def _check_product(tx: Transaction, columns: ProductColumns) -> None:
    """Raises InvalidArgument for values that the menu does not allow."""
    if not (columns.name or "").strip():
        raise InvalidArgument("name", "must not be blank")
    if columns.is_vegan and not columns.is_veg:
        raise InvalidArgument("isVegan", "a vegan product must be vegetarian")
    if columns.is_jain:
        if not columns.is_veg:
            raise InvalidArgument("isJain", "a Jain product must be vegetarian")
        if conflicts := find_jain_conflicts([*(columns.tags or ()), *(columns.ingredients or ())]):
            raise InvalidArgument("isJain", f"a Jain product must not contain {', '.join(conflicts)}")
    await _check_category(tx, columns.category or "", columns.subcategory)


async def _check_category(tx: Transaction, category: str, subcategory: str | None) -> None:
    slugs = [category, *([subcategory] if subcategory else [])]
    found = {row.slug: row for row in await tx.all(queries.categories.LIST_CATEGORIES_BY_SLUG, slugs=slugs)}
    if category not in found:
        raise InvalidArgument("category", "is not the slug of a category")
    if subcategory and (subcategory not in found or found[subcategory].parent_slug != category):
        raise InvalidArgument("subcategory", "is not the slug of a subcategory of the category")


def _taken_error(violation: UniqueViolation, columns: ProductColumns) -> DomainError:
    if violation.diag.constraint_name == "products_sku_key":
        return SkuTaken(columns.sku or "")
    return SlugTaken(columns.slug or "")


async def _make_free_slug(db: Database, name: str, product_id: UUID) -> str:
    """A slug from the name, with a part of the id when another product has it."""
    slug = make_slug(name, _SLUG_LENGTH) or "product"
    if await db.one(queries.products.FIND_SLUG, slug=slug) is None:
        return slug
    return f"{slug}-{product_id.hex[-8:]}"
