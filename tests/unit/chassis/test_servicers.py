"""A service does not start when an rpc of its contract has no implementation."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from jainshikanji.review.v1.review_service_pb2_grpc import ReviewServiceServicer

from chassis.process.service import IncompleteService, add_to_server
from services.review.servicer import ReviewServicer


class WithoutResponses(ReviewServiceServicer):
    """Implements every method but one."""

    CreateReview = ReviewServicer.CreateReview
    GetReview = ReviewServicer.GetReview
    ListProductReviews = ReviewServicer.ListProductReviews
    ListCustomerReviews = ReviewServicer.ListCustomerReviews
    UpdateReview = ReviewServicer.UpdateReview


class NoServicer:
    """Extends no generated class."""


async def test_a_servicer_without_a_method_of_the_contract_is_rejected() -> None:
    with pytest.raises(IncompleteService, match=r"WithoutResponses .*ReviewService/RespondToReview"):
        add_to_server(WithoutResponses(), grpc.aio.server())


async def test_a_class_that_extends_no_generated_servicer_is_rejected() -> None:
    with pytest.raises(IncompleteService, match="NoServicer extends no generated servicer"):
        add_to_server(NoServicer(), grpc.aio.server())


async def test_a_complete_servicer_is_registered_under_the_name_of_its_contract() -> None:
    app: Any = None
    assert add_to_server(ReviewServicer(app), grpc.aio.server()) == "jainshikanji.review.v1.ReviewService"
