"""What the service does: one function, one verb, one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis import App, Caller
from chassis.clock import now
from chassis.database import Transaction
from chassis.database.rows import arrays, parameters
from chassis.errors import NotFound
from chassis.ids import new_id
from chassis.rpc.pagination import Page
from services.review import queries, wire
from services.review.commands import CreateReview, ListProductReviews, UpdateReview
from services.review.errors import AlreadyReviewed, ItemNotDelivered, ReviewNotEditable
from services.review.model import EDITABLE, RATINGS, Distribution, is_editable
from services.review.rows import NewDeliveredItem, NewReview, ProductRatingRow, ReviewRow


async def create_review(app: App, caller: Caller, command: CreateReview) -> ReviewRow:
    """Posts a review of a delivered item. Raises ItemNotDelivered, AlreadyReviewed."""
    async with app.db.transaction() as tx:
        items = await tx.all(queries.LOCK_DELIVERED_ITEMS, order_id=command.order_id, customer_id=caller.account)
        item = next((item for item in items if item.product_id == command.product_id), None)
        if item is None:
            raise ItemNotDelivered
        new = NewReview(
            id=new_id(),
            product_id=command.product_id,
            order_id=command.order_id,
            store_id=item.store_id,
            customer_id=caller.account,
            rating=command.rating,
            title=command.title,
            comment=command.comment,
        )
        row = await tx.one(queries.INSERT_REVIEW, **parameters(new))
        if row is None:
            raise AlreadyReviewed(await _get_review_id(tx, command))
        rating = await tx.one(queries.ADD_TO_RATING, product_id=row.product_id, **count_changes(added=row.rating))
        event = wire.review_posted_to_proto(row, _existing(rating), await _get_order_rating(tx, row))
        tx.publish(event, key=row.id, version=row.version)
        return row


async def _get_review_id(tx: Transaction, command: CreateReview) -> UUID:
    found = await tx.one(queries.GET_REVIEW_ID_OF_ITEM, order_id=command.order_id, product_id=command.product_id)
    assert found is not None
    return found


async def update_review(app: App, caller: Caller, command: UpdateReview) -> ReviewRow:
    """Changes an own review. Raises NotFound for a review of another customer, ReviewNotEditable after seven days."""
    known = await get_review(app, caller, command.review_id)
    async with app.db.transaction() as tx:
        # In the order of create_review: first the items of the order, then the review, then the product's rating.
        await tx.all(queries.LOCK_DELIVERED_ITEMS, order_id=known.order_id, customer_id=caller.account)
        before = await tx.one(queries.LOCK_OWN_REVIEW, review_id=command.review_id, customer_id=caller.account)
        if before is None:
            raise NotFound
        if not is_editable(before.created_at, now()):
            raise ReviewNotEditable(EDITABLE)
        after = await tx.one(
            queries.UPDATE_REVIEW,
            review_id=before.id,
            rating=before.rating if command.rating is None else command.rating,
            title=before.title if command.title is None else command.title,
            comment=before.comment if command.comment is None else command.comment,
        )
        assert after is not None
        changes = count_changes(added=after.rating, removed=before.rating)
        rating = await tx.one(queries.CHANGE_RATING, product_id=after.product_id, **changes)
        order_rating = await _get_order_rating(tx, after)
        event = wire.review_updated_to_proto(after, _existing(rating), order_rating, before.rating)
        tx.publish(event, key=after.id, version=after.version)
        return after


async def respond_to_review(app: App, caller: Caller, review_id: UUID, response: str) -> ReviewRow:
    """Sets or replaces the store's response. Raises NotFound for a review outside the caller's scope."""
    async with app.db.transaction() as tx:
        row = await tx.one(
            queries.SET_RESPONSE,
            review_id=review_id,
            everything=caller.scope.everything,
            tenants=caller.scope.tenants,
            response=response,
            responded_by=caller.account,
        )
        if row is None:
            raise NotFound
        tx.publish(wire.review_responded_to_proto(row), key=row.id, version=row.version)
        return row


async def get_review(app: App, caller: Caller, review_id: UUID) -> ReviewRow:
    """The review; reviews are public. Raises NotFound."""
    row = await app.db.one(queries.GET_REVIEW, review_id=review_id)
    if row is None:
        raise NotFound
    return row


def may_see_author(caller: Caller, review: ReviewRow) -> bool:
    """Whether the caller may know who wrote the review: the author, staff of the store, admins."""
    if caller.is_admin or (review.customer_id is not None and caller.account_id == review.customer_id):
        return True
    return any(grant.tenant_id == review.store_id for grant in caller.grants)


async def list_product_reviews(app: App, caller: Caller, command: ListProductReviews, page: Page) -> list[ReviewRow]:
    """A page of a product's reviews, with one row more than the page shows."""
    values: dict[str, Any] = {"product_id": command.product_id, "limit": page.limit}
    if command.rating:
        values["rating"] = command.rating
    if page.after is not None:
        values["after_id"] = UUID(page.after[0])
        if command.order != "newest":
            values["after_rating"] = int(page.after[1])
    query = queries.list_product_reviews(
        order=command.order, has_rating=bool(command.rating), has_cursor=page.after is not None
    )
    return await app.db.all(query, **values)


async def get_product_rating(app: App, caller: Caller, product_id: UUID) -> Distribution:
    """How many reviews of the product have each rating."""
    row = await app.db.one(queries.GET_PRODUCT_RATING, product_id=product_id)
    return Distribution.from_row(row) if row is not None else Distribution()


async def list_customer_reviews(app: App, caller: Caller, customer_id: UUID, page: Page) -> list[ReviewRow]:
    """A page of a customer's reviews, newest first, with one row more than the page shows."""
    values: dict[str, Any] = {"customer_id": customer_id, "limit": page.limit}
    if page.after is not None:
        values["after_id"] = UUID(page.after[0])
    return await app.db.all(queries.list_customer_reviews(has_cursor=page.after is not None), **values)


async def record_delivered_items(app: App, tx: Transaction, items: Sequence[NewDeliveredItem]) -> None:
    """Makes items reviewable. Skips items that are known already and those of erased accounts."""
    await tx.run(queries.INSERT_DELIVERED_ITEMS, **arrays(NewDeliveredItem, items))


async def erase_customer(app: App, tx: Transaction, customer_id: UUID) -> None:
    """Removes the author and the texts of the customer's reviews, and the items still to review; keeps the ratings."""
    await tx.run(queries.INSERT_ERASED_CUSTOMER, customer_id=customer_id)
    await tx.run(queries.DELETE_DELIVERED_ITEMS, customer_id=customer_id)
    await tx.run(queries.ERASE_REVIEWS, customer_id=customer_id)


def count_changes(*, added: int, removed: int = 0) -> dict[str, int]:
    """The changes of a product's counts when one rating is added and another is removed."""
    return {f"rated_{rating}": (rating == added) - (rating == removed) for rating in RATINGS}


def _existing(rating: ProductRatingRow | None) -> ProductRatingRow:
    assert rating is not None
    return rating


async def _get_order_rating(tx: Transaction, review: ReviewRow) -> int:
    """The mean rating of the order's reviews, rounded; the order has at least this one."""
    rating = await tx.one(queries.GET_ORDER_RATING, order_id=review.order_id)
    assert rating is not None
    return rating
