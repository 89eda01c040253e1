import grpc
import pytest
from google.rpc import error_details_pb2
from jainshikanji.order.v1.order_service_pb2 import CreateOrderRequest
from jainshikanji.order.v1.quote_pb2 import CartLine

from chassis.contract import service_methods
from chassis.errors import (
    MOST_VIOLATIONS,
    Conflict,
    InvalidArgument,
    NotFound,
    RemoteError,
    ResourceExhausted,
    Unavailable,
    restore,
)
from chassis.rpc.call import Call
from chassis.rpc.interceptors.validation import validate


class OutOfStock(Conflict):
    """For this test."""


def info_of(refusal: Conflict | RemoteError) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    assert refusal.status().details[0].Unpack(info)
    return info


def test_the_reason_is_the_name_of_the_type() -> None:
    info = info_of(OutOfStock("nothing left", product_ids="p1,p2"))
    assert (info.reason, info.domain, dict(info.metadata)) == ("OUT_OF_STOCK", "jainshikanji", {"product_ids": "p1,p2"})


def test_a_refusal_by_state_is_a_conflict_and_not_to_be_retried() -> None:
    refusal = OutOfStock("nothing left")
    assert refusal.status().code == grpc.StatusCode.ABORTED.value[0]
    assert refusal.deterministic


def test_all_violations_of_a_request_are_told_at_once() -> None:
    bad = error_details_pb2.BadRequest()
    assert InvalidArgument("a", "is missing", ("b", "is too long")).status().details[1].Unpack(bad)
    assert [(found.field, found.description) for found in bad.field_violations] == [
        ("a", "is missing"),
        ("b", "is too long"),
    ]


def test_what_is_told_of_a_request_fits_a_header_however_much_is_wrong_with_it() -> None:
    wrong = InvalidArgument(
        "lines", "is wrong", *((f"lines[{number}].quantity", "too few") for number in range(10_000))
    )
    bad = error_details_pb2.BadRequest()
    assert wrong.status().details[1].Unpack(bad)
    assert len(bad.field_violations) == MOST_VIOLATIONS
    assert wrong.status().ByteSize() < 4096


def test_a_list_that_is_too_long_is_refused_before_its_items_are_looked_at() -> None:
    request = CreateOrderRequest(lines=[CartLine()] * 10_000)
    call = Call(
        method=service_methods("jainshikanji.order.v1.OrderService")["/jainshikanji.order.v1.OrderService/CreateOrder"],
        context=None,
        metadata={},
        raw_request=request.SerializeToString(),
        request=request,
    )
    with pytest.raises(InvalidArgument) as refused:
        validate(call)
    assert [field for field, _ in refused.value.violations] == ["lines"]


def test_every_missing_thing_looks_the_same() -> None:
    assert NotFound().status() == NotFound().status()
    with pytest.raises(TypeError):
        NotFound("order 1")  # type: ignore[call-arg]


def test_what_may_pass_is_not_kept_as_an_answer() -> None:
    assert not Unavailable().deterministic
    assert not ResourceExhausted("slow down", retry_after=3).deterministic


def test_a_kept_refusal_is_given_again_unchanged() -> None:
    first = OutOfStock("nothing left", product_ids="p1")
    again = restore(first.status())
    assert again.status() == first.status()
    assert isinstance(again, RemoteError)
    assert again.reason == "OUT_OF_STOCK"
