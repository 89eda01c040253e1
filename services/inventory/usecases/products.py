"""Keeping the menu: what managers write about products."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from jainshikanji.inventory.v1 import product_pb2, product_service_pb2
from jainshikanji.inventory.v1.events_pb2 import ProductCreated, ProductDeleted
from psycopg.errors import UniqueViolation

from chassis.clock import now
from chassis.database import Database, Row, Transaction
from chassis.errors import DomainError, InvalidArgument, NotFound, PermissionDenied, StaleEtag
from chassis.ids import new_id
from chassis.money import money_from_proto, money_to_proto
from chassis.timestamps import timestamp_to_proto
from services.inventory import wire
from services.inventory.app import InventoryApp
from services.inventory.model import menu
from services.inventory.model.diet import jain_conflicts
from services.inventory.model.refusals import SkuTaken, SlugTaken
from services.inventory.queries import products as q
from services.inventory.usecases.browsing import for_managers

ProductInput = product_service_pb2.CreateProductRequest | product_service_pb2.UpdateProductRequest
SLUG_LENGTH = 200

# What a new product has where nothing is said. Columns that are not here start as NULL.
_DEFAULTS: Mapping[str, Any] = {
    "tags": [],
    "ingredients": [],
    "images": [],
    "is_veg": True,
    "is_vegan": False,
    "is_jain": True,
    "is_gluten_free": False,
    "is_nut_free": False,
    "spice_level": "Mild",
    "prep_time_minutes": 15,
    "servings": 1,
    "is_available": True,
    "is_featured": False,
    "tax_rate_basis_points": 500,
}
_TEXTS = (
    "name",
    "slug",
    "description",
    "short_description",
    "sku",
    "category",
    "subcategory",
    "weight",
    "storage_instructions",
    "video_url",
    "meta_title",
    "meta_description",
)
_FACTS = (
    "is_veg",
    "is_vegan",
    "is_jain",
    "is_gluten_free",
    "is_nut_free",
    "prep_time_minutes",
    "servings",
    "shelf_life_days",
    "is_available",
    "is_featured",
    "tax_rate_basis_points",
)
_WORDS = ("tags", "ingredients")
_PRICES = ("price", "original_price", "cost_price")
_CLEARED: Mapping[str, Mapping[str, Any]] = {
    "tags": {"tags": []},
    "ingredients": {"ingredients": []},
    "images": {"images": []},
    "originalPrice": {"original_price": None},
    "costPrice": {"cost_price": None},
    "unit": {"unit": None},
    "shelfLifeDays": {"shelf_life_days": None},
    "nutrition": wire.nutrition_columns(product_pb2.NutritionFacts()),
    "scheduledAvailability": {"scheduled_availability": None},
}


async def create_product(
    app: InventoryApp, request: product_service_pb2.CreateProductRequest, actor: UUID | None
) -> product_pb2.Product:
    """Adds a product. Raises SlugTaken, SkuTaken, InvalidArgument for what the menu does not allow."""
    columns = {**dict.fromkeys(q.WRITABLE), **_DEFAULTS, **_said(request)}
    product_id = new_id()
    if not columns["slug"]:
        columns["slug"] = await _free_slug(app.db, columns["name"] or "", product_id)
    async with app.db.transaction() as tx:
        await _check(tx, columns)
        try:
            await tx.run(q.INSERT_PRODUCT, id=product_id, created_by=actor, **columns)
        except UniqueViolation as taken:
            raise _taken(taken, columns) from taken
        tx.publish(
            ProductCreated(
                product_id=str(product_id),
                version=1,
                name=columns["name"],
                category=columns["category"],
                price=money_to_proto(columns["price"]),
                occurred_at=timestamp_to_proto(now()),
            ),
            key=product_id,
            version=1,
        )
        tx.after_commit(partial(app.forget_product, product_id))
        return for_managers(await _read(tx, product_id))


async def update_product(app: InventoryApp, request: product_service_pb2.UpdateProductRequest) -> product_pb2.Product:
    """Changes what the request says. Raises NotFound, StaleEtag, SlugTaken, SkuTaken, InvalidArgument."""
    product_id = UUID(request.id)
    async with app.db.transaction() as tx:
        before = await lock(tx, product_id, request.etag)
        columns = {name: getattr(before, name) for name in q.WRITABLE} | _said(request)
        for name in request.clear:
            columns |= _CLEARED[name]
        await _check(tx, columns)
        options = wire.customizations(before.customizations)
        if problem := menu.check_customizations(columns["price"], options):
            raise InvalidArgument("price", problem)
        try:
            await tx.run(q.UPDATE_PRODUCT, product_id=product_id, **columns)
        except UniqueViolation as taken:
            raise _taken(taken, columns) from taken
        after = await _read(tx, product_id)
        tx.publish(wire.product_updated(product_id, after), key=product_id, version=after.version)
        tx.after_commit(partial(app.forget_product, product_id))
        return for_managers(after)


async def delete_product(app: InventoryApp, product_id: UUID) -> None:
    """Takes the product off every menu; orders keep what they had. Raises NotFound."""
    async with app.db.transaction() as tx:
        version = await tx.value(q.DELETE_PRODUCT, product_id=product_id)
        if version is None:
            raise NotFound
        tx.publish(
            ProductDeleted(product_id=str(product_id), version=version, occurred_at=timestamp_to_proto(now())),
            key=product_id,
            version=version,
        )
        tx.after_commit(partial(app.forget_product, product_id))


async def set_store_offer(
    app: InventoryApp, request: product_service_pb2.SetProductStoreOfferRequest, *, may_price: bool
) -> product_pb2.ProductStoreOffer:
    """Sets what differs in one store. Raises NotFound, PermissionDenied for a price that the caller may not set."""
    product_id = UUID(request.id)
    if (request.HasField("price") or request.clear_price) and not may_price:
        raise PermissionDenied("the price of a store is set by an administrator")
    if request.HasField("price") and request.clear_price:
        raise InvalidArgument("clearPrice", "goes without a price")
    async with app.db.transaction() as tx:
        product = await lock(tx, product_id)
        row = await tx.one(
            q.SET_OFFER,
            product_id=product_id,
            store_id=UUID(request.store_id),
            price=wire.optional_money(request, "price"),
            clear_price=request.clear_price,
            is_available=request.is_available if request.HasField("is_available") else None,
        )
        tx.publish(wire.product_updated(product_id, product), key=product_id, version=product.version)
        tx.after_commit(partial(app.forget_product, product_id))
        return wire.offer(row)


async def set_rating(
    app: InventoryApp, tx: Transaction, product_id: UUID, average: Decimal, count: int, version: int
) -> None:
    """Copies what review says of a product; older figures than the last seen change nothing."""
    row = await tx.one(q.SET_RATING, product_id=product_id, rating=average, review_count=count, rating_version=version)
    if row is not None:
        tx.publish(wire.product_updated(product_id, row), key=product_id, version=row.version)
        tx.after_commit(partial(app.forget_product, product_id))


async def _read(tx: Transaction, product_id: UUID) -> Row:
    row = await tx.one(q.PRODUCT, product_id=product_id, store_id=None)
    assert row is not None
    return row


async def lock(tx: Transaction, product_id: UUID, etag: str = "") -> Row:
    """The product, locked until the end of the transaction. Raises NotFound, and StaleEtag for another etag."""
    row = await tx.one(q.LOCK_PRODUCT, product_id=product_id)
    if row is None:
        raise NotFound
    if etag and etag != str(row.version):
        raise StaleEtag(str(row.version))
    return row


def _said(request: ProductInput) -> dict[str, Any]:
    """Columns that the request sets; what it does not say is left out."""
    columns: dict[str, Any] = {name: getattr(request, name).strip() or None for name in _TEXTS if _says(request, name)}
    columns.update({name: getattr(request, name) for name in _FACTS if _says(request, name)})
    columns.update({name: money_from_proto(getattr(request, name)) for name in _PRICES if _says(request, name)})
    columns.update(
        {name: menu.words(getattr(request, name)) for name in ("tags", "ingredients") if _says(request, name)}
    )
    if request.images:
        columns["images"] = list(request.images)
    if request.spice_level:
        columns["spice_level"] = wire.SPICE_LEVEL.from_proto(request.spice_level)
    if request.unit:
        columns["unit"] = wire.UNIT.from_proto(request.unit)
    if request.HasField("nutrition"):
        columns.update(wire.nutrition_columns(request.nutrition))
    if request.HasField("scheduled_availability"):
        columns["scheduled_availability"] = wire.schedule_column(request.scheduled_availability)
    return columns


def _says(request: ProductInput, field: str) -> bool:
    """Whether the field is in the request: by presence where the contract has it, else by a value."""
    if request.DESCRIPTOR.fields_by_name[field].has_presence:
        return request.HasField(field)  # type: ignore[arg-type]
    return bool(getattr(request, field))


async def _check(tx: Transaction, columns: Mapping[str, Any]) -> None:
    """Raises InvalidArgument for what the menu does not allow."""
    if not (columns["name"] or "").strip():
        raise InvalidArgument("name", "must not be blank")
    if columns["is_vegan"] and not columns["is_veg"]:
        raise InvalidArgument("isVegan", "a vegan product is vegetarian")
    if columns["is_jain"]:
        if not columns["is_veg"]:
            raise InvalidArgument("isJain", "a Jain product is vegetarian")
        if conflicts := jain_conflicts([*(columns["tags"] or ()), *columns["ingredients"]]):
            raise InvalidArgument("isJain", f"Jain food has no {', no '.join(conflicts)}")
    await _check_category(tx, columns["category"], columns["subcategory"])


async def _check_category(tx: Transaction, category: str, subcategory: str | None) -> None:
    slugs = [category, *([subcategory] if subcategory else [])]
    found = {row.slug: row for row in await tx.all(q.CATEGORIES_BY_SLUG, slugs=slugs)}
    if category not in found:
        raise InvalidArgument("category", "is not a category's slug")
    if subcategory and (subcategory not in found or found[subcategory].parent_slug != category):
        raise InvalidArgument("subcategory", "is not the slug of a child of the category")


def _taken(violation: UniqueViolation, columns: Mapping[str, Any]) -> DomainError:
    if violation.diag.constraint_name == "products_sku_key":
        return SkuTaken(columns["sku"])
    return SlugTaken(columns["slug"])


async def _free_slug(db: Database, name: str, product_id: UUID) -> str:
    """A slug made from the name; with a piece of the id when another product has it."""
    slug = menu.slugify(name, SLUG_LENGTH) or "product"
    if await db.one(q.SLUG_EXISTS, slug=slug) is None:
        return slug
    return f"{slug}-{product_id.hex[-8:]}"
