"""Between the contracts and the rows."""

from __future__ import annotations

from typing import Any

from jainshikanji.review.v1.events_pb2 import ReviewPosted, ReviewResponded, ReviewUpdated
from jainshikanji.review.v1.review_pb2 import ProductRating, RatingCount, Review, ReviewResponse
from jainshikanji.review.v1.review_service_pb2 import ListProductReviewsRequest

from chassis.enums import EnumMapping
from chassis.timestamps import timestamp_to_proto
from services.review.model import EDITABLE, RATINGS, Distribution

SORTS = EnumMapping(ListProductReviewsRequest.Sort)


def review_message(row: Any, *, shows_writer: bool) -> Review:
    """A row of reviews. Who wrote it, and with which order, is shown only where the caller may know."""
    return Review(
        id=str(row.id),
        product_id=str(row.product_id),
        store_id=str(row.store_id),
        order_id=str(row.order_id) if shows_writer else "",
        customer_id=str(row.customer_id or "") if shows_writer else "",
        rating=row.rating,
        title=row.title,
        comment=row.comment,
        editable_until=timestamp_to_proto(row.created_at + EDITABLE),
        edited=row.edited_at is not None,
        response=_response(row),
        created_at=timestamp_to_proto(row.created_at),
        updated_at=timestamp_to_proto(row.updated_at),
    )


def _response(row: Any) -> ReviewResponse | None:
    if row.response is None:
        return None
    return ReviewResponse(comment=row.response, responded_at=timestamp_to_proto(row.responded_at))


def distribution(row: Any) -> Distribution:
    """A row of product_ratings; none at all for a product without reviews."""
    if row is None:
        return Distribution()
    return Distribution((row.rated_1, row.rated_2, row.rated_3, row.rated_4, row.rated_5))


def rating_message(product_id: str, ratings: Distribution) -> ProductRating:
    """Rating 5 first."""
    return ProductRating(
        product_id=product_id,
        review_count=ratings.review_count,
        average=str(ratings.average),
        distribution=[
            RatingCount(rating=rating, review_count=count)
            for rating, count in reversed(list(zip(RATINGS, ratings.counts, strict=True)))
        ],
    )


def review_posted(row: Any, rating: Any, order_rating: int) -> ReviewPosted:
    return ReviewPosted(**_facts(row), **_figures(rating, order_rating), occurred_at=timestamp_to_proto(row.created_at))


def review_updated(row: Any, rating: Any, order_rating: int, previous: int) -> ReviewUpdated:
    return ReviewUpdated(
        **_facts(row),
        **_figures(rating, order_rating),
        previous_rating=previous,
        occurred_at=timestamp_to_proto(row.updated_at),
    )


def review_responded(row: Any) -> ReviewResponded:
    facts = _facts(row)
    del facts["rating"]
    return ReviewResponded(
        **facts, responder_id=str(row.responded_by), occurred_at=timestamp_to_proto(row.responded_at)
    )


def _facts(row: Any) -> dict[str, Any]:
    return {
        "review_id": str(row.id),
        "version": row.version,
        "product_id": str(row.product_id),
        "order_id": str(row.order_id),
        "customer_id": str(row.customer_id or ""),
        "store_id": str(row.store_id),
        "rating": row.rating,
    }


def _figures(rating: Any, order_rating: int) -> dict[str, Any]:
    ratings = distribution(rating)
    return {
        "product_rating_average": str(ratings.average),
        "product_review_count": ratings.review_count,
        "product_rating_version": rating.version,
        "order_rating": order_rating,
    }
