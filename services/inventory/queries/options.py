"""Customizations of products, their options, and offers of stores."""

from __future__ import annotations

from sqlalchemy import bindparam, insert, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB

from chassis.database import sql, statement
from chassis.database.rows import field_names
from services.inventory.model.tables import CustomizationOption, Product, ProductCustomization
from services.inventory.queries.products import CUSTOMIZATIONS_OF_PRODUCT
from services.inventory.rows import CustomizationsRow, NewCustomization, NewOption, StoreOfferRow

GET_CUSTOMIZATIONS = statement(
    select(literal_column(CUSTOMIZATIONS_OF_PRODUCT, JSONB).label("customizations")).where(
        Product.id == bindparam("product_id"), Product.deleted_at.is_(None)
    ),
    row=CustomizationsRow,
)
INSERT_CUSTOMIZATION = statement(insert(ProductCustomization), columns=field_names(NewCustomization))
INSERT_OPTION = statement(insert(CustomizationOption), columns=field_names(NewOption))
UPDATE_CUSTOMIZATION = sql(
    """
    UPDATE product_customizations
    SET name = %(name)s, type = %(type)s, is_required = %(is_required)s, display_order = %(display_order)s
    WHERE id = %(id)s AND product_id = %(product_id)s
    """
)
UPDATE_OPTION = sql(
    """
    UPDATE customization_options
    SET customization_id = %(customization_id)s, name = %(name)s, price_modifier = %(price_modifier)s,
        is_default = %(is_default)s, display_order = %(display_order)s
    WHERE id = %(id)s
    """
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
UPSERT_STORE_OFFER = sql(
    """
    INSERT INTO product_store_offers AS offer (product_id, store_id, price, is_available)
    VALUES (%(product_id)s, %(store_id)s, %(price)s, coalesce(%(is_available)s, true))
    ON CONFLICT (product_id, store_id) DO UPDATE
    SET price = CASE WHEN %(clear_price)s THEN NULL ELSE coalesce(excluded.price, offer.price) END,
        is_available = coalesce(%(is_available)s, offer.is_available),
        updated_at = now()
    RETURNING product_id, store_id, price, is_available, updated_at
    """,
    row=StoreOfferRow,
)
