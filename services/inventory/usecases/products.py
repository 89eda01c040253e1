"""The menu: reading it, and keeping it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from jainshikanji.inventory.v1 import product_pb2, product_service_pb2
from jainshikanji.inventory.v1.events_pb2 import ProductCreated, ProductDeleted
from psycopg.errors import UniqueViolation

from chassis.clock import now
from chassis.db import Database, Row, Transaction
from chassis.errors import InvalidArgument, NotFound, PermissionDenied, Refusal, StaleEtag
from chassis.ids import new_id
from chassis.money import to_decimal, to_money
from chassis.times import timestamp
from services.inventory import wire
from services.inventory.app import InventoryApp
from services.inventory.model import menu
from services.inventory.model.diet import jain_conflicts
from services.inventory.model.refusals import SkuTaken, SlugTaken
from services.inventory.queries import products as q

ProductInput = product_service_pb2.CreateProductRequest | product_service_pb2.UpdateProductRequest
SLUG_LENGTH = 200
DEFAULT_SORT = "newest"

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


# --- Reading ----------------------------------------------------------------------------------------------------------


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
    return _for_managers(row, in_store=store_id is not None)


async def list_products(
    app: InventoryApp, request: product_service_pb2.ListProductsRequest
) -> product_service_pb2.ListProductsResponse:
    """A page of the menu."""
    page = app.pages.open(request)
    today = menu.today(now())
    filters = _filters(request)
    sort = wire.SORT.word(request.sort) if request.sort else DEFAULT_SORT
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
    parameters: dict[str, Any] = {"query": _nfc(request.query), "store_id": store_id, "limit": page.limit}
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
        filters["tag"] = [_word(request.tag)]
    if request.query.strip():
        filters["query"] = _nfc(request.query)
    if request.spice_level:
        filters["spice_level"] = wire.SPICE_LEVEL.word(request.spice_level)
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


def _for_managers(row: Row, *, in_store: bool = False) -> product_pb2.Product:
    message = _with_options(row, in_store=in_store)
    if row.cost_price is not None:
        message.cost_price.CopyFrom(to_money(row.cost_price))
    return message


# --- Keeping ----------------------------------------------------------------------------------------------------------


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
                price=to_money(columns["price"]),
                occurred_at=_moment(),
            ),
            key=product_id,
            version=1,
        )
        tx.after_commit(partial(app.forget_product, product_id))
        return _for_managers(await _read(tx, product_id))


async def update_product(app: InventoryApp, request: product_service_pb2.UpdateProductRequest) -> product_pb2.Product:
    """Changes what the request says. Raises NotFound, StaleEtag, SlugTaken, SkuTaken, InvalidArgument."""
    product_id = UUID(request.id)
    async with app.db.transaction() as tx:
        before = await _lock(tx, product_id, request.etag)
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
        return _for_managers(after)


async def delete_product(app: InventoryApp, product_id: UUID) -> None:
    """Takes the product off every menu; orders keep what they had. Raises NotFound."""
    async with app.db.transaction() as tx:
        version = await tx.value(q.DELETE_PRODUCT, product_id=product_id)
        if version is None:
            raise NotFound
        tx.publish(
            ProductDeleted(product_id=str(product_id), version=version, occurred_at=_moment()),
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
        product = await _lock(tx, product_id)
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


# --- Options ----------------------------------------------------------------------------------------------------------


async def list_options(app: InventoryApp, product_id: UUID) -> list[product_pb2.Customization]:
    """What may be chosen about a product. Raises NotFound."""
    row = await app.db.one(q.CUSTOMIZATIONS, product_id=product_id)
    if row is None:
        raise NotFound
    return wire.customization_messages(wire.customizations(row.customizations))


async def set_options(
    app: InventoryApp, request: product_service_pb2.SetProductOptionsRequest
) -> list[product_pb2.Customization]:
    """Sets all options of a product. Raises NotFound, StaleEtag, InvalidArgument."""
    product_id = UUID(request.id)
    async with app.db.transaction() as tx:
        product = await _lock(tx, product_id, request.etag)
        known = wire.customizations(product.customizations)
        wanted = _wanted(request, known)
        if problem := menu.check_customizations(product.price, wanted):
            raise InvalidArgument("customizations", problem)
        await _write_options(tx, product_id, known, wanted)
        touched = await tx.one(q.TOUCH_PRODUCT, product_id=product_id)
        assert touched is not None
        tx.publish(wire.product_updated(product_id, touched), key=product_id, version=touched.version)
        tx.after_commit(partial(app.forget_product, product_id))
    return wire.customization_messages(wanted)


def _wanted(
    request: product_service_pb2.SetProductOptionsRequest, known: Iterable[menu.Customization]
) -> list[menu.Customization]:
    """The options as they shall be; ids must be the product's own, and each may be named once."""
    own = {str(item.id) for item in known}
    own_options = {str(option.id) for item in known for option in item.options}
    wanted = []
    for place, item in enumerate(request.customizations):
        options = []
        for position, option in enumerate(item.options):
            field = f"customizations[{place}].options[{position}]"
            options.append(
                menu.Option(
                    _own_id(option.id, own_options, field),
                    _nfc(option.name),
                    to_decimal(option.price_modifier) if option.HasField("price_modifier") else menu.ZERO,
                    option.is_default,
                )
            )
        wanted.append(
            menu.Customization(
                _own_id(item.id, own, f"customizations[{place}]"),
                _nfc(item.name),
                wire.CUSTOMIZATION_TYPE.word(item.type),
                item.is_required,
                tuple(options),
            )
        )
    return wanted


def _own_id(text: str, own: set[str], field: str) -> UUID:
    """A new id, or one of those that are the product's; each is taken once."""
    if not text:
        return new_id()
    identity = UUID(text)
    if str(identity) not in own:
        raise InvalidArgument(f"{field}.id", "is not one of this product, or is named twice")
    own.discard(str(identity))
    return identity


async def _write_options(
    tx: Transaction, product_id: UUID, known: Iterable[menu.Customization], wanted: Iterable[menu.Customization]
) -> None:
    """Customizations first and deletions last: an option may move from one that goes to one that stays."""
    old = {item.id for item in known}
    old_options = {option.id for item in known for option in item.options}
    kept: list[UUID] = []
    kept_options: list[UUID] = []
    for place, item in enumerate(wanted):
        kept.append(item.id)
        fields = {"name": item.name, "type": item.type, "is_required": item.is_required, "display_order": place}
        if item.id in old:
            await tx.run(q.UPDATE_CUSTOMIZATION, customization_id=item.id, **fields)
        else:
            await tx.run(q.INSERT_CUSTOMIZATION, id=item.id, product_id=product_id, **fields)
        for position, option in enumerate(item.options):
            kept_options.append(option.id)
            facts = {
                "customization_id": item.id,
                "name": option.name,
                "price_modifier": option.price_modifier,
                "is_default": option.is_default,
                "display_order": position,
            }
            if option.id in old_options:
                await tx.run(q.UPDATE_OPTION, option_id=option.id, **facts)
            else:
                await tx.run(q.INSERT_OPTION, id=option.id, **facts)
    await tx.run(q.DELETE_OPTIONS, product_id=product_id, kept=kept_options)
    await tx.run(q.DELETE_CUSTOMIZATIONS, product_id=product_id, kept=kept)


# --- Shared by the writers --------------------------------------------------------------------------------------------


async def _read(tx: Transaction, product_id: UUID) -> Row:
    row = await tx.one(q.PRODUCT, product_id=product_id, store_id=None)
    assert row is not None
    return row


async def _lock(tx: Transaction, product_id: UUID, etag: str = "") -> Row:
    """The product, locked until the end of the transaction. Raises NotFound, and StaleEtag for another etag."""
    row = await tx.one(q.LOCK_PRODUCT, product_id=product_id)
    if row is None:
        raise NotFound
    if etag and etag != str(row.version):
        raise StaleEtag(str(row.version))
    return row


def _said(request: ProductInput) -> dict[str, Any]:
    """Columns that the request sets; what it does not say is left out."""
    columns: dict[str, Any] = {name: _nfc(getattr(request, name)) or None for name in _TEXTS if _says(request, name)}
    columns.update({name: getattr(request, name) for name in _FACTS if _says(request, name)})
    columns.update({name: to_decimal(getattr(request, name)) for name in _PRICES if _says(request, name)})
    columns.update({name: _words(getattr(request, name)) for name in ("tags", "ingredients") if _says(request, name)})
    if request.images:
        columns["images"] = list(request.images)
    if request.spice_level:
        columns["spice_level"] = wire.SPICE_LEVEL.word(request.spice_level)
    if request.unit:
        columns["unit"] = wire.UNIT.word(request.unit)
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


def _taken(violation: UniqueViolation, columns: Mapping[str, Any]) -> Refusal:
    if violation.diag.constraint_name == "products_sku_key":
        return SkuTaken(columns["sku"])
    return SlugTaken(columns["slug"])


async def _free_slug(db: Database, name: str, product_id: UUID) -> str:
    """A slug made from the name; with a piece of the id when another product has it."""
    slug = menu.slugify(name, SLUG_LENGTH) or "product"
    if await db.one(q.SLUG_EXISTS, slug=slug) is None:
        return slug
    return f"{slug}-{product_id.hex[-8:]}"


def _moment() -> Timestamp | None:
    return timestamp(now())


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text.strip())


def _word(text: str) -> str:
    return _nfc(text).lower()


def _words(texts: Iterable[str]) -> list[str]:
    """In small letters, each once, in the order given."""
    return [word for word in dict.fromkeys(map(_word, texts)) if word]
