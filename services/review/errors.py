"""Errors of the review service that its callers see."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from chassis.errors import AlreadyExists, Conflict


class ItemNotDelivered(Conflict):
    """The order did not deliver the product to the caller, or not yet; the answer does not say which."""

    def __init__(self) -> None:
        super().__init__("this order has not delivered this product to you")


class AlreadyReviewed(AlreadyExists):
    """The item has a review already; `review_id` names it."""

    def __init__(self, review_id: UUID) -> None:
        super().__init__("you have reviewed this item already", review_id=str(review_id))


class ReviewNotEditable(Conflict):
    """The review is older than the time in which it can be changed."""

    def __init__(self, editable_for: dt.timedelta) -> None:
        super().__init__(f"a review can be changed for {editable_for.days} days")
