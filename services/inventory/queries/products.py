"""Statements about the menu: products, their options, stores' offers, categories."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    asc,
    bindparam,
    desc,
    func,
    insert,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute, aliased

from chassis.database import Statement, sql, statement
from services.inventory.model.tables import (
    Category,
    CustomizationOption,
    InventoryItem,
    Product,
    ProductCustomization,
    ProductStoreOffer,
)

_INTERNAL = {"search_document", "search_words", "rating_version", "deleted_at"}
# What a writer sets; the rest are keys, copies and counters.
WRITABLE = (
    "name",
    "slug",
    "description",
    "short_description",
    "sku",
    "price",
    "original_price",
    "cost_price",
    "category",
    "subcategory",
    "tags",
    "ingredients",
    "is_veg",
    "is_vegan",
    "is_jain",
    "is_gluten_free",
    "is_nut_free",
    "spice_level",
    "prep_time_minutes",
    "servings",
    "weight",
    "unit",
    "shelf_life_days",
    "storage_instructions",
    "calories",
    "protein_g",
    "carbs_g",
    "fat_g",
    "fiber_g",
    "sodium_mg",
    "images",
    "video_url",
    "is_available",
    "is_featured",
    "scheduled_availability",
    "meta_title",
    "meta_description",
    "tax_rate_basis_points",
)

_COLUMNS = [column for column in Product.__table__.columns if column.name not in _INTERNAL]
_STORE_COLUMNS = (
    ProductStoreOffer.price.label("store_price"),
    ProductStoreOffer.is_available.label("store_available"),
    InventoryItem.current_stock,
)

# All options of a product as one JSON value, so that a product with its options is one row. Prices as text: exact.
_OPTIONS_OF_PRODUCT = """
    (SELECT jsonb_agg(jsonb_build_object(
                'id', c.id, 'name', c.name, 'type', c.type, 'is_required', c.is_required,
                'options', (SELECT jsonb_agg(jsonb_build_object(
                                       'id', o.id, 'name', o.name, 'price_modifier', o.price_modifier::text,
                                       'is_default', o.is_default) ORDER BY o.display_order, o.id)
                            FROM customization_options o WHERE o.customization_id = c.id)
            ) ORDER BY c.display_order, c.id)
     FROM product_customizations c WHERE c.product_id = products.id)
"""
_CUSTOMIZATIONS: ColumnElement[Any] = literal_column(_OPTIONS_OF_PRODUCT).label("customizations")


def _with_store(query: Select[Any]) -> Select[Any]:
    """Joins what one store differs in; `store_id` NULL joins nothing."""
    store_id = bindparam("store_id", type_=Uuid)
    return (
        query.add_columns(*_STORE_COLUMNS)
        .outerjoin(
            ProductStoreOffer,
            and_(ProductStoreOffer.product_id == Product.id, ProductStoreOffer.store_id == store_id),
        )
        .outerjoin(InventoryItem, and_(InventoryItem.product_id == Product.id, InventoryItem.store_id == store_id))
    )


PRODUCT = statement(
    _with_store(select(*_COLUMNS, _CUSTOMIZATIONS)).where(
        Product.id == bindparam("product_id"), Product.deleted_at.is_(None)
    )
)
LOCK_PRODUCT = statement(
    select(*_COLUMNS, _CUSTOMIZATIONS)
    .where(Product.id == bindparam("product_id"), Product.deleted_at.is_(None))
    .with_for_update(key_share=True, of=Product)
)
CUSTOMIZATIONS = statement(
    select(_CUSTOMIZATIONS).where(Product.id == bindparam("product_id"), Product.deleted_at.is_(None))
)
SLUG_EXISTS = statement(select(Product.id).where(Product.slug == bindparam("slug")))
INSERT_PRODUCT = statement(insert(Product), columns=("id", "created_by", *WRITABLE))
UPDATE_PRODUCT = statement(
    update(Product)
    .where(Product.id == bindparam("product_id"))
    .values(version=Product.version + 1, updated_at=func.now(), **{name: bindparam(name) for name in WRITABLE})
)
TOUCH_PRODUCT = statement(
    update(Product)
    .where(Product.id == bindparam("product_id"))
    .values(version=Product.version + 1, updated_at=func.now())
    .returning(Product.version, Product.name, Product.category, Product.price)
)
# Slug and SKU are free for a new product; the row stays for what refers to it.
DELETE_PRODUCT = sql(
    """
    UPDATE products
    SET deleted_at = now(), updated_at = now(), version = version + 1, is_available = false,
        slug = left(slug, 200) || '~' || id, sku = left(sku, 60) || '~' || id
    WHERE id = %(product_id)s AND deleted_at IS NULL RETURNING version
    """
)
# Reviews are heard in any order; figures with a lower version than the last seen are stale.
SET_RATING = sql(
    """
    UPDATE products SET rating = %(rating)s, review_count = %(review_count)s, rating_version = %(rating_version)s
    WHERE id = %(product_id)s AND deleted_at IS NULL AND rating_version < %(rating_version)s
    RETURNING version, name, category, price
    """
)

INSERT_CUSTOMIZATION = statement(
    insert(ProductCustomization), columns=("id", "product_id", "name", "type", "is_required", "display_order")
)
INSERT_OPTION = statement(
    insert(CustomizationOption),
    columns=("id", "customization_id", "name", "price_modifier", "is_default", "display_order"),
)
UPDATE_CUSTOMIZATION = statement(
    update(ProductCustomization)
    .where(ProductCustomization.id == bindparam("customization_id"))
    .values({name: bindparam(name) for name in ("name", "type", "is_required", "display_order")})
)
UPDATE_OPTION = statement(
    update(CustomizationOption)
    .where(CustomizationOption.id == bindparam("option_id"))
    .values(
        {
            name: bindparam(name)
            for name in ("customization_id", "name", "price_modifier", "is_default", "display_order")
        }
    )
)
DELETE_CUSTOMIZATIONS = sql(
    "DELETE FROM product_customizations WHERE product_id = %(product_id)s AND id <> ALL(%(kept)s::uuid[])"
)
DELETE_OPTIONS = sql(
    """
    DELETE FROM customization_options o USING product_customizations c
    WHERE c.id = o.customization_id AND c.product_id = %(product_id)s AND o.id <> ALL(%(kept)s::uuid[])
    """
)

SET_OFFER = sql(
    """
    INSERT INTO product_store_offers AS offer (product_id, store_id, price, is_available)
    VALUES (%(product_id)s, %(store_id)s, %(price)s, coalesce(%(is_available)s, true))
    ON CONFLICT (product_id, store_id) DO UPDATE
    SET price = CASE WHEN %(clear_price)s THEN NULL ELSE coalesce(excluded.price, offer.price) END,
        is_available = coalesce(%(is_available)s, offer.is_available),
        updated_at = now()
    RETURNING product_id, store_id, price, is_available, updated_at
    """
)

# What the lines of carts need, all products in one go. A deleted product is one that cannot be ordered.
PRICES = sql(
    f"""
    SELECT wanted.place, products.id, products.name, products.sku, products.category,
           coalesce(offer.price, products.price) AS price,
           products.tax_rate_basis_points, products.prep_time_minutes, products.scheduled_availability,
           products.deleted_at IS NULL AND products.is_available AND coalesce(offer.is_available, true)
               AS is_available,
           coalesce(item.current_stock, 0) AS current_stock,
           {_OPTIONS_OF_PRODUCT} AS customizations
    FROM unnest((SELECT %(places)s::int[]), (SELECT %(store_ids)s::uuid[]), (SELECT %(product_ids)s::uuid[]))
        AS wanted(place, store_id, id)
    JOIN products ON products.id = wanted.id
    LEFT JOIN product_store_offers offer ON offer.product_id = products.id AND offer.store_id = wanted.store_id
    LEFT JOIN inventory item ON item.product_id = products.id AND item.store_id = wanted.store_id
    """  # noqa: S608 - both parts are constants of this module
)

_parent = aliased(Category)
_CATEGORY = select(*Category.__table__.columns, _parent.slug.label("parent_slug")).outerjoin(
    _parent, Category.parent_id == _parent.id
)
CATEGORIES = statement(
    _CATEGORY.where(or_(Category.is_active, bindparam("include_inactive"))).order_by(
        Category.display_order, Category.name, Category.id
    )
)
CATEGORY = statement(_CATEGORY.where(Category.id == bindparam("category_id")))
CATEGORIES_BY_SLUG = statement(_CATEGORY.where(Category.slug == any_(bindparam("slugs"))))
INSERT_CATEGORY = statement(
    insert(Category), columns=("id", "slug", "name", "description", "parent_id", "display_order")
)
UPDATE_CATEGORY = statement(
    update(Category)
    .where(Category.id == bindparam("category_id"))
    .values(
        name=func.coalesce(bindparam("name"), Category.name),
        description=func.coalesce(bindparam("description"), Category.description),
        display_order=func.coalesce(bindparam("display_order"), Category.display_order),
        is_active=func.coalesce(bindparam("is_active"), Category.is_active),
        updated_at=func.now(),
    )
)

_STORE_PRICE = func.coalesce(ProductStoreOffer.price, Product.price)
_TODAY = bindparam("today", type_=Text)


def _sort(name: str, *, in_store: bool) -> tuple[ColumnElement[Any] | InstrumentedAttribute[Any], bool]:
    """What a list is sorted by, and whether downwards; the id decides between equals."""
    price: ColumnElement[Any] | InstrumentedAttribute[Any] = _STORE_PRICE if in_store else Product.price
    sorts: dict[str, tuple[ColumnElement[Any] | InstrumentedAttribute[Any], bool]] = {
        "newest": (Product.created_at, True),
        "name": (func.lower(Product.name), False),
        "price": (price, False),
        "price_descending": (price, True),
        "rating": (Product.rating, True),
    }
    return sorts[name]


def _on_sale(*, in_store: bool) -> ColumnElement[bool]:
    """May be ordered today: the same rule as `menu.on_schedule`, for lists."""
    schedule = Product.scheduled_availability
    return and_(
        Product.is_available.is_(True),
        func.coalesce(ProductStoreOffer.is_available, true()) if in_store else true(),
        func.coalesce(func.nullif(schedule["startDate"].astext, ""), _TODAY) <= _TODAY,
        func.coalesce(func.nullif(schedule["endDate"].astext, ""), _TODAY) >= _TODAY,
    )


def _condition(name: str, *, in_store: bool) -> ColumnElement[bool]:
    price = _STORE_PRICE if in_store else Product.price
    match name:
        case "tag":
            return Product.tags.contains(bindparam("tag", type_=ARRAY(Text)))
        case "query":
            liked = func.products_like(bindparam("query", type_=Text)).table_valued("product_id", "score")
            return Product.id.in_(select(liked.c.product_id))
        case "is_available":
            return _on_sale(in_store=in_store) == bindparam("is_available")
        case "min_price":
            return price >= bindparam("min_price")
        case "max_price":
            return price <= bindparam("max_price")
        case _:
            return Product.__table__.columns[name] == bindparam(name)


@lru_cache(maxsize=512)
def product_list(filters: frozenset[str], sort: str, *, in_store: bool, paged: bool) -> Statement[Any]:
    """A page of the menu. `filters` are names of bind parameters: columns, or tag, query, min_price, max_price.

    Binds besides: store_id, limit, today with `is_available`, and after_value and after_id when `paged`. `tag` is a
    list of tags that must all be there.
    """
    key, downwards = _sort(sort, in_store=in_store)
    query = _with_store(select(*_COLUMNS, func.lower(Product.name).label("sort_name"))).where(
        Product.deleted_at.is_(None), *(_condition(name, in_store=in_store) for name in sorted(filters))
    )
    if paged:
        place = tuple_(key, Product.id)
        after = tuple_(bindparam("after_value", type_=key.type), bindparam("after_id", type_=Uuid))
        query = query.where(place < after if downwards else place > after)
    direction = desc if downwards else asc
    return statement(query.order_by(direction(key), direction(Product.id)).limit(bindparam("limit")))


@lru_cache(maxsize=2)
def product_search(*, paged: bool) -> Statement[Any]:
    """Products like `query`, the best first. Binds: query, store_id, limit; after_score and after_id when `paged`."""
    liked = func.products_like(bindparam("query", type_=Text)).table_valued("product_id", "score")
    query = _with_store(select(*_COLUMNS, liked.c.score)).join(liked, liked.c.product_id == Product.id)
    query = query.where(Product.deleted_at.is_(None))
    if paged:
        query = query.where(
            tuple_(liked.c.score, Product.id) < tuple_(bindparam("after_score"), bindparam("after_id", type_=Uuid))
        )
    return statement(query.order_by(liked.c.score.desc(), Product.id.desc()).limit(bindparam("limit")))
