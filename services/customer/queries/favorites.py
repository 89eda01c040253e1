"""Favorite products of an account."""

from __future__ import annotations

from chassis.database import sql
from chassis.database.rows import column_names
from services.customer.rows import FavoriteRow

LIST_FAVORITES = sql(
    f"""
    SELECT {column_names(FavoriteRow)} FROM customer_favorites
    WHERE customer_id = %(customer_id)s
      AND (%(after_time)s::timestamptz IS NULL OR (created_at, id) < (%(after_time)s::timestamptz, %(after_id)s::uuid))
    ORDER BY created_at DESC, id DESC LIMIT %(limit)s
    """,  # noqa: S608 - column names of the row type
    row=FavoriteRow,
)
GET_FAVORITE = sql(
    f"""
    SELECT {column_names(FavoriteRow)} FROM customer_favorites
    WHERE customer_id = %(customer_id)s AND product_id = %(product_id)s
    """,  # noqa: S608 - column names of the row type
    row=FavoriteRow,
)
COUNT_FAVORITES = sql("SELECT count(*) FROM customer_favorites WHERE customer_id = %(customer_id)s", value=int)
INSERT_FAVORITE = sql(
    f"""
    INSERT INTO customer_favorites (customer_id, product_id) VALUES (%(customer_id)s, %(product_id)s)
    RETURNING {column_names(FavoriteRow)}
    """,  # noqa: S608 - column names of the row type
    row=FavoriteRow,
)
DELETE_FAVORITE = sql(
    "DELETE FROM customer_favorites WHERE customer_id = %(customer_id)s AND product_id = %(product_id)s"
)
