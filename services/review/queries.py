"""Every statement of the review service."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from sqlalchemy import Boolean, Table, and_, any_, bindparam, delete, func, or_, select, update
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import insert as pg_insert

from chassis.database import Statement, sql, statement
from services.review.model import DeliveredItem, ErasedCustomer, ProductRating, Review

_REVIEW = cast(Table, Review.__table__)
_RATING = cast(Table, ProductRating.__table__)
_COUNTS = ("rated_1", "rated_2", "rated_3", "rated_4", "rated_5")

REVIEW = statement(select(_REVIEW).where(Review.id == bindparam("review_id")))
REVIEW_OF_ITEM = statement(
    select(Review.id).where(Review.order_id == bindparam("order_id"), Review.product_id == bindparam("product_id"))
)


@cache
def product_reviews(*, order: str, rated: bool, following: bool) -> Statement[Any]:
    """A page of a product's reviews: `order` is newest, highest or lowest; ties go by the newest."""
    query = select(_REVIEW).where(Review.product_id == bindparam("product_id"))
    if rated:
        query = query.where(Review.rating == bindparam("rating"))
    older = Review.id < bindparam("after_id")
    same = and_(Review.rating == bindparam("after_rating"), older)
    if order == "highest":
        query = query.order_by(Review.rating.desc())
        after = or_(Review.rating < bindparam("after_rating"), same)
    elif order == "lowest":
        query = query.order_by(Review.rating)
        after = or_(Review.rating > bindparam("after_rating"), same)
    else:
        after = older
    if following:
        query = query.where(after)
    return statement(query.order_by(Review.id.desc()).limit(bindparam("limit")))


@cache
def customer_reviews(*, following: bool) -> Statement[Any]:
    """A page of a customer's reviews, newest first."""
    query = select(_REVIEW).where(Review.customer_id == bindparam("customer_id"))
    if following:
        query = query.where(Review.id < bindparam("after_id"))
    return statement(query.order_by(Review.id.desc()).limit(bindparam("limit")))


PRODUCT_RATING = statement(select(_RATING).where(ProductRating.product_id == bindparam("product_id")))

# Locks everything the order brought, so that the ratings of one order are given one after the other.
LOCK_DELIVERED = statement(
    select(DeliveredItem.product_id, DeliveredItem.store_id)
    .where(DeliveredItem.order_id == bindparam("order_id"), DeliveredItem.customer_id == bindparam("customer_id"))
    .order_by(DeliveredItem.product_id)
    .with_for_update()
)
INSERT_REVIEW = statement(
    pg_insert(_REVIEW).on_conflict_do_nothing(index_elements=["order_id", "product_id"]).returning(_REVIEW),
    columns=("id", "product_id", "order_id", "store_id", "customer_id", "rating", "title", "comment"),
)
LOCK_OWN = statement(
    select(_REVIEW)
    .where(Review.id == bindparam("review_id"), Review.customer_id == bindparam("customer_id"))
    .with_for_update()
)
CHANGE_REVIEW = statement(
    update(_REVIEW)
    .where(Review.id == bindparam("review_id"))
    .values(version=Review.version + 1, edited_at=func.now(), updated_at=func.now())
    .returning(_REVIEW),
    columns=("rating", "title", "comment"),
)
# A review of a store that is not the caller's is not found.
RESPOND = statement(
    update(_REVIEW)
    .where(
        Review.id == bindparam("review_id"),
        or_(sql_cast(bindparam("everything"), Boolean), Review.store_id == any_(bindparam("tenants"))),
    )
    .values(responded_at=func.now(), version=Review.version + 1, updated_at=func.now())
    .returning(_REVIEW),
    columns=("response", "responded_by"),
)

COUNT_RATING = sql(
    f"""
    INSERT INTO product_ratings (product_id, {", ".join(_COUNTS)})
    VALUES (%(product_id)s, {", ".join(f"%({name})s" for name in _COUNTS)})
    ON CONFLICT (product_id) DO UPDATE SET
        {", ".join(f"{name} = product_ratings.{name} + excluded.{name}" for name in _COUNTS)},
        version = product_ratings.version + 1, updated_at = now()
    RETURNING *
    """  # noqa: S608 - column names, written above
)
MOVE_RATING = sql(
    f"""
    UPDATE product_ratings SET {", ".join(f"{name} = {name} + %({name})s" for name in _COUNTS)},
        version = version + 1, updated_at = now()
    WHERE product_id = %(product_id)s RETURNING *
    """  # noqa: S608 - column names, written above
)
ORDER_RATING = statement(
    select(sql_cast(func.round(func.avg(Review.rating)), Review.rating.type)).where(
        Review.order_id == bindparam("order_id")
    )
)

REMEMBER_DELIVERED = sql(
    """
    INSERT INTO delivered_items (order_id, product_id, customer_id, store_id, delivered_at)
    SELECT item.order_id, item.product_id, item.customer_id, item.store_id, item.delivered_at
    FROM unnest(%(order_ids)s::uuid[], %(product_ids)s::uuid[], %(customer_ids)s::uuid[], %(store_ids)s::uuid[],
                %(delivered_at)s::timestamptz[]) AS item(order_id, product_id, customer_id, store_id, delivered_at)
    WHERE NOT EXISTS (SELECT FROM erased_customers gone WHERE gone.customer_id = item.customer_id)
    ORDER BY item.order_id, item.product_id
    ON CONFLICT DO NOTHING
    """
)
REMEMBER_ERASED = statement(pg_insert(ErasedCustomer).on_conflict_do_nothing(), columns=("customer_id",))
FORGET_DELIVERED = statement(delete(DeliveredItem).where(DeliveredItem.customer_id == bindparam("customer_id")))
# The rating stays, nameless; answers go too, since they may address the writer by name.
ERASE_REVIEWS = sql(
    """
    UPDATE reviews SET customer_id = NULL, title = '', comment = '', response = NULL, responded_by = NULL,
        responded_at = NULL, version = version + 1, updated_at = now()
    WHERE customer_id = %(customer_id)s
    """
)
