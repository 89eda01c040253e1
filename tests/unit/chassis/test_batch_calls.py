"""What becomes of requests that went together when their call does not."""

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
    """Nothing is left."""


class Peer:
    """Doubles numbers; its batches end as they are told to."""

    def __init__(self, batches_end: grpc.StatusCode = grpc.StatusCode.OK) -> None:
        self._end = batches_end
        self.alone: list[int] = []
        self.together: list[list[int]] = []

    def stub(self, service: str, stub: object) -> Peer:
        return self

    async def Double(self, request: int, **_: float | None) -> int:
        self.alone.append(request)
        return 2 * request

    async def BatchDouble(self, batch: Any, **_: float | None) -> Any:
        self.together.append(batch.requests)
        if self._end is not grpc.StatusCode.OK:
            raise Unavailable from AioRpcError(self._end, Metadata(), Metadata())
        return SimpleNamespace(results=[_result(request) for request in batch.requests])

    def call(self) -> BatchedCall[Any, Any]:
        return BatchedCall(self, "peer", object, "Double", SimpleNamespace)  # type: ignore[arg-type]


def _result(request: int) -> SimpleNamespace:
    """13 is sold out, 14 met a fault."""
    refusals = {13: SoldOut("nothing is left").status(), 14: status_pb2.Status(code=grpc.StatusCode.INTERNAL.value[0])}
    return SimpleNamespace(HasField=lambda _: request in refusals, response=2 * request, refusal=refusals.get(request))


async def test_one_alone_makes_the_single_call() -> None:
    peer = Peer()
    assert await peer.call()(4) == 8
    assert (peer.alone, peer.together) == ([4], [])


async def test_each_gets_its_own_response_or_refusal() -> None:
    peer = Peer()
    call = peer.call()
    first, sold_out, fault, last = await asyncio.gather(*map(call, (1, 13, 14, 2)), return_exceptions=True)
    assert (first, last) == (2, 4)
    assert isinstance(sold_out, RemoteError)
    assert sold_out.reason == "SOLD_OUT"
    assert isinstance(fault, Unavailable)
    assert (peer.alone, peer.together) == ([], [[1, 13, 14, 2]])


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED])
async def test_a_peer_that_is_silent_is_not_asked_again_for_each(code: grpc.StatusCode) -> None:
    peer = Peer(batches_end=code)
    outcomes = await asyncio.gather(*map(peer.call(), (1, 2, 3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3
    assert peer.alone == []


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL]
)
async def test_a_peer_older_than_its_batches_or_a_batch_at_fault_is_asked_one_by_one(code: grpc.StatusCode) -> None:
    peer = Peer(batches_end=code)
    call = peer.call()
    assert await asyncio.gather(*map(call, (1, 2, 3))) == [2, 4, 6]
    assert sorted(peer.alone) == [1, 2, 3]
