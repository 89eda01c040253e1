"""Requests that wait together for the same peer go in one rpc, and come back one by one.

A method that is called often has a second one whose request is many of its own: `BatchReserveStock` takes `requests`
and answers `results` in their order, each a `response` or the `refusal` that the single call would have ended with.
The caller's side is `BatchedCall`, the peer's `answer_each`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf.message import Message

from chassis.batching import Batcher
from chassis.errors import DomainError, Unavailable, from_status
from chassis.rpc.call import current_call
from chassis.rpc.channels import Channels
from chassis.rpc.interceptors.errors import to_domain_error

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Results = TypeVar("Results", bound=Message)

# The contracts' bound of `requests`.
AT_ONCE = 64
# Says nothing about any of the requests, and would not be said otherwise to each of them alone.
_SILENCE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


class BatchedCall(Generic[Request, Response]):
    """A peer's `method` for a request alone, and `Batch…` of the same for those that wait together."""

    def __init__(
        self,
        peers: Channels,
        peer: str,
        stub: Callable[[grpc.aio.Channel], Any],
        method: str,
        batch: Callable[..., Message],
        timeout: float | None = None,
        linger: float = 0.0,
    ) -> None:
        self._peers, self._peer, self._stub = peers, peer, stub
        self._method, self._batch, self._timeout = method, batch, timeout
        self._batcher: Batcher[Request, Response] = Batcher(self._flush, AT_ONCE, linger)

    async def __call__(self, request: Request) -> Response:
        """The response to this request. Raises the refusal of the peer, Unavailable when it does not answer."""
        return await self._batcher.do(request)

    async def _flush(self, requests: Sequence[Request]) -> Sequence[Response | DomainError]:
        stub = self._peers.stub(self._peer, self._stub)
        if len(requests) == 1:
            return [await getattr(stub, self._method)(requests[0], timeout=self._timeout)]
        try:
            answer = await getattr(stub, f"Batch{self._method}")(self._batch(requests=requests), timeout=self._timeout)
        except Unavailable as failure:
            if _code(failure) not in _SILENCE:
                raise  # each is asked alone: one may be at fault, or the peer is older than its batches
            return [Unavailable(failure.message, **failure.metadata) for _ in requests]
        return [
            from_status(result.refusal, self._peer) if result.HasField("refusal") else result.response
            for result in answer.results
        ]


def _code(failure: Unavailable) -> grpc.StatusCode | None:
    cause = failure.__cause__
    return cause.code() if isinstance(cause, grpc.aio.AioRpcError) else None


async def answer_each(
    handle: Callable[[Request, Any], Awaitable[Message]], requests: Sequence[Request], context: Any, answer: Results
) -> Results:
    """Does all requests at once, each by the method for one, and puts their outcomes into `answer.results`."""
    outcomes = await asyncio.gather(*(_outcome_of(handle, request, context) for request in requests))
    for outcome in outcomes:
        result = answer.results.add()  # type: ignore[attr-defined]
        if isinstance(outcome, DomainError):
            result.refusal.CopyFrom(outcome.status())
        else:
            result.response.CopyFrom(outcome)
    return answer


async def _outcome_of(
    handle: Callable[[Request, Any], Awaitable[Message]], request: Request, context: Any
) -> Message | DomainError:
    try:
        return await handle(request, context)
    except Exception as error:
        return to_domain_error(error, current_call())
