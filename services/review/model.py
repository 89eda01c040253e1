"""Reviews and ratings: their rules and tables."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Integer, PrimaryKeyConstraint, String, Text, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.database.tables import service_metadata, type_annotations
from services.review.rows import ProductRatingRow

EDITABLE = dt.timedelta(days=7)
RATINGS = (1, 2, 3, 4, 5)

_NOW = text("now()")
_ZERO = text("0")


@dataclass(frozen=True, slots=True)
class Distribution:
    """How many reviews of a product have each rating; `counts[0]` has rating 1."""

    counts: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)

    @classmethod
    def from_row(cls, row: ProductRatingRow) -> Distribution:
        """The distribution that a row of `product_ratings` holds."""
        return cls((row.rated_1, row.rated_2, row.rated_3, row.rated_4, row.rated_5))

    @property
    def review_count(self) -> int:
        return sum(self.counts)

    @property
    def average(self) -> Decimal:
        """Two decimals, rounded half up; 0.00 without reviews."""
        if not self.review_count:
            return Decimal("0.00")
        total = sum(rating * count for rating, count in zip(RATINGS, self.counts, strict=True))
        return (Decimal(total) / self.review_count).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def is_editable(posted: dt.datetime, now: dt.datetime) -> bool:
    """Whether less than seven days have passed since the review was posted."""
    return now < posted + EDITABLE


class Base(DeclarativeBase):
    """All tables of this service."""

    metadata = service_metadata()
    type_annotation_map = type_annotations


class Review(Base):
    """The review of one delivered item. Once its author is erased, `customer_id` is NULL and the texts are empty."""

    __tablename__ = "reviews"
    __table_args__ = (
        UniqueConstraint("order_id", "product_id"),
        CheckConstraint("rating BETWEEN 1 AND 5", name="reviews_rating_check"),
        Index("idx_reviews_product", "product_id", "id"),
        Index("idx_reviews_product_rating", "product_id", "rating", "id"),
        Index("idx_reviews_customer", "customer_id", "id", postgresql_where=text("customer_id IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    product_id: Mapped[UUID]
    order_id: Mapped[UUID]
    store_id: Mapped[UUID]
    customer_id: Mapped[UUID | None]
    rating: Mapped[int] = mapped_column(Integer)
    title: Mapped[str] = mapped_column(String(120), server_default=text("''"))
    comment: Mapped[str] = mapped_column(Text, server_default=text("''"))
    edited_at: Mapped[dt.datetime | None]
    response: Mapped[str | None] = mapped_column(Text)
    responded_by: Mapped[UUID | None]
    responded_at: Mapped[dt.datetime | None]
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    created_at: Mapped[dt.datetime] = mapped_column(server_default=_NOW)
    updated_at: Mapped[dt.datetime] = mapped_column(server_default=_NOW)


class ProductRating(Base):
    """The ratings of a product, updated in the transaction of each review. `version` counts the updates."""

    __tablename__ = "product_ratings"
    __table_args__ = (
        CheckConstraint("least(rated_1, rated_2, rated_3, rated_4, rated_5) >= 0", name="product_ratings_check"),
    )

    product_id: Mapped[UUID] = mapped_column(primary_key=True)
    rated_1: Mapped[int] = mapped_column(Integer, server_default=_ZERO)
    rated_2: Mapped[int] = mapped_column(Integer, server_default=_ZERO)
    rated_3: Mapped[int] = mapped_column(Integer, server_default=_ZERO)
    rated_4: Mapped[int] = mapped_column(Integer, server_default=_ZERO)
    rated_5: Mapped[int] = mapped_column(Integer, server_default=_ZERO)
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    updated_at: Mapped[dt.datetime] = mapped_column(server_default=_NOW)


class DeliveredItem(Base):
    """A product that an order delivered to a customer, who may review it."""

    __tablename__ = "delivered_items"
    __table_args__ = (
        PrimaryKeyConstraint("order_id", "product_id"),
        Index("idx_delivered_items_customer", "customer_id"),
    )

    order_id: Mapped[UUID]
    product_id: Mapped[UUID]
    customer_id: Mapped[UUID]
    store_id: Mapped[UUID]
    delivered_at: Mapped[dt.datetime]


class ErasedCustomer(Base):
    """An erased account: a delivery event that arrives later must not store its id again."""

    __tablename__ = "erased_customers"

    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    erased_at: Mapped[dt.datetime] = mapped_column(server_default=_NOW)
