"""Preferences and favourites of an account."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from chassis.database import sql, statement
from services.customer.model import Customer, Preferences
from services.customer.queries.accounts import EXISTS

PREFERENCES = statement(
    select(
        Customer.id.label("customer_id"),
        Preferences.preferred_spice_level,
        Preferences.dietary_restrictions,
        Preferences.favorite_categories,
        Preferences.preferred_payment_method,
        Preferences.preferred_delivery_time,
        Preferences.updated_at,
    )
    .outerjoin(Preferences, Preferences.customer_id == Customer.id)
    .where(Customer.id == bindparam("customer_id"), EXISTS)
)
PUT_PREFERENCES = sql(
    """
    INSERT INTO customer_preferences (customer_id, preferred_spice_level, dietary_restrictions, favorite_categories,
                                      preferred_payment_method, preferred_delivery_time)
    VALUES (%(customer_id)s, %(preferred_spice_level)s, %(dietary_restrictions)s::text[],
            %(favorite_categories)s::text[], %(preferred_payment_method)s, %(preferred_delivery_time)s)
    ON CONFLICT (customer_id) DO UPDATE SET
        preferred_spice_level = excluded.preferred_spice_level,
        dietary_restrictions = excluded.dietary_restrictions,
        favorite_categories = excluded.favorite_categories,
        preferred_payment_method = excluded.preferred_payment_method,
        preferred_delivery_time = excluded.preferred_delivery_time,
        updated_at = now()
    """
)
FAVORITES = sql(
    """
    SELECT id, product_id, created_at FROM customer_favorites
    WHERE customer_id = %(customer_id)s
      AND (%(after_time)s::timestamptz IS NULL OR (created_at, id) < (%(after_time)s::timestamptz, %(after_id)s::uuid))
    ORDER BY created_at DESC, id DESC LIMIT %(limit)s
    """
)
FAVORITE = sql(
    """
    SELECT product_id, created_at FROM customer_favorites
    WHERE customer_id = %(customer_id)s AND product_id = %(product_id)s
    """
)
COUNT_FAVORITES = sql("SELECT count(*) FROM customer_favorites WHERE customer_id = %(customer_id)s")
INSERT_FAVORITE = sql(
    """
    INSERT INTO customer_favorites (customer_id, product_id) VALUES (%(customer_id)s, %(product_id)s)
    RETURNING product_id, created_at
    """
)
DELETE_FAVORITE = sql(
    "DELETE FROM customer_favorites WHERE customer_id = %(customer_id)s AND product_id = %(product_id)s"
)
