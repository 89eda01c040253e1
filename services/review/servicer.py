"""The rpcs of the review service: message in, one use case, message out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from jainshikanji.review.v1 import review_service_pb2 as messages
from jainshikanji.review.v1.review_pb2 import Review
from jainshikanji.review.v1.review_service_pb2_grpc import ReviewServiceServicer

from chassis import App, current_call
from chassis.database import Row
from chassis.errors import InvalidArgument
from services.review import usecases, wire

_DEFAULT_PAGE = 20


class ReviewServicer(ReviewServiceServicer):
    """Reviews, ratings and answers."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def CreateReview(self, request: messages.CreateReviewRequest, context: Any) -> Review:
        row = await usecases.create_review(
            self._app,
            current_call().account,
            order_id=UUID(request.order_id),
            product_id=UUID(request.product_id),
            rating=request.rating,
            title=request.title.strip(),
            comment=request.comment.strip(),
        )
        return _message(row)

    async def ListProductReviews(
        self, request: messages.ListProductReviewsRequest, context: Any
    ) -> messages.ListProductReviewsResponse:
        page = self._app.pages.open(request, _DEFAULT_PAGE)
        order = wire.SORTS.from_proto(request.sort) if request.sort else usecases.NEWEST
        product_id = UUID(request.product_id)
        rows = await usecases.list_product_reviews(self._app, page, product_id, order=order, rating=request.rating)
        return messages.ListProductReviewsResponse(
            reviews=[_message(row) for row in page.trim(rows)],
            next_page_token=page.next_token(rows, lambda row: (str(row.id), str(row.rating))),
            rating=wire.rating_message(str(product_id), await usecases.product_rating(self._app, product_id)),
        )

    async def ListCustomerReviews(
        self, request: messages.ListCustomerReviewsRequest, context: Any
    ) -> messages.ListCustomerReviewsResponse:
        page = self._app.pages.open(request, _DEFAULT_PAGE)
        rows = await usecases.list_customer_reviews(self._app, page, UUID(request.customer_id))
        return messages.ListCustomerReviewsResponse(
            reviews=[_message(row) for row in page.trim(rows)],
            next_page_token=page.next_token(rows, lambda row: (str(row.id),)),
        )

    async def GetReview(self, request: messages.GetReviewRequest, context: Any) -> Review:
        return _message(await usecases.get_review(self._app, UUID(request.id)))

    async def UpdateReview(self, request: messages.UpdateReviewRequest, context: Any) -> Review:
        changes: dict[str, Any] = {}
        if request.HasField("rating"):
            changes["rating"] = request.rating
        if request.HasField("title"):
            changes["title"] = request.title.strip()
        if request.HasField("comment"):
            changes["comment"] = request.comment.strip()
        return _message(await usecases.update_review(self._app, current_call().account, UUID(request.id), changes))

    async def RespondToReview(self, request: messages.RespondToReviewRequest, context: Any) -> Review:
        comment = request.comment.strip()
        if not comment:
            raise InvalidArgument("comment", "must not be blank")
        call = current_call()
        row = await usecases.respond_to_review(self._app, call.scope, call.account, UUID(request.id), comment)
        return _message(row)


def _message(row: Row) -> Review:
    return wire.review_message(row, shows_writer=usecases.knows_writer(current_call().caller, row))
