"""A client without asyncio reads answers and refusals of this platform with nothing but grpcio."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from jainshikanji.operations.v1 import dead_letter_service_pb2 as pb
from jainshikanji.operations.v1 import dead_letter_service_pb2_grpc as rpc

from chassis import ids
from chassis.errors import STATUS_HEADER, DomainError, NotFound
from tests.harness import refusal

KNOWN = str(ids.new_id())


class Servicer(rpc.DeadLetterServiceServicer):
    """Knows one dead letter, and refuses as the chassis does."""

    def GetDeadLetter(self, request: pb.GetDeadLetterRequest, context: Any) -> pb.DeadLetter:
        if request.event_id != KNOWN:
            refuse(context, NotFound())
        return pb.DeadLetter(event_id=KNOWN, attempts=8)

    def DiscardDeadLetter(self, request: pb.DiscardDeadLetterRequest, context: Any) -> Empty:
        return Empty()


def refuse(context: Any, why: DomainError) -> None:
    status = why.status()
    context.set_trailing_metadata(((STATUS_HEADER, status.SerializeToString()),))
    context.abort(why.code, status.message)


@pytest.fixture(scope="module")
def grpc_add_to_server() -> Any:
    return rpc.add_DeadLetterServiceServicer_to_server


@pytest.fixture(scope="module")
def grpc_servicer() -> Servicer:
    return Servicer()


@pytest.fixture(scope="module")
def grpc_stub_cls(grpc_channel: grpc.Channel) -> Any:
    return rpc.DeadLetterServiceStub


def test_an_answer_is_a_message(grpc_stub: Any) -> None:
    assert grpc_stub.GetDeadLetter(pb.GetDeadLetterRequest(event_id=KNOWN)).attempts == 8


def test_a_refusal_carries_its_reason(grpc_stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        grpc_stub.GetDeadLetter(pb.GetDeadLetterRequest(event_id=str(ids.new_id())))
    assert refusal(failed.value).reason == "NOT_FOUND"


def test_a_method_that_a_server_does_not_have_is_unimplemented(grpc_stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        grpc_stub.ListDeadLetters(pb.ListDeadLettersRequest())
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED
