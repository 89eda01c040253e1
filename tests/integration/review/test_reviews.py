"""Reviews through the running service, from the delivery that allows them to the event that carries the new average."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

import grpc
import pytest
from google.protobuf.message import Message
from jainshikanji.customer.v1.events_pb2 import CustomerErased
from jainshikanji.review.v1 import review_service_pb2 as pb
from jainshikanji.review.v1.events_pb2 import ReviewPosted, ReviewResponded, ReviewUpdated

from chassis import ids
from chassis.database import sql
from chassis.process.service import Process
from tests import harness
from tests.harness import catch_error, rpc_error
from tests.integration.review.conftest import Order


class EventRow(NamedTuple):
    type: str
    version: int
    payload: bytes


LIST_EVENTS = sql("SELECT type, version, payload FROM outbox WHERE key = %(key)s ORDER BY seq", row=EventRow)
GET_LAST_EVENT = sql("SELECT payload FROM outbox WHERE key = ANY(%(keys)s) ORDER BY seq DESC LIMIT 1", value=bytes)
AGE = sql("UPDATE reviews SET created_at = now() - interval '7 days' WHERE id = %(id)s")
COUNT_DELIVERED = sql("SELECT count(*) FROM delivered_items WHERE customer_id = %(customer_id)s", value=int)
SORT = pb.ListProductReviewsRequest.Sort


async def events(process: Process, review_id: str) -> list[Message]:
    kinds = {kind.DESCRIPTOR.full_name: kind for kind in (ReviewPosted, ReviewUpdated, ReviewResponded)}
    return [kinds[row.type].FromString(row.payload) for row in await process.app.db.all(LIST_EVENTS, key=review_id)]


@pytest.fixture
def public(as_caller: Any) -> Any:
    return as_caller(harness.anonymous())


@pytest.fixture
def writer(as_caller: Any) -> Any:
    """ReviewService as the customer of that order."""
    return lambda order: as_caller(harness.customer(order.customer))


def review(order: Order, product: UUID, rating: int = 5, **texts: str) -> pb.CreateReviewRequest:
    return pb.CreateReviewRequest(order_id=str(order.id), product_id=str(product), rating=rating, **texts)


async def test_a_delivered_item_is_reviewed_and_the_event_carries_the_new_average(
    process: Process, deliver: Any, writer: Any, public: Any
) -> None:
    product = ids.new_id()
    first, second = await deliver(product), await deliver(product)
    await writer(first).CreateReview(review(first, product, 4))
    mine = await writer(second).CreateReview(review(second, product, 5, title=" अच्छा ", comment="Cafe\u0301 🍋"))
    assert (mine.rating, mine.title, mine.comment) == (5, "अच्छा", "Caf\u00e9 🍋")
    assert (mine.order_id, mine.customer_id, mine.store_id) == (
        str(second.id),
        str(second.customer),
        str(second.store),
    )
    (posted,) = await events(process, mine.id)
    assert isinstance(posted, ReviewPosted)
    assert (posted.product_rating_average, posted.product_review_count, posted.product_rating_version) == ("4.50", 2, 2)
    assert (posted.review_id, posted.product_id, posted.order_id) == (mine.id, str(product), str(second.id))
    assert (posted.customer_id, posted.store_id, posted.rating) == (str(second.customer), str(second.store), 5)
    assert not mine.edited
    assert (mine.editable_until.seconds - mine.created_at.seconds) == 7 * 24 * 3600


async def test_other_callers_see_the_review_without_its_author(
    as_caller: Any, deliver: Any, writer: Any, public: Any
) -> None:
    product = ids.new_id()
    order = await deliver(product)
    mine = await writer(order).CreateReview(review(order, product, comment="Good"))
    wanted = pb.GetReviewRequest(id=mine.id)
    for caller in (
        harness.anonymous(),
        harness.customer(ids.new_id()),
        harness.staff(ids.new_id(), ids.new_id(), "chef"),
    ):
        seen = await as_caller(caller).GetReview(wanted)
        assert (seen.comment, seen.customer_id, seen.order_id) == ("Good", "", "")
    for caller in (harness.customer(order.customer), harness.staff(ids.new_id(), order.store, "chef"), harness.admin()):
        assert await as_caller(caller).GetReview(wanted) == mine


async def test_an_item_that_was_not_delivered_to_the_caller_cannot_be_reviewed(
    as_caller: Any, deliver: Any, writer: Any
) -> None:
    product = ids.new_id()
    order = await deliver(product)
    stranger = as_caller(harness.customer(ids.new_id()))
    answers = [
        await catch_error(stranger.CreateReview(review(order, product))),
        await catch_error(writer(order).CreateReview(review(order, ids.new_id()))),
        await catch_error(writer(order).CreateReview(review(Order([]), product))),
    ]
    assert {(answer.code, answer.reason) for answer in answers} == {(grpc.StatusCode.ABORTED, "ITEM_NOT_DELIVERED")}
    assert len({(answer.message, *answer.metadata) for answer in answers}) == 1


async def test_concurrent_reviews_of_one_item_create_one(deliver: Any, writer: Any, public: Any) -> None:
    product = ids.new_id()
    order = await deliver(product)
    outcomes = await asyncio.gather(
        *(writer(order).CreateReview(review(order, product, 3)) for _ in range(5)), return_exceptions=True
    )
    posted = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    losers = [rpc_error(outcome) for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)]
    assert len(posted) == 1
    assert {(loser.code, loser.reason) for loser in losers} == {(grpc.StatusCode.ALREADY_EXISTS, "ALREADY_REVIEWED")}
    assert {loser.metadata["review_id"] for loser in losers} == {posted[0].id}
    listed = await public.ListProductReviews(pb.ListProductReviewsRequest(product_id=str(product)))
    assert (listed.rating.review_count, listed.rating.average) == (1, "3.00")


async def test_concurrent_ratings_are_all_counted(deliver: Any, writer: Any, public: Any) -> None:
    product = ids.new_id()
    orders = [await deliver(product) for _ in range(10)]
    await asyncio.gather(
        *(writer(order).CreateReview(review(order, product, n % 5 + 1)) for n, order in enumerate(orders))
    )
    listed = await public.ListProductReviews(pb.ListProductReviewsRequest(product_id=str(product)))
    assert (listed.rating.review_count, listed.rating.average) == (10, "3.00")
    assert [(entry.rating, entry.review_count) for entry in listed.rating.distribution] == [
        (5, 2),
        (4, 2),
        (3, 2),
        (2, 2),
        (1, 2),
    ]


async def test_the_rating_of_an_order_is_the_mean_of_its_items_also_for_concurrent_reviews(
    process: Process, deliver: Any, writer: Any
) -> None:
    products = [ids.new_id() for _ in range(4)]
    order = await deliver(*products)
    ratings = [5, 4, 4, 1]
    posted = await asyncio.gather(
        *(writer(order).CreateReview(review(order, p, r)) for p, r in zip(products, ratings, strict=True))
    )
    payload = await process.app.db.one(GET_LAST_EVENT, keys=[one.id for one in posted])
    # 14 / 4 = 3.5, halves go up.
    assert payload is not None
    assert ReviewPosted.FromString(payload).order_rating == 4


async def test_a_change_by_the_author_updates_the_average(
    process: Process, deliver: Any, writer: Any, public: Any
) -> None:
    product = ids.new_id()
    order = await deliver(product)
    mine = await writer(order).CreateReview(review(order, product, 2, title="Meh", comment="Too sour"))
    changed = await writer(order).UpdateReview(pb.UpdateReviewRequest(id=mine.id, rating=4, comment=""))
    assert (changed.rating, changed.title, changed.comment, changed.edited) == (4, "Meh", "", True)
    _, updated = await events(process, mine.id)
    assert isinstance(updated, ReviewUpdated)
    assert (updated.version, updated.previous_rating, updated.rating) == (2, 2, 4)
    assert (updated.product_rating_average, updated.product_review_count, updated.product_rating_version) == (
        "4.00",
        1,
        2,
    )
    assert updated.order_rating == 4


async def test_a_review_of_another_customer_is_not_found_for_a_change(
    as_caller: Any, deliver: Any, writer: Any
) -> None:
    product = ids.new_id()
    order = await deliver(product)
    mine = await writer(order).CreateReview(review(order, product))
    for caller in (
        harness.customer(ids.new_id()),
        harness.admin(),
        harness.staff(ids.new_id(), order.store, "manager"),
    ):
        answer = await catch_error(as_caller(caller).UpdateReview(pb.UpdateReviewRequest(id=mine.id, rating=1)))
        assert answer.code is grpc.StatusCode.NOT_FOUND
    missing = await catch_error(writer(order).UpdateReview(pb.UpdateReviewRequest(id=str(ids.new_id()), rating=1)))
    assert missing == answer


async def test_a_review_cannot_be_changed_after_seven_days(process: Process, deliver: Any, writer: Any) -> None:
    product = ids.new_id()
    order = await deliver(product)
    mine = await writer(order).CreateReview(review(order, product))
    await process.app.db.run(AGE, id=UUID(mine.id))
    answer = await catch_error(writer(order).UpdateReview(pb.UpdateReviewRequest(id=mine.id, rating=1)))
    assert (answer.code, answer.reason) == (grpc.StatusCode.ABORTED, "REVIEW_NOT_EDITABLE")


async def test_only_staff_of_the_store_respond_to_a_review(
    process: Process, as_caller: Any, deliver: Any, writer: Any, public: Any
) -> None:
    product = ids.new_id()
    order = await deliver(product)
    mine = await writer(order).CreateReview(review(order, product))
    answer = pb.RespondToReviewRequest(id=mine.id, comment=" Thank you ")
    foreign = await catch_error(as_caller(harness.staff(ids.new_id(), ids.new_id(), "manager")).RespondToReview(answer))
    assert foreign.code is grpc.StatusCode.NOT_FOUND
    assert (await catch_error(writer(order).RespondToReview(answer))).code is grpc.StatusCode.PERMISSION_DENIED
    responder = ids.new_id()
    staff = as_caller(harness.staff(responder, order.store, "support"))
    answered = await staff.RespondToReview(answer)
    assert answered.response.comment == "Thank you"
    assert (await public.GetReview(pb.GetReviewRequest(id=mine.id))).response == answered.response
    responded = (await events(process, mine.id))[-1]
    assert isinstance(responded, ReviewResponded)
    assert (responded.responder_id, responded.customer_id, responded.version) == (
        str(responder),
        str(order.customer),
        2,
    )
    again = await as_caller(harness.admin()).RespondToReview(pb.RespondToReviewRequest(id=mine.id, comment="Thanks!"))
    assert again.response.comment == "Thanks!"
    blank = await catch_error(staff.RespondToReview(pb.RespondToReviewRequest(id=mine.id, comment="  ")))
    assert list(blank.violations) == ["comment"]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (SORT.UNSPECIFIED, [3, 1, 5, 1, 3]),
        (SORT.NEWEST, [3, 1, 5, 1, 3]),
        (SORT.HIGHEST, [5, 3, 3, 1, 1]),
        (SORT.LOWEST, [1, 1, 3, 3, 5]),
    ],
)
async def test_reviews_of_a_product_are_paged_in_each_sort_order(
    deliver: Any, writer: Any, public: Any, sort: Any, expected: list[int]
) -> None:
    product = ids.new_id()
    for rating in (3, 1, 5, 1, 3):
        order = await deliver(product)
        await writer(order).CreateReview(review(order, product, rating))
    seen, token = [], ""
    while True:
        page = await public.ListProductReviews(
            pb.ListProductReviewsRequest(product_id=str(product), sort=sort, page_size=2, page_token=token)
        )
        seen.extend(page.reviews)
        token = page.next_page_token
        if not token:
            break
    assert [one.rating for one in seen] == expected
    assert len({one.id for one in seen}) == 5
    for before, after in pairwise(seen):
        if before.rating == after.rating:
            assert before.id > after.id
    only = await public.ListProductReviews(pb.ListProductReviewsRequest(product_id=str(product), rating=3, sort=sort))
    assert [one.rating for one in only.reviews] == [3, 3]
    assert only.rating.review_count == 5


async def test_a_product_without_reviews_has_an_empty_rating(public: Any) -> None:
    listed = await public.ListProductReviews(pb.ListProductReviewsRequest(product_id=str(ids.new_id())))
    assert not listed.reviews
    assert (listed.rating.average, listed.rating.review_count, len(listed.rating.distribution)) == ("0.00", 0, 5)


async def test_a_customer_lists_only_the_own_reviews(as_caller: Any, deliver: Any, writer: Any) -> None:
    products = [ids.new_id() for _ in range(3)]
    order = await deliver(*products)
    for product in products:
        await writer(order).CreateReview(review(order, product))
    request = pb.ListCustomerReviewsRequest(customer_id=str(order.customer), page_size=2)
    first = await writer(order).ListCustomerReviews(request)
    request.page_token = first.next_page_token
    second = await writer(order).ListCustomerReviews(request)
    listed = [one.product_id for one in (*first.reviews, *second.reviews)]
    assert listed == [str(product) for product in reversed(products)]
    request.page_token = ""
    assert len((await as_caller(harness.admin()).ListCustomerReviews(request)).reviews) == 2
    answer = await catch_error(as_caller(harness.customer(ids.new_id())).ListCustomerReviews(request))
    assert answer.code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"rating": 0}, "rating"),
        ({"rating": 6}, "rating"),
        ({"rating": -1}, "rating"),
        ({"order_id": "x"}, "orderId"),
        ({"product_id": ""}, "productId"),
        ({"title": "x" * 121}, "title"),
        ({"comment": "x" * 4001}, "comment"),
        ({"comment": "a\0b"}, "comment"),
    ],
)
async def test_an_invalid_review_is_rejected_with_its_field(as_caller: Any, fields: dict[str, Any], field: str) -> None:
    usual: dict[str, Any] = {"order_id": str(ids.new_id()), "product_id": str(ids.new_id()), "rating": 5}
    request = pb.CreateReviewRequest(**{**usual, **fields})
    answer = await catch_error(as_caller(harness.customer(ids.new_id())).CreateReview(request))
    assert answer.code is grpc.StatusCode.INVALID_ARGUMENT
    assert list(answer.violations) == [field]


async def test_a_repeated_delivery_event_and_two_lines_of_a_product_create_one_item(
    process: Process, platform: harness.Platform, deliver: Any, writer: Any
) -> None:
    product = ids.new_id()
    order = await deliver(product, product)
    await platform.publish(order.delivered(), order.delivered())
    await writer(order).CreateReview(review(order, product))
    assert await process.app.db.one(COUNT_DELIVERED, customer_id=order.customer) == 1


async def test_an_erased_customer_leaves_only_ratings_and_gets_no_new_items(
    process: Process, platform: harness.Platform, as_caller: Any, deliver: Any, writer: Any
) -> None:
    product, other = ids.new_id(), ids.new_id()
    order = await deliver(product)
    mine = await writer(order).CreateReview(review(order, product, 4, title="From Asha", comment="Call 98200 12345"))
    staff = as_caller(harness.staff(ids.new_id(), order.store, "manager"))
    await staff.RespondToReview(pb.RespondToReviewRequest(id=mine.id, comment="Thank you, Asha"))
    await platform.publish(CustomerErased(customer_id=str(order.customer)))
    async with asyncio.timeout(10):
        while (left := await staff.GetReview(pb.GetReviewRequest(id=mine.id))).comment:
            await asyncio.sleep(0.02)
    assert (left.customer_id, left.title, left.comment, left.rating) == ("", "", "", 4)
    assert not left.HasField("response")
    witness = ids.new_id()
    late = Order([other], customer=order.customer)
    await platform.publish(late.delivered())
    await deliver(witness)
    assert await process.app.db.one(COUNT_DELIVERED, customer_id=order.customer) == 0
    listed = await staff.ListProductReviews(pb.ListProductReviewsRequest(product_id=str(product)))
    assert listed.rating.average == "4.00"
