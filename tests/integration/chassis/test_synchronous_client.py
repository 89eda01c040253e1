"""A client without asyncio reads responses and errors with grpcio alone."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from jainshikanji.operations.v1 import dead_letter_service_pb2 as pb
from jainshikanji.operations.v1 import dead_letter_service_pb2_grpc as rpc

from chassis import ids
from chassis.errors import STATUS_HEADER, DomainError, NotFound
from tests.harness import rpc_error

KNOWN = str(ids.new_id())


class Servicer(rpc.DeadLetterServiceServicer):
    """Has one dead letter, and aborts as the chassis does."""

    def GetDeadLetter(self, request: pb.GetDeadLetterRequest, context: Any) -> pb.DeadLetter:
        if request.event_id != KNOWN:
            abort(context, NotFound())
        return pb.DeadLetter(event_id=KNOWN, attempts=8)

    def DiscardDeadLetter(self, request: pb.DiscardDeadLetterRequest, context: Any) -> Empty:
        return Empty()


def abort(context: Any, error: DomainError) -> None:
    status = error.status()
    context.set_trailing_metadata(((STATUS_HEADER, status.SerializeToString()),))
    context.abort(error.code, status.message)


@pytest.fixture(scope="module")
def grpc_add_to_server() -> Any:
    return rpc.add_DeadLetterServiceServicer_to_server


@pytest.fixture(scope="module")
def grpc_servicer() -> Servicer:
    return Servicer()


@pytest.fixture(scope="module")
def grpc_stub_cls(grpc_channel: grpc.Channel) -> Any:
    return rpc.DeadLetterServiceStub


def test_a_response_is_a_message(grpc_stub: Any) -> None:
    assert grpc_stub.GetDeadLetter(pb.GetDeadLetterRequest(event_id=KNOWN)).attempts == 8


def test_an_error_has_its_reason(grpc_stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        grpc_stub.GetDeadLetter(pb.GetDeadLetterRequest(event_id=str(ids.new_id())))
    assert rpc_error(failed.value).reason == "NOT_FOUND"


def test_a_missing_method_is_unimplemented(grpc_stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        grpc_stub.ListDeadLetters(pb.ListDeadLettersRequest())
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED
