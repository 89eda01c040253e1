"""Runs the interceptors: one gRPC interceptor that builds the handler of each method once."""

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

# Services of gRPC itself, which have no contract of this platform.
_GRPC_SERVICES = ("/grpc.health.v1.", "/grpc.reflection.")


class Chain(grpc.aio.ServerInterceptor):
    """`first` prepares the call, `around` surrounds it, `checks` may reject it, then the servicer runs.

    `stream_checks` are repeated before each message of a stream, which may outlive the caller's session.
    """

    def __init__(
        self, *, first: Check, around: Sequence[Around], checks: Sequence[Check], stream_checks: Sequence[Check] = ()
    ) -> None:
        self._first, self._around, self._checks = first, tuple(around), tuple(checks)
        self._stream_checks = tuple(stream_checks)
        self._handlers: dict[str, Handler] = {}

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        path = handler_call_details.method
        if path in self._handlers:
            return self._handlers[path]
        handler: Any = await continuation(handler_call_details)
        if handler is None or path.startswith(_GRPC_SERVICES):
            return handler  # type: ignore[no-any-return]
        method = service_methods(path.split("/")[1])[path]
        wrapped = self._stream(method, handler) if method.server_streaming else self._unary(method, handler)
        self._handlers[path] = wrapped
        return wrapped

    def _unary(self, method: Method, handler: Any) -> Handler:
        method_of_servicer = handler.unary_unary

        async def serve(raw: bytes, context: Any) -> Any:
            call = self._call(method, raw, context)
            try:
                with ExitStack() as stack:
                    self._enter(call, stack)
                    response = await method_of_servicer(call.request, context)
            except DomainError as error:
                await _send_headers(call)
                await abort(context, error)
            await _send_headers(call)
            return response

        # The request stays bytes here, so that a malformed message is rejected like any other bad input.
        return grpc.unary_unary_rpc_method_handler(serve, None, _serialize)

    def _stream(self, method: Method, handler: Any) -> Handler:
        method_of_servicer = handler.unary_stream

        async def serve(raw: bytes, context: Any) -> AsyncIterator[Any]:
            call = self._call(method, raw, context)
            try:
                with ExitStack() as stack:
                    self._enter(call, stack)
                    await _send_headers(call)
                    async for response in method_of_servicer(call.request, context):
                        for check in self._stream_checks:
                            check(call)
                        yield response
            except DomainError as error:
                await abort(context, error)

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
            raise InvalidArgument("", "the message is malformed; text must be UTF-8") from None
        for check in self._checks:
            check(call)


def _serialize(response: Message | bytes) -> bytes:
    """The response as bytes; servicers may return a serialized message."""
    return response if isinstance(response, bytes) else response.SerializeToString()


async def _send_headers(call: Call) -> None:
    if call.response_headers:
        await call.context.send_initial_metadata(tuple(call.response_headers))
