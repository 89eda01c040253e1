"""Concurrent requests to the same service are sent in one rpc.

A method with the option `batch_of` is the batch of another: `BatchReserveStock` takes `requests` of `ReserveStock` and
answers `results` in the same order, each a `response` or the `error` that the single call would have ended with.
The client side is `BatchedCall`; the server side is `install_batch_methods`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf.message import Message

from chassis.batching import Batcher
from chassis.contract import service_methods
from chassis.errors import DomainError, Unavailable, from_status
from chassis.rpc.call import current_call
from chassis.rpc.channels import Channels
from chassis.rpc.interceptors.errors import to_domain_error

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)

# `max_items` of `requests` in the contracts.
MAX_BATCH_SIZE = 64
# The service did not respond: single calls would fail in the same way.
_NO_RESPONSE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


class BatchedCall(Generic[Request, Response]):
    """Calls `method` of a service for a single request, and its `Batch…` method for requests that wait together."""

    def __init__(
        self,
        channels: Channels,
        service: str,
        stub: Callable[[grpc.aio.Channel], Any],
        method: str,
        batch: Callable[..., Message],
        timeout: float | None = None,
        delay: float = 0.0,
    ) -> None:
        self._channels, self._service, self._stub = channels, service, stub
        self._method, self._batch, self._timeout = method, batch, timeout
        self._batcher: Batcher[Request, Response] = Batcher(self._flush, MAX_BATCH_SIZE, delay)

    async def __call__(self, request: Request) -> Response:
        """The response to this request. Raises the service's error, Unavailable when it does not respond."""
        return await self._batcher.do(request)

    async def _flush(self, requests: Sequence[Request]) -> Sequence[Response | DomainError]:
        stub = self._channels.stub(self._service, self._stub)
        if len(requests) == 1:
            return [await getattr(stub, self._method)(requests[0], timeout=self._timeout)]
        try:
            response = await getattr(stub, f"Batch{self._method}")(
                self._batch(requests=requests), timeout=self._timeout
            )
        except Unavailable as failure:
            if _code(failure) not in _NO_RESPONSE:
                raise  # each is sent alone: one may be at fault, or the service is older than its batch methods
            return [Unavailable(failure.message, **failure.metadata) for _ in requests]
        return [
            from_status(result.error, self._service) if result.HasField("error") else result.response
            for result in response.results
        ]


def _code(failure: Unavailable) -> grpc.StatusCode | None:
    cause = failure.__cause__
    return cause.code() if isinstance(cause, grpc.aio.AioRpcError) else None


def install_batch_methods(servicer: Any, service: str) -> None:
    """Gives the servicer of the gRPC service its methods with the option `batch_of`, made from the single methods."""
    for method in service_methods(service).values():
        if method.batch_of:
            single = getattr(servicer, method.batch_of)
            setattr(servicer, method.method_name, partial(_answer_each, single, method.response))


async def _answer_each(
    handle: Callable[[Any, Any], Awaitable[Message]], response: type[Message], request: Any, context: Any
) -> Message:
    """Runs the requests concurrently, each through the single method, and returns their results in order."""
    outcomes = await asyncio.gather(*(_outcome_of(handle, single, context) for single in request.requests))
    answer: Any = response()
    for outcome in outcomes:
        result = answer.results.add()
        if isinstance(outcome, DomainError):
            result.error.CopyFrom(outcome.status())
        else:
            result.response.CopyFrom(outcome)
    return answer  # type: ignore[no-any-return]


async def _outcome_of(
    handle: Callable[[Any, Any], Awaitable[Message]], request: Any, context: Any
) -> Message | DomainError:
    try:
        return await handle(request, context)
    except Exception as error:
        return to_domain_error(error, current_call())
