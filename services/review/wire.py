"""Conversion between messages of the contracts and rows, commands and values of the service."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from jainshikanji.customer.v1.events_pb2 import CustomerErased
from jainshikanji.order.v1.events_pb2 import OrderDelivered
from jainshikanji.review.v1 import review_service_pb2 as pb
from jainshikanji.review.v1.events_pb2 import ReviewPosted, ReviewResponded, ReviewUpdated
from jainshikanji.review.v1.review_pb2 import ProductRating, RatingCount, Review, ReviewResponse

from chassis.enums import EnumMapping
from chassis.errors import InvalidArgument
from chassis.timestamps import datetime_from_proto, timestamp_to_proto
from services.review.commands import CreateReview, ListProductReviews, ReviewOrder, UpdateReview
from services.review.model import EDITABLE, RATINGS, Distribution
from services.review.rows import NewDeliveredItem, ProductRatingRow, ReviewRow

SORTS = EnumMapping(pb.ListProductReviewsRequest.Sort)


def create_review_from_proto(request: pb.CreateReviewRequest) -> CreateReview:
    return CreateReview(
        order_id=UUID(request.order_id),
        product_id=UUID(request.product_id),
        rating=request.rating,
        title=request.title.strip(),
        comment=request.comment.strip(),
    )


def update_review_from_proto(request: pb.UpdateReviewRequest) -> UpdateReview:
    return UpdateReview(
        review_id=UUID(request.id),
        rating=request.rating if request.HasField("rating") else None,
        title=request.title.strip() if request.HasField("title") else None,
        comment=request.comment.strip() if request.HasField("comment") else None,
    )


def list_product_reviews_from_proto(request: pb.ListProductReviewsRequest) -> ListProductReviews:
    order = cast(ReviewOrder, SORTS.from_proto(request.sort)) if request.sort else "newest"
    return ListProductReviews(product_id=UUID(request.product_id), order=order, rating=request.rating)


def response_from_proto(request: pb.RespondToReviewRequest) -> str:
    """The text of the response. Raises InvalidArgument when it is blank."""
    comment = request.comment.strip()
    if not comment:
        raise InvalidArgument("comment", "must not be blank")
    return comment


def review_to_proto(row: ReviewRow, *, shows_author: bool) -> Review:
    """The review; its author and order only for callers who may see them."""
    return Review(
        id=str(row.id),
        product_id=str(row.product_id),
        store_id=str(row.store_id),
        order_id=str(row.order_id) if shows_author else "",
        customer_id=str(row.customer_id or "") if shows_author else "",
        rating=row.rating,
        title=row.title,
        comment=row.comment,
        editable_until=timestamp_to_proto(row.created_at + EDITABLE),
        edited=row.edited_at is not None,
        response=_response_to_proto(row),
        created_at=timestamp_to_proto(row.created_at),
        updated_at=timestamp_to_proto(row.updated_at),
    )


def _response_to_proto(row: ReviewRow) -> ReviewResponse | None:
    if row.response is None:
        return None
    return ReviewResponse(comment=row.response, responded_at=timestamp_to_proto(row.responded_at))


def rating_to_proto(product_id: UUID, ratings: Distribution) -> ProductRating:
    """The ratings of the product, rating 5 first."""
    return ProductRating(
        product_id=str(product_id),
        review_count=ratings.review_count,
        average=str(ratings.average),
        distribution=[
            RatingCount(rating=rating, review_count=count)
            for rating, count in reversed(list(zip(RATINGS, ratings.counts, strict=True)))
        ],
    )


def delivered_items_from_event(event: OrderDelivered) -> list[NewDeliveredItem]:
    """The products of a delivered order."""
    return [
        NewDeliveredItem(
            order_id=UUID(event.order_id),
            product_id=UUID(item.product_id),
            customer_id=UUID(event.customer_id),
            store_id=UUID(event.store_id),
            delivered_at=datetime_from_proto("occurredAt", event.occurred_at),
        )
        for item in event.items
    ]


def customer_id_from_event(event: CustomerErased) -> UUID:
    return UUID(event.customer_id)


def review_posted_to_proto(row: ReviewRow, rating: ProductRatingRow, order_rating: int) -> ReviewPosted:
    return ReviewPosted(**_facts(row), **_figures(rating, order_rating), occurred_at=timestamp_to_proto(row.created_at))


def review_updated_to_proto(
    row: ReviewRow, rating: ProductRatingRow, order_rating: int, previous_rating: int
) -> ReviewUpdated:
    return ReviewUpdated(
        **_facts(row),
        **_figures(rating, order_rating),
        previous_rating=previous_rating,
        occurred_at=timestamp_to_proto(row.updated_at),
    )


def review_responded_to_proto(row: ReviewRow) -> ReviewResponded:
    facts = _facts(row)
    del facts["rating"]
    occurred_at = timestamp_to_proto(row.responded_at)
    return ReviewResponded(**facts, responder_id=str(row.responded_by), occurred_at=occurred_at)


def _facts(row: ReviewRow) -> dict[str, Any]:
    return {
        "review_id": str(row.id),
        "version": row.version,
        "product_id": str(row.product_id),
        "order_id": str(row.order_id),
        "customer_id": str(row.customer_id or ""),
        "store_id": str(row.store_id),
        "rating": row.rating,
    }


def _figures(rating: ProductRatingRow, order_rating: int) -> dict[str, Any]:
    ratings = Distribution.from_row(rating)
    return {
        "product_rating_average": str(ratings.average),
        "product_review_count": ratings.review_count,
        "product_rating_version": rating.version,
        "order_rating": order_rating,
    }
