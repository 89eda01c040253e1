"""Readiness of a service, by the gRPC health check on its plaintext port."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from devstack.ports import LOOPBACK

_TIMEOUT_SECONDS = 1.0


def is_serving(port: int) -> bool:
    """True when grpc.health.v1 answers SERVING for the whole server within a second."""
    with grpc.insecure_channel(f"{LOOPBACK}:{port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_SECONDS)
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
