"""What can be done: one function a verb, one transaction a function."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis import App, Caller, Scope
from chassis.clock import now
from chassis.database import Row, Transaction
from chassis.errors import NotFound
from chassis.ids import new_id
from chassis.rpc.pagination import Page
from services.review import queries as q
from services.review import wire
from services.review.model import (
    RATINGS,
    AlreadyReviewed,
    Distribution,
    ItemNotDelivered,
    ReviewNotEditable,
    is_editable,
)

NEWEST = "newest"


@dataclass(frozen=True, slots=True)
class Delivered:
    """One product that one order brought to somebody."""

    order_id: UUID
    product_id: UUID
    customer_id: UUID
    store_id: UUID
    delivered_at: dt.datetime


async def create_review(
    app: App, customer_id: UUID, *, order_id: UUID, product_id: UUID, rating: int, title: str, comment: str
) -> Row:
    """Posts a review of a delivered item. Raises ItemNotDelivered, AlreadyReviewed."""
    async with app.db.transaction() as tx:
        items = await tx.all(q.LOCK_DELIVERED, order_id=order_id, customer_id=customer_id)
        item = next((item for item in items if item.product_id == product_id), None)
        if item is None:
            raise ItemNotDelivered
        row = await tx.one(
            q.INSERT_REVIEW,
            id=new_id(),
            product_id=product_id,
            order_id=order_id,
            store_id=item.store_id,
            customer_id=customer_id,
            rating=rating,
            title=title,
            comment=comment,
        )
        if row is None:
            raise AlreadyReviewed(await tx.value(q.REVIEW_OF_ITEM, order_id=order_id, product_id=product_id))
        ratings = await tx.one(q.COUNT_RATING, product_id=product_id, **count_changes(given=rating))
        order_rating = await tx.value(q.ORDER_RATING, order_id=order_id)
        tx.publish(wire.review_posted(row, ratings, order_rating), key=row.id, version=row.version)
        return row


async def update_review(app: App, customer_id: UUID, review_id: UUID, changes: dict[str, Any]) -> Row:
    """Sets rating, title, comment as far as given. Raises NotFound for a review of others, ReviewNotEditable."""
    known = await get_review(app, review_id)
    async with app.db.transaction() as tx:
        # In the order of create_review: the order's items first, then the review, then the product's rating.
        await tx.all(q.LOCK_DELIVERED, order_id=known.order_id, customer_id=customer_id)
        before = await tx.one(q.LOCK_OWN, review_id=review_id, customer_id=customer_id)
        if before is None:
            raise NotFound
        if not is_editable(before.created_at, now()):
            raise ReviewNotEditable
        texts = {"rating": before.rating, "title": before.title, "comment": before.comment, **changes}
        after = await tx.one(q.CHANGE_REVIEW, review_id=review_id, **texts)
        assert after is not None
        await _announce_change(tx, before, after)
        return after


async def _announce_change(tx: Transaction, before: Row, after: Row) -> None:
    moved = count_changes(given=after.rating, taken=before.rating)
    ratings = await tx.one(q.MOVE_RATING, product_id=after.product_id, **moved)
    order_rating = await tx.value(q.ORDER_RATING, order_id=after.order_id)
    event = wire.review_updated(after, ratings, order_rating, before.rating)
    tx.publish(event, key=after.id, version=after.version)


async def respond_to_review(app: App, scope: Scope, responder_id: UUID, review_id: UUID, comment: str) -> Row:
    """Gives or replaces the store's answer. Raises NotFound for a review of a store outside the scope."""
    async with app.db.transaction() as tx:
        row = await tx.one(
            q.RESPOND,
            review_id=review_id,
            everything=scope.everything,
            tenants=scope.tenants,
            response=comment,
            responded_by=responder_id,
        )
        if row is None:
            raise NotFound
        tx.publish(wire.review_responded(row), key=row.id, version=row.version)
        return row


async def get_review(app: App, review_id: UUID) -> Row:
    """The review as it is now. Raises NotFound."""
    row = await app.db.one(q.REVIEW, review_id=review_id)
    if row is None:
        raise NotFound
    return row


def knows_writer(caller: Caller, review: Row) -> bool:
    """Whether the caller may know who wrote the review: the writer, staff of the store, admins."""
    if caller.is_admin or (review.customer_id is not None and caller.account_id == review.customer_id):
        return True
    return any(grant.tenant_id == review.store_id for grant in caller.grants)


async def list_product_reviews(app: App, page: Page, product_id: UUID, *, order: str, rating: int) -> list[Row]:
    """Up to one more than the page shows. `rating` 0 means all of them."""
    parameters: dict[str, Any] = {"product_id": product_id, "limit": page.limit}
    if rating:
        parameters["rating"] = rating
    if page.after is not None:
        parameters["after_id"] = UUID(page.after[0])
        if order != NEWEST:
            parameters["after_rating"] = int(page.after[1])
    query = q.product_reviews(order=order, rated=bool(rating), following=page.after is not None)
    return await app.db.all(query, **parameters)


async def product_rating(app: App, product_id: UUID) -> Distribution:
    """What all reviews of the product come to."""
    return wire.distribution(await app.db.one(q.PRODUCT_RATING, product_id=product_id))


async def list_customer_reviews(app: App, page: Page, customer_id: UUID) -> list[Row]:
    """Up to one more than the page shows, newest first."""
    parameters: dict[str, Any] = {"customer_id": customer_id, "limit": page.limit}
    if page.after is not None:
        parameters["after_id"] = UUID(page.after[0])
    return await app.db.all(q.customer_reviews(following=page.after is not None), **parameters)


async def remember_delivered(tx: Transaction, items: Sequence[Delivered]) -> None:
    """What may be reviewed from now on. What is known already, or belongs to an erased account, is passed over."""
    await tx.run(
        q.REMEMBER_DELIVERED,
        order_ids=[item.order_id for item in items],
        product_ids=[item.product_id for item in items],
        customer_ids=[item.customer_id for item in items],
        store_ids=[item.store_id for item in items],
        delivered_at=[item.delivered_at for item in items],
    )


async def erase_customer(tx: Transaction, customer_id: UUID) -> None:
    """Ratings stay without their writer; texts, and what the account could still review, go."""
    await tx.run(q.REMEMBER_ERASED, customer_id=customer_id)
    await tx.run(q.FORGET_DELIVERED, customer_id=customer_id)
    await tx.run(q.ERASE_REVIEWS, customer_id=customer_id)


def count_changes(*, given: int, taken: int = 0) -> dict[str, int]:
    """What a rating that is given, and one that is taken back, do to a product's counts."""
    return {f"rated_{rating}": (rating == given) - (rating == taken) for rating in RATINGS}
