"""A call from one service to another: mutual TLS, a deadline, and every interceptor on both sides."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from statistics import quantiles

import uvloop
from jainshikanji.customer.v1.customer_service_pb2 import GetOrderingCustomerRequest
from jainshikanji.customer.v1.customer_service_pb2_grpc import CustomerServiceStub
from jainshikanji.inventory.v1.product_service_pb2 import GetProductRequest
from jainshikanji.inventory.v1.product_service_pb2_grpc import ProductServiceStub

from bench.arena import Arena
from bench.findings import Figure, Goal, Section
from bench.material import product_id
from chassis.rpc.channels import Channels
from chassis.security.tls import IdentityFiles
from devstack.ports import LOOPBACK

_WARM_UP = 200


def measure(arena: Arena) -> Section:
    """One client: of an rpc that a cache answers, as the edge calls it, and of one with a statement, as order does."""
    calls = 2_000 if arena.fast else 10_000
    cached, asked = uvloop.run(_time(arena, calls))
    return Section(
        "a call between services, one client",
        figures=[
            Figure("GetProduct, from inventory's cache, p50", _percentile(cached, 50), "ms"),
            Figure("GetProduct, from inventory's cache, p99", _percentile(cached, 99), "ms"),
            Figure("GetOrderingCustomer, p50", _percentile(asked, 50), "ms"),
            Figure("GetOrderingCustomer, p99", _percentile(asked, 99), "ms"),
        ],
        goals=[Goal("call between services, p50", _percentile(cached, 50), 0.8, 0.7, unit="ms", at_least=False)],
    )


async def _time(arena: Arena, calls: int) -> tuple[list[float], list[float]]:
    customer = arena.material.customers[0]
    product = GetProductRequest(id=product_id(1))
    account = GetOrderingCustomerRequest(customer_id=customer.session.customer_id, address_id=customer.address_id)
    edge, order = _peers(arena, "edge"), _peers(arena, "order")
    try:
        return (
            await _latencies(lambda: edge.stub("inventory", ProductServiceStub).GetProduct(product), calls),
            await _latencies(lambda: order.stub("customer", CustomerServiceStub).GetOrderingCustomer(account), calls),
        )
    finally:
        await edge.close()
        await order.close()


def _peers(arena: Arena, caller: str) -> Channels:
    """The services as this caller reaches them, with its certificate."""
    processes = arena.stack.processes
    targets = {name: f"dns:///{LOOPBACK}:{processes.ports.port(name)}" for name in ("inventory", "customer")}
    return Channels(IdentityFiles(processes.authority_dir / caller), targets, "")


async def _latencies(call: Callable[[], Awaitable[object]], calls: int) -> list[float]:
    """Milliseconds of each call, one after another; a refused one raises."""
    found = []
    for number in range(_WARM_UP + calls):
        begun = time.perf_counter()
        await call()
        if number >= _WARM_UP:
            found.append(1000 * (time.perf_counter() - begun))
    return found


def _percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100)[percent - 1]
