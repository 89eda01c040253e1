"""A trace collector that forgets: services export their sampled spans as in production, and nobody looks at them.

python -m bench.collector --port 4317
"""

from __future__ import annotations

import argparse
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class _Anything(grpc.GenericRpcHandler):
    """Answers every export with an empty message, which means that all of it was taken."""

    def service(self, handler_call_details: Any) -> Any:
        if handler_call_details.method != EXPORT:
            return None
        return grpc.unary_unary_rpc_method_handler(_take)


def _take(_request: bytes, _context: grpc.ServicerContext) -> bytes:
    return b""


def main() -> None:
    line = argparse.ArgumentParser(prog="python -m bench.collector", description=__doc__)
    line.add_argument("--port", type=int, required=True)
    port = line.parse_args().port
    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    server.add_generic_rpc_handlers((_Anything(),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    signal.signal(signal.SIGTERM, lambda *_: server.stop(None))
    server.wait_for_termination()


if __name__ == "__main__":
    main()
