import grpc
import pytest
from google.rpc import error_details_pb2
from jainshikanji.order.v1.order_service_pb2 import CreateOrderRequest
from jainshikanji.order.v1.quote_pb2 import CartLine

from chassis.contract import service_methods
from chassis.errors import (
    MAX_VIOLATIONS,
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
    """A domain error."""


def info_of(error: Conflict | RemoteError) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    assert error.status().details[0].Unpack(info)
    return info


def test_the_reason_is_the_name_of_the_type() -> None:
    info = info_of(OutOfStock("nothing left", product_ids="p1,p2"))
    assert (info.reason, info.domain, dict(info.metadata)) == ("OUT_OF_STOCK", "jainshikanji", {"product_ids": "p1,p2"})


def test_an_error_of_state_is_a_deterministic_conflict() -> None:
    error = OutOfStock("nothing left")
    assert error.status().code == grpc.StatusCode.ABORTED.value[0]
    assert error.deterministic


def test_an_error_lists_all_violations_of_a_request() -> None:
    bad = error_details_pb2.BadRequest()
    assert InvalidArgument("a", "is missing", ("b", "is too long")).status().details[1].Unpack(bad)
    assert [(found.field, found.description) for found in bad.field_violations] == [
        ("a", "is missing"),
        ("b", "is too long"),
    ]


def test_an_error_with_many_violations_fits_in_a_header() -> None:
    wrong = InvalidArgument(
        "lines", "is wrong", *((f"lines[{number}].quantity", "too few") for number in range(10_000))
    )
    bad = error_details_pb2.BadRequest()
    assert wrong.status().details[1].Unpack(bad)
    assert len(bad.field_violations) == MAX_VIOLATIONS
    assert wrong.status().ByteSize() < 4096


def test_a_list_with_too_many_items_is_rejected_before_its_items_are_validated() -> None:
    request = CreateOrderRequest(lines=[CartLine()] * 10_000)
    call = Call(
        method=service_methods("jainshikanji.order.v1.OrderService")["/jainshikanji.order.v1.OrderService/CreateOrder"],
        context=None,
        metadata={},
        raw_request=request.SerializeToString(),
        request=request,
    )
    with pytest.raises(InvalidArgument) as failed:
        validate(call)
    assert [field for field, _ in failed.value.violations] == ["lines"]


def test_every_not_found_error_is_identical() -> None:
    assert NotFound().status() == NotFound().status()
    with pytest.raises(TypeError):
        NotFound("order 1")  # type: ignore[call-arg]


def test_transient_errors_are_not_deterministic() -> None:
    assert not Unavailable().deterministic
    assert not ResourceExhausted("slow down", retry_after=3).deterministic


def test_a_stored_error_is_restored_unchanged() -> None:
    first = OutOfStock("nothing left", product_ids="p1")
    again = restore(first.status())
    assert again.status() == first.status()
    assert isinstance(again, RemoteError)
    assert again.reason == "OUT_OF_STOCK"
