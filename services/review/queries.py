"""Every statement of the review service."""

from __future__ import annotations

from functools import cache
from uuid import UUID

from sqlalchemy import Boolean, and_, any_, bindparam, delete, func, or_, select, update
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import insert as pg_insert

from chassis.database import Statement, sql, statement
from chassis.database.rows import column_names, field_names, table_columns, unnest
from chassis.database.tables import table_of
from services.review.commands import ReviewOrder
from services.review.model import DeliveredItem, ErasedCustomer, ProductRating, Review
from services.review.rows import DeliveredProductRow, NewDeliveredItem, NewReview, ProductRatingRow, ReviewRow

_REVIEW = table_of(Review)
_RATING = table_of(ProductRating)
_REVIEW_COLUMNS = table_columns(ReviewRow, _REVIEW)
_COUNTS = ("rated_1", "rated_2", "rated_3", "rated_4", "rated_5")

GET_REVIEW = statement(select(*_REVIEW_COLUMNS).where(Review.id == bindparam("review_id")), row=ReviewRow)
GET_REVIEW_ID_OF_ITEM = statement(
    select(Review.id).where(Review.order_id == bindparam("order_id"), Review.product_id == bindparam("product_id")),
    value=UUID,
)


@cache
def list_product_reviews(*, order: ReviewOrder, has_rating: bool, has_cursor: bool) -> Statement[ReviewRow]:
    """A page of a product's reviews; reviews of equal rating are ordered by the newest."""
    query = select(*_REVIEW_COLUMNS).where(Review.product_id == bindparam("product_id"))
    if has_rating:
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
    if has_cursor:
        query = query.where(after)
    return statement(query.order_by(Review.id.desc()).limit(bindparam("limit")), row=ReviewRow)


@cache
def list_customer_reviews(*, has_cursor: bool) -> Statement[ReviewRow]:
    """A page of a customer's reviews, newest first."""
    query = select(*_REVIEW_COLUMNS).where(Review.customer_id == bindparam("customer_id"))
    if has_cursor:
        query = query.where(Review.id < bindparam("after_id"))
    return statement(query.order_by(Review.id.desc()).limit(bindparam("limit")), row=ReviewRow)


GET_PRODUCT_RATING = statement(
    select(*table_columns(ProductRatingRow, _RATING)).where(ProductRating.product_id == bindparam("product_id")),
    row=ProductRatingRow,
)

# Locks all items of the order, so that reviews of one order are written one after the other.
LOCK_DELIVERED_ITEMS = statement(
    select(DeliveredItem.product_id, DeliveredItem.store_id)
    .where(DeliveredItem.order_id == bindparam("order_id"), DeliveredItem.customer_id == bindparam("customer_id"))
    .order_by(DeliveredItem.product_id)
    .with_for_update(),
    row=DeliveredProductRow,
)
INSERT_REVIEW = statement(
    pg_insert(_REVIEW).on_conflict_do_nothing(index_elements=["order_id", "product_id"]).returning(*_REVIEW_COLUMNS),
    columns=field_names(NewReview),
    row=ReviewRow,
)
LOCK_OWN_REVIEW = statement(
    select(*_REVIEW_COLUMNS)
    .where(Review.id == bindparam("review_id"), Review.customer_id == bindparam("customer_id"))
    .with_for_update(),
    row=ReviewRow,
)
UPDATE_REVIEW = statement(
    update(_REVIEW)
    .where(Review.id == bindparam("review_id"))
    .values(version=Review.version + 1, edited_at=func.now(), updated_at=func.now())
    .returning(*_REVIEW_COLUMNS),
    columns=("rating", "title", "comment"),
    row=ReviewRow,
)
# A review of a store outside the caller's scope is not found.
SET_RESPONSE = statement(
    update(_REVIEW)
    .where(
        Review.id == bindparam("review_id"),
        or_(sql_cast(bindparam("everything"), Boolean), Review.store_id == any_(bindparam("tenants"))),
    )
    .values(responded_at=func.now(), version=Review.version + 1, updated_at=func.now())
    .returning(*_REVIEW_COLUMNS),
    columns=("response", "responded_by"),
    row=ReviewRow,
)

ADD_TO_RATING = sql(
    f"""
    INSERT INTO product_ratings (product_id, {", ".join(_COUNTS)})
    VALUES (%(product_id)s, {", ".join(f"%({name})s" for name in _COUNTS)})
    ON CONFLICT (product_id) DO UPDATE SET
        {", ".join(f"{name} = product_ratings.{name} + excluded.{name}" for name in _COUNTS)},
        version = product_ratings.version + 1, updated_at = now()
    RETURNING {column_names(ProductRatingRow)}
    """,  # noqa: S608 - column names, written above
    row=ProductRatingRow,
)
CHANGE_RATING = sql(
    f"""
    UPDATE product_ratings SET {", ".join(f"{name} = {name} + %({name})s" for name in _COUNTS)},
        version = version + 1, updated_at = now()
    WHERE product_id = %(product_id)s RETURNING {column_names(ProductRatingRow)}
    """,  # noqa: S608 - column names, written above
    row=ProductRatingRow,
)
GET_ORDER_RATING = statement(
    select(sql_cast(func.round(func.avg(Review.rating)), Review.rating.type)).where(
        Review.order_id == bindparam("order_id")
    ),
    value=int,
)

INSERT_DELIVERED_ITEMS = sql(
    f"""
    INSERT INTO delivered_items ({column_names(NewDeliveredItem)})
    SELECT {column_names(NewDeliveredItem, "new")} FROM {unnest(NewDeliveredItem)}
    WHERE NOT EXISTS (SELECT FROM erased_customers erased WHERE erased.customer_id = new.customer_id)
    ORDER BY new.order_id, new.product_id
    ON CONFLICT DO NOTHING
    """  # noqa: S608 - column names of the row type
)
INSERT_ERASED_CUSTOMER = statement(pg_insert(ErasedCustomer).on_conflict_do_nothing(), columns=("customer_id",))
DELETE_DELIVERED_ITEMS = statement(delete(DeliveredItem).where(DeliveredItem.customer_id == bindparam("customer_id")))
# The rating stays without its author; responses are deleted too, since they may address the author by name.
ERASE_REVIEWS = sql(
    """
    UPDATE reviews SET customer_id = NULL, title = '', comment = '', response = NULL, responded_by = NULL,
        responded_at = NULL, version = version + 1, updated_at = now()
    WHERE customer_id = %(customer_id)s
    """
)
