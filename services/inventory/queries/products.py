"""Products: single ones, pages of the menu, search results, and prices of carts."""

from __future__ import annotations

from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Label,
    Numeric,
    Select,
    Text,
    Uuid,
    and_,
    asc,
    bindparam,
    cast,
    desc,
    func,
    insert,
    literal_column,
    null,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, BOOLEAN, JSONB
from sqlalchemy.orm import InstrumentedAttribute

from chassis.database import Statement, sql, statement
from chassis.database.rows import field_names, table_columns
from chassis.database.tables import table_of
from services.inventory.commands import ProductFilter, ProductSort
from services.inventory.model.tables import InventoryItem, Product, ProductStoreOffer
from services.inventory.rows import PriceRow, ProductColumns, ProductRow, ProductVersionRow

_PRODUCT = table_of(Product)
_IS_LISTED = Product.deleted_at.is_(None)

# All customizations of a product as one JSON value, so that a product is one row. Prices are text, which is exact.
CUSTOMIZATIONS_OF_PRODUCT: Final = """
    (SELECT jsonb_agg(jsonb_build_object(
                'id', c.id, 'name', c.name, 'type', c.type, 'is_required', c.is_required,
                'options', (SELECT jsonb_agg(jsonb_build_object(
                                       'id', o.id, 'name', o.name, 'price_modifier', o.price_modifier::text,
                                       'is_default', o.is_default) ORDER BY o.display_order, o.id)
                            FROM customization_options o WHERE o.customization_id = c.id)
            ) ORDER BY c.display_order, c.id)
     FROM product_customizations c WHERE c.product_id = products.id)
"""
# The columns of ProductRow that some statements do not read.
_ABSENT: dict[str, Label[Any]] = {
    "customizations": cast(null(), JSONB).label("customizations"),
    "store_price": cast(null(), Numeric).label("store_price"),
    "store_available": cast(null(), BOOLEAN).label("store_available"),
    "current_stock": cast(null(), Integer).label("current_stock"),
    "sort_name": cast(null(), Text).label("sort_name"),
    "score": cast(null(), Integer).label("score"),
}
_STORE_COLUMNS: dict[str, ColumnElement[Any] | InstrumentedAttribute[Any]] = {
    "store_price": ProductStoreOffer.price,
    "store_available": ProductStoreOffer.is_available,
    "current_stock": InventoryItem.current_stock,
}
_CUSTOMIZATIONS: dict[str, ColumnElement[Any]] = {"customizations": literal_column(CUSTOMIZATIONS_OF_PRODUCT)}


def _select_products(**columns: Any) -> Select[Any]:
    """Selects ProductRow; `columns` are those that are neither in the table nor NULL."""
    return select(*table_columns(ProductRow, _PRODUCT, **{**_ABSENT, **columns}))


def _join_store(query: Select[Any]) -> Select[Any]:
    """Joins the offer and the stock of one store; `store_id` NULL joins nothing."""
    store_id = bindparam("store_id", type_=Uuid)
    return query.outerjoin(
        ProductStoreOffer,
        and_(ProductStoreOffer.product_id == Product.id, ProductStoreOffer.store_id == store_id),
    ).outerjoin(InventoryItem, and_(InventoryItem.product_id == Product.id, InventoryItem.store_id == store_id))


GET_PRODUCT = statement(
    _join_store(_select_products(**_CUSTOMIZATIONS, **_STORE_COLUMNS)).where(
        Product.id == bindparam("product_id"), _IS_LISTED
    ),
    row=ProductRow,
)
LOCK_PRODUCT = statement(
    _select_products(**_CUSTOMIZATIONS)
    .where(Product.id == bindparam("product_id"), _IS_LISTED)
    .with_for_update(key_share=True, of=Product),
    row=ProductRow,
)
FIND_SLUG = statement(select(Product.id).where(Product.slug == bindparam("slug")), value=UUID)
INSERT_PRODUCT = statement(insert(Product), columns=("id", "created_by", *field_names(ProductColumns)))
UPDATE_PRODUCT = statement(
    update(Product)
    .where(Product.id == bindparam("product_id"))
    .values(
        version=Product.version + 1,
        updated_at=func.now(),
        **{name: bindparam(name) for name in field_names(ProductColumns)},
    )
)
INCREMENT_VERSION = statement(
    update(Product)
    .where(Product.id == bindparam("product_id"))
    .values(version=Product.version + 1, updated_at=func.now())
    .returning(*table_columns(ProductVersionRow, _PRODUCT)),
    row=ProductVersionRow,
)
# Slug and SKU become free for a new product; the row stays, since other rows refer to it.
DELETE_PRODUCT = sql(
    """
    UPDATE products
    SET deleted_at = now(), updated_at = now(), version = version + 1, is_available = false,
        slug = left(slug, 200) || '~' || id, sku = left(sku, 60) || '~' || id
    WHERE id = %(product_id)s AND deleted_at IS NULL RETURNING version
    """,
    value=int,
)
# Ratings arrive in any order; a lower version is stale.
SET_RATING = sql(
    """
    UPDATE products SET rating = %(rating)s, review_count = %(review_count)s, rating_version = %(rating_version)s
    WHERE id = %(product_id)s AND deleted_at IS NULL AND rating_version < %(rating_version)s
    RETURNING version, name, category, price
    """,
    row=ProductVersionRow,
)

# The products of many carts in one statement. A deleted product is one that cannot be ordered.
LIST_PRICES = sql(
    f"""
    SELECT wanted.place, products.id, products.name, products.sku, products.category,
           coalesce(offer.price, products.price) AS price,
           products.tax_rate_basis_points, products.prep_time_minutes, products.scheduled_availability,
           products.deleted_at IS NULL AND products.is_available AND coalesce(offer.is_available, true)
               AS is_available,
           coalesce(item.current_stock, 0) AS current_stock,
           {CUSTOMIZATIONS_OF_PRODUCT} AS customizations
    FROM unnest((SELECT %(places)s::int[]), (SELECT %(store_ids)s::uuid[]), (SELECT %(product_ids)s::uuid[]))
        AS wanted(place, store_id, id)
    JOIN products ON products.id = wanted.id
    LEFT JOIN product_store_offers offer ON offer.product_id = products.id AND offer.store_id = wanted.store_id
    LEFT JOIN inventory item ON item.product_id = products.id AND item.store_id = wanted.store_id
    """,  # noqa: S608 - both parts are constants of this module
    row=PriceRow,
)

_STORE_PRICE = func.coalesce(ProductStoreOffer.price, Product.price)
_TODAY = bindparam("today", type_=Text)


def _sort_key(name: ProductSort, *, in_store: bool) -> tuple[ColumnElement[Any] | InstrumentedAttribute[Any], bool]:
    """The sort expression of a list, and whether it is descending; equal products are sorted by id."""
    price: ColumnElement[Any] | InstrumentedAttribute[Any] = _STORE_PRICE if in_store else Product.price
    keys: dict[ProductSort, tuple[ColumnElement[Any] | InstrumentedAttribute[Any], bool]] = {
        "newest": (Product.created_at, True),
        "name": (func.lower(Product.name), False),
        "price": (price, False),
        "price_descending": (price, True),
        "rating": (Product.rating, True),
    }
    return keys[name]


def _is_on_sale(*, in_store: bool) -> ColumnElement[bool]:
    """Whether a product can be ordered today: the rule of `menu.is_on_sale`, for lists."""
    schedule = Product.scheduled_availability
    return and_(
        Product.is_available.is_(True),
        func.coalesce(ProductStoreOffer.is_available, true()) if in_store else true(),
        func.coalesce(func.nullif(schedule["startDate"].astext, ""), _TODAY) <= _TODAY,
        func.coalesce(func.nullif(schedule["endDate"].astext, ""), _TODAY) >= _TODAY,
    )


def _condition(name: ProductFilter, *, in_store: bool) -> ColumnElement[bool]:
    price = _STORE_PRICE if in_store else Product.price
    match name:
        case "tag":
            return Product.tags.contains(bindparam("tag", type_=ARRAY(Text)))
        case "query":
            matches = func.products_like(bindparam("query", type_=Text)).table_valued("product_id", "score")
            return Product.id.in_(select(matches.c.product_id))
        case "is_available":
            return _is_on_sale(in_store=in_store) == bindparam("is_available")
        case "min_price":
            return price >= bindparam("min_price")
        case "max_price":
            return price <= bindparam("max_price")
        case _:
            return Product.__table__.columns[name] == bindparam(name)


@cache
def list_products(
    filters: frozenset[ProductFilter], sort: ProductSort, *, in_store: bool, has_cursor: bool
) -> Statement[ProductRow]:
    """A page of the menu. Filters and `after_value` are bind parameters; `tag` is a list of tags that all match."""
    key, is_descending = _sort_key(sort, in_store=in_store)
    query = _join_store(_select_products(**_STORE_COLUMNS, sort_name=func.lower(Product.name))).where(
        _IS_LISTED, *(_condition(name, in_store=in_store) for name in sorted(filters))
    )
    if has_cursor:
        place = tuple_(key, Product.id)
        after = tuple_(bindparam("after_value", type_=key.type), bindparam("after_id", type_=Uuid))
        query = query.where(place < after if is_descending else place > after)
    direction = desc if is_descending else asc
    return statement(query.order_by(direction(key), direction(Product.id)).limit(bindparam("limit")), row=ProductRow)


@cache
def search_products(*, has_cursor: bool) -> Statement[ProductRow]:
    """A page of the products that match `query`, best match first."""
    matches = func.products_like(bindparam("query", type_=Text)).table_valued("product_id", "score")
    query = _join_store(_select_products(**_STORE_COLUMNS, score=matches.c.score))
    query = query.join(matches, matches.c.product_id == Product.id).where(_IS_LISTED)
    if has_cursor:
        query = query.where(
            tuple_(matches.c.score, Product.id) < tuple_(bindparam("after_score"), bindparam("after_id", type_=Uuid))
        )
    return statement(
        query.order_by(matches.c.score.desc(), Product.id.desc()).limit(bindparam("limit")), row=ProductRow
    )
