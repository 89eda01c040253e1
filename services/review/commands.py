"""Inputs of the use cases, as the servicer reads them from requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias
from uuid import UUID

ReviewOrder: TypeAlias = Literal["newest", "highest", "lowest"]


@dataclass(frozen=True, slots=True)
class CreateReview:
    """A review of one delivered item."""

    order_id: UUID
    product_id: UUID
    rating: int
    title: str
    comment: str


@dataclass(frozen=True, slots=True)
class UpdateReview:
    """New values of a review; None keeps the present one."""

    review_id: UUID
    rating: int | None
    title: str | None
    comment: str | None


@dataclass(frozen=True, slots=True)
class ListProductReviews:
    """Which reviews of a product, in which order. Rating 0 means all."""

    product_id: UUID
    order: ReviewOrder
    rating: int
