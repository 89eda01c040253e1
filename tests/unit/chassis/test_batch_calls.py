"""Batch calls: results of single requests, and failures of a whole batch."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2
from grpc.aio import AioRpcError, Metadata

from chassis.errors import Conflict, RemoteError, Unavailable
from chassis.rpc.batch_calls import BatchedCall


class SoldOut(Conflict):
    """A domain error."""


class Peer:
    """Doubles numbers; its batch calls end with the given status."""

    def __init__(self, batch_status: grpc.StatusCode = grpc.StatusCode.OK) -> None:
        self._batch_status = batch_status
        self.singles: list[int] = []
        self.batches: list[list[int]] = []

    def stub(self, service: str, stub: object) -> Peer:
        return self

    async def Double(self, request: int, **_: float | None) -> int:
        self.singles.append(request)
        return 2 * request

    async def BatchDouble(self, batch: Any, **_: float | None) -> Any:
        self.batches.append(batch.requests)
        if self._batch_status is not grpc.StatusCode.OK:
            raise Unavailable from AioRpcError(self._batch_status, Metadata(), Metadata())
        return SimpleNamespace(results=[_result(request) for request in batch.requests])

    def call(self) -> BatchedCall[Any, Any]:
        return BatchedCall(self, "peer", object, "Double", SimpleNamespace)  # type: ignore[arg-type]


def _result(request: int) -> SimpleNamespace:
    """13 is sold out, 14 ends with an internal error."""
    errors = {13: SoldOut("nothing is left").status(), 14: status_pb2.Status(code=grpc.StatusCode.INTERNAL.value[0])}
    return SimpleNamespace(HasField=lambda _: request in errors, response=2 * request, error=errors.get(request))


async def test_one_request_is_a_single_call() -> None:
    peer = Peer()
    assert await peer.call()(4) == 8
    assert (peer.singles, peer.batches) == ([4], [])


async def test_each_request_gets_its_own_response_or_error() -> None:
    peer = Peer()
    call = peer.call()
    first, sold_out, internal, last = await asyncio.gather(*map(call, (1, 13, 14, 2)), return_exceptions=True)
    assert (first, last) == (2, 4)
    assert isinstance(sold_out, RemoteError)
    assert sold_out.reason == "SOLD_OUT"
    assert isinstance(internal, Unavailable)
    assert (peer.singles, peer.batches) == ([], [[1, 13, 14, 2]])


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED])
async def test_an_unreachable_service_is_not_called_for_each_request(code: grpc.StatusCode) -> None:
    peer = Peer(batch_status=code)
    outcomes = await asyncio.gather(*map(peer.call(), (1, 2, 3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3
    assert peer.singles == []


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL]
)
async def test_requests_of_a_failed_or_unimplemented_batch_are_sent_one_by_one(code: grpc.StatusCode) -> None:
    peer = Peer(batch_status=code)
    call = peer.call()
    assert await asyncio.gather(*map(call, (1, 2, 3))) == [2, 4, 6]
    assert sorted(peer.singles) == [1, 2, 3]
