"""Runs the interceptors around servicers: one gRPC interceptor that builds each method's handler once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError, Message

from chassis.contract import Method, service_methods
from chassis.errors import DomainError, InvalidArgument, abort
from chassis.rpc.call import Call, set_current_call

Check = Callable[[Call], None]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Around = Callable[[Call], AbstractContextManager[None]]

# Services of gRPC itself; they carry no contract of this platform.
_PLUMBING = ("/grpc.health.v1.", "/grpc.reflection.")


class Chain(grpc.aio.ServerInterceptor):
    """`first` names the call, `around` wraps it, `checks` may refuse it, then the servicer runs.

    `lasting` checks are made again before each message of a stream, which may be open longer than they hold.
    """

    def __init__(
        self, *, first: Check, around: Sequence[Around], checks: Sequence[Check], lasting: Sequence[Check] = ()
    ) -> None:
        self._first, self._around, self._checks = first, tuple(around), tuple(checks)
        self._lasting = tuple(lasting)
        self._handlers: dict[str, Handler] = {}

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        path = handler_call_details.method
        if path in self._handlers:
            return self._handlers[path]
        handler: Any = await continuation(handler_call_details)
        if handler is None or path.startswith(_PLUMBING):
            return handler  # type: ignore[no-any-return]
        method = service_methods(path.split("/")[1])[path]
        wrapped = self._stream(method, handler) if method.server_streaming else self._unary(method, handler)
        self._handlers[path] = wrapped
        return wrapped

    def _unary(self, method: Method, handler: Any) -> Handler:
        behaviour = handler.unary_unary

        async def serve(raw: bytes, context: Any) -> Any:
            call = self._call(method, raw, context)
            try:
                with ExitStack() as stack:
                    self._enter(call, stack)
                    response = await behaviour(call.request, context)
            except DomainError as refusal:
                await _send_headers(call)
                await abort(context, refusal)
            await _send_headers(call)
            return response

        # The request stays bytes, so that a message that cannot be read is refused like any other bad input.
        return grpc.unary_unary_rpc_method_handler(serve, None, _serialize)

    def _stream(self, method: Method, handler: Any) -> Handler:
        behaviour = handler.unary_stream

        async def serve(raw: bytes, context: Any) -> AsyncIterator[Any]:
            call = self._call(method, raw, context)
            try:
                with ExitStack() as stack:
                    self._enter(call, stack)
                    await _send_headers(call)
                    async for response in behaviour(call.request, context):
                        for check in self._lasting:
                            check(call)
                        yield response
            except DomainError as refusal:
                await abort(context, refusal)

        return grpc.unary_stream_rpc_method_handler(serve, None, _serialize)

    def _call(self, method: Method, raw: bytes, context: Any) -> Call:
        call = Call(method=method, context=context, metadata=dict(context.invocation_metadata()), raw_request=raw)
        self._first(call)
        set_current_call(call)
        return call

    def _enter(self, call: Call, stack: ExitStack) -> None:
        for around in self._around:
            stack.enter_context(around(call))
        try:
            call.request = call.method.request.FromString(call.raw_request)
        except DecodeError:
            raise InvalidArgument("", "the message cannot be read; text must be UTF-8") from None
        for check in self._checks:
            check(call)


def _serialize(response: Message | bytes) -> bytes:
    """Servicers may answer with a message that is serialized already."""
    return response if isinstance(response, bytes) else response.SerializeToString()


async def _send_headers(call: Call) -> None:
    if call.response_headers:
        await call.context.send_initial_metadata(tuple(call.response_headers))
