"""The nine services for the access matrix: replicas that record which calls reach a servicer method."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from chassis import ids
from chassis.contract import Method
from chassis.database import migrations
from chassis.process.service import Process
from chassis.rpc.call import current_call
from devstack.certificates import SERVICES
from devstack.ports import free_port
from tests.harness import Identity, Platform, rpc_error

CALL_SECONDS = 10.0
# A stream that has no message yet, and no error either, is open.
STREAM_SECONDS = 2.0


@dataclass(frozen=True)
class Outcome:
    """How one call ended."""

    # Whether the servicer method ran; False when an interceptor rejected the call.
    is_served: bool
    code: grpc.StatusCode
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.reason or self.code.name}{'' if self.is_served else ', before the servicer method'}"


@dataclass
class Services:
    """Clients of the replicas, one channel for each service and peer."""

    platform: Platform
    ports: dict[str, int]
    served: set[str]
    channels: dict[tuple[str, str], grpc.aio.Channel] = field(default_factory=dict)

    async def call(self, service: str, method: Method, caller: Identity, request: Message) -> Outcome:
        """Sends the request and returns how the call ended; for a batch call, how its first request ended."""
        request_id = str(ids.new_id())
        metadata = (*caller.metadata, ("x-request-id", request_id), ("idempotency-key", request_id))
        try:
            code, reason = await self._send(self._channel(service, caller.peer), method, request, metadata)
        except grpc.aio.AioRpcError as error:
            code, reason = error.code(), rpc_error(error).reason
        return Outcome(request_id in self.served, code, reason)

    def _channel(self, service: str, peer: str) -> grpc.aio.Channel:
        if (service, peer) not in self.channels:
            self.channels[service, peer] = self.platform.channel_at(self.ports[service], service, Identity(peer))
        return self.channels[service, peer]

    async def _send(
        self, channel: grpc.aio.Channel, method: Method, request: Message, metadata: tuple[tuple[str, str], ...]
    ) -> tuple[grpc.StatusCode, str]:
        if not method.server_streaming:
            send: Any = channel.unary_unary(method.path, response_deserializer=method.response.FromString)
            response = await send(request.SerializeToString(), timeout=CALL_SECONDS, metadata=metadata)
            return _first_result(response) if method.batch_of else (grpc.StatusCode.OK, "")
        open_stream: Any = channel.unary_stream(method.path)
        stream = open_stream(request.SerializeToString(), timeout=CALL_SECONDS, metadata=metadata)
        try:
            async with asyncio.timeout(STREAM_SECONDS):
                await stream.read()
        except TimeoutError:
            pass
        finally:
            stream.cancel()
        return grpc.StatusCode.OK, ""


def _first_result(response: Any) -> tuple[grpc.StatusCode, str]:
    """The code and the reason of the first result of a batch call."""
    result = response.results[0]
    if not result.HasField("error"):
        return grpc.StatusCode.OK, ""
    return _code(result.error), _reason(result.error)


def _code(status: status_pb2.Status) -> grpc.StatusCode:
    return next(code for code in grpc.StatusCode if code.value[0] == status.code)


def _reason(status: status_pb2.Status) -> str:
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
    return str(info.reason)


@asynccontextmanager
async def running_services(platform: Platform) -> AsyncIterator[Services]:
    """Starts a replica of each service. They call each other, so that no other replica serves a call of the matrix."""
    served: set[str] = set()
    ports = {name: free_port() for name in SERVICES}
    peers = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    processes: list[Process] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in SERVICES:
            await asyncio.to_thread(migrations.migrate, name, platform.postgres.url(name))
            module = importlib.import_module(f"services.{name}.__main__")
            recorded = [partial(_record_calls, servicer, served) for servicer in module.SERVICE.servicers]
            patch.setattr(module, "SERVICE", replace(module.SERVICE, servicers=recorded))
            processes.append(await platform.launch(name, ports[name], peers=peers))
    try:
        yield Services(platform, ports, served)
    finally:
        for process in processes:
            await process.stop()


def _record_calls(make_servicer: Callable[[Any], Any], served: set[str], app: Any) -> Any:
    """The servicer; each of its methods adds the request id of a call to `served` before it runs.

    A batch method runs the single method, so that a batch call counts as served with its first request.
    """
    servicer = make_servicer(app)
    for name in _method_names(type(servicer)):
        setattr(servicer, name, partial(_serve, getattr(servicer, name), served))
    return servicer


def _method_names(servicer: type) -> Sequence[str]:
    generated = next(base for base in servicer.__mro__ if base.__module__.endswith("_pb2_grpc"))
    return [name for name in vars(generated) if not name.startswith("_")]


def _serve(method: Callable[[Any, Any], Any], served: set[str], request: Any, context: Any) -> Any:
    served.add(current_call().request_id)
    return method(request, context)
