"""The rpcs of the review service: request to command, one use case, row to response."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from jainshikanji.review.v1 import review_service_pb2 as pb
from jainshikanji.review.v1.review_pb2 import Review
from jainshikanji.review.v1.review_service_pb2_grpc import ReviewServiceServicer

from chassis import App, current_caller
from services.review import usecases, wire
from services.review.rows import ReviewRow

_DEFAULT_PAGE_SIZE = 20


class ReviewServicer(ReviewServiceServicer):
    """Reviews, ratings and responses."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def CreateReview(self, request: pb.CreateReviewRequest, context: Any) -> Review:
        command = wire.create_review_from_proto(request)
        return _to_proto(await usecases.create_review(self._app, current_caller(), command))

    async def ListProductReviews(
        self, request: pb.ListProductReviewsRequest, context: Any
    ) -> pb.ListProductReviewsResponse:
        caller, page = current_caller(), self._app.pages.open(request, _DEFAULT_PAGE_SIZE)
        command = wire.list_product_reviews_from_proto(request)
        rows = await usecases.list_product_reviews(self._app, caller, command, page)
        rating = await usecases.get_product_rating(self._app, caller, command.product_id)
        return pb.ListProductReviewsResponse(
            reviews=map(_to_proto, page.trim(rows)),
            next_page_token=page.next_token(rows, lambda row: (str(row.id), str(row.rating))),
            rating=wire.rating_to_proto(command.product_id, rating),
        )

    async def ListCustomerReviews(
        self, request: pb.ListCustomerReviewsRequest, context: Any
    ) -> pb.ListCustomerReviewsResponse:
        page = self._app.pages.open(request, _DEFAULT_PAGE_SIZE)
        rows = await usecases.list_customer_reviews(self._app, current_caller(), UUID(request.customer_id), page)
        return pb.ListCustomerReviewsResponse(
            reviews=map(_to_proto, page.trim(rows)),
            next_page_token=page.next_token(rows, lambda row: (str(row.id),)),
        )

    async def GetReview(self, request: pb.GetReviewRequest, context: Any) -> Review:
        return _to_proto(await usecases.get_review(self._app, current_caller(), UUID(request.id)))

    async def UpdateReview(self, request: pb.UpdateReviewRequest, context: Any) -> Review:
        command = wire.update_review_from_proto(request)
        return _to_proto(await usecases.update_review(self._app, current_caller(), command))

    async def RespondToReview(self, request: pb.RespondToReviewRequest, context: Any) -> Review:
        response = wire.response_from_proto(request)
        row = await usecases.respond_to_review(self._app, current_caller(), UUID(request.id), response)
        return _to_proto(row)


def _to_proto(row: ReviewRow) -> Review:
    return wire.review_to_proto(row, shows_author=usecases.may_see_author(current_caller(), row))
