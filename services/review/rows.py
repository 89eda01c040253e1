"""Row types: what the statements return, and what they insert."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID


class ReviewRow(NamedTuple):
    """A row of `reviews`."""

    id: UUID
    product_id: UUID
    order_id: UUID
    store_id: UUID
    customer_id: UUID | None
    rating: int
    title: str
    comment: str
    edited_at: dt.datetime | None
    response: str | None
    responded_by: UUID | None
    responded_at: dt.datetime | None
    version: int
    created_at: dt.datetime
    updated_at: dt.datetime


class ProductRatingRow(NamedTuple):
    """A row of `product_ratings`: how many reviews of the product have each rating."""

    rated_1: int
    rated_2: int
    rated_3: int
    rated_4: int
    rated_5: int
    version: int


class DeliveredProductRow(NamedTuple):
    """A product that an order delivered, and the store that sold it."""

    product_id: UUID
    store_id: UUID


@dataclass(frozen=True, slots=True)
class NewReview:
    """A row to insert into `reviews`."""

    id: UUID
    product_id: UUID
    order_id: UUID
    store_id: UUID
    customer_id: UUID
    rating: int
    title: str
    comment: str


@dataclass(frozen=True, slots=True)
class NewDeliveredItem:
    """A row to insert into `delivered_items`: one product that one order delivered to a customer."""

    order_id: UUID
    product_id: UUID
    customer_id: UUID
    store_id: UUID
    delivered_at: dt.datetime
