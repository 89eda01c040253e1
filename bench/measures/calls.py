"""A call between services: mutual TLS, a deadline, all interceptors on both sides."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from statistics import quantiles

import uvloop
from jainshikanji.customer.v1.customer_service_pb2 import GetOrderingCustomerRequest
from jainshikanji.customer.v1.customer_service_pb2_grpc import CustomerServiceStub
from jainshikanji.inventory.v1.product_service_pb2 import GetProductRequest
from jainshikanji.inventory.v1.product_service_pb2_grpc import ProductServiceStub

from bench.context import BenchContext
from bench.dataset import make_product_id
from bench.sections import Figure, Goal, Section
from chassis.rpc.channels import Channels
from chassis.security.tls import IdentityFiles
from devstack.ports import LOOPBACK

_WARM_UP = 200


def measure(context: BenchContext) -> Section:
    """One client. The edge calls an rpc that is answered from a cache; order calls one with a SQL statement."""
    calls = 2_000 if context.fast else 10_000
    cached, uncached = uvloop.run(_measure(context, calls))
    return Section(
        "a call between services, one client",
        figures=[
            Figure("GetProduct, from inventory's cache, p50", _compute_percentile(cached, 50), "ms"),
            Figure("GetProduct, from inventory's cache, p99", _compute_percentile(cached, 99), "ms"),
            Figure("GetOrderingCustomer, p50", _compute_percentile(uncached, 50), "ms"),
            Figure("GetOrderingCustomer, p99", _compute_percentile(uncached, 99), "ms"),
        ],
        goals=[
            Goal("call between services, p50", _compute_percentile(cached, 50), 0.8, 0.7, unit="ms", at_least=False)
        ],
    )


async def _measure(context: BenchContext, calls: int) -> tuple[list[float], list[float]]:
    customer = context.dataset.customers[0]
    product = GetProductRequest(id=make_product_id(1))
    account = GetOrderingCustomerRequest(customer_id=customer.session.customer_id, address_id=customer.address_id)
    edge, order = _peers(context, "edge"), _peers(context, "order")
    try:
        return (
            await _measure_latencies(lambda: edge.stub("inventory", ProductServiceStub).GetProduct(product), calls),
            await _measure_latencies(
                lambda: order.stub("customer", CustomerServiceStub).GetOrderingCustomer(account), calls
            ),
        )
    finally:
        await edge.close()
        await order.close()


def _peers(context: BenchContext, caller: str) -> Channels:
    """Channels to the services with this caller's certificate."""
    processes = context.stack.processes
    targets = {name: f"dns:///{LOOPBACK}:{processes.ports.port(name)}" for name in ("inventory", "customer")}
    return Channels(IdentityFiles(processes.authority_dir / caller), targets, "")


async def _measure_latencies(call: Callable[[], Awaitable[object]], calls: int) -> list[float]:
    """Milliseconds of each call, in sequence. Raises when a call fails."""
    found = []
    for number in range(_WARM_UP + calls):
        begun = time.perf_counter()
        await call()
        if number >= _WARM_UP:
            found.append(1000 * (time.perf_counter() - begun))
    return found


def _compute_percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100)[percent - 1]
