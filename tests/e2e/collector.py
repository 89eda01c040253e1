"""An OTLP collector that stores exports without parsing them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class Collector(grpc.GenericRpcHandler):
    """Serves OTLP over gRPC at the target, host:port."""

    def __init__(self, target: str) -> None:
        self.target = target
        self._exports: list[bytes] = []
        self._lock = threading.Lock()
        self._server = grpc.server(ThreadPoolExecutor(max_workers=2), handlers=[self])
        self._server.add_insecure_port(target)
        self._server.start()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        if handler_call_details.method != _EXPORT:
            return None
        return grpc.unary_unary_rpc_method_handler(self._export)

    def _export(self, request: bytes, _: grpc.ServicerContext) -> bytes:
        with self._lock:
            self._exports.append(request)
        return b""

    def received(self) -> bytes:
        """Every export since the start; a protobuf message contains texts unchanged."""
        with self._lock:
            return b"\n".join(self._exports)

    def stop(self) -> None:
        self._server.stop(grace=None)
