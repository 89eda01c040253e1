"""A trace collector that discards spans, so that services export their sampled spans as in production.

python -m bench.collector --port 4317
"""

from __future__ import annotations

import argparse
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class _DiscardingHandler(grpc.GenericRpcHandler):
    """Answers every export with an empty message: all spans are accepted."""

    def service(self, handler_call_details: Any) -> Any:
        if handler_call_details.method != EXPORT:
            return None
        return grpc.unary_unary_rpc_method_handler(_discard)


def _discard(_request: bytes, _context: grpc.ServicerContext) -> bytes:
    return b""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.collector", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    server.add_generic_rpc_handlers((_DiscardingHandler(),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    signal.signal(signal.SIGTERM, lambda *_: server.stop(None))
    server.wait_for_termination()


if __name__ == "__main__":
    main()
