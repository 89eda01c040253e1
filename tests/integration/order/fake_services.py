"""Fakes of the services that the order service calls; on request they raise errors, hang or are unavailable.

They are gRPC servers with the real interceptors, so that the requests are validated against the contracts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from jainshikanji.customer.v1 import customer_service_pb2 as customers
from jainshikanji.customer.v1.customer_service_pb2_grpc import (
    CustomerServiceServicer,
    add_CustomerServiceServicer_to_server,
)
from jainshikanji.inventory.v1 import product_service_pb2 as products
from jainshikanji.inventory.v1 import stock_service_pb2 as stock
from jainshikanji.inventory.v1.product_service_pb2_grpc import (
    ProductServiceServicer,
    add_ProductServiceServicer_to_server,
)
from jainshikanji.inventory.v1.stock_service_pb2_grpc import (
    StockServiceServicer,
    add_StockServiceServicer_to_server,
)
from jainshikanji.loyalty.v1 import loyalty_service_pb2 as loyalty
from jainshikanji.loyalty.v1.loyalty_service_pb2_grpc import (
    LoyaltyServiceServicer,
    add_LoyaltyServiceServicer_to_server,
)
from jainshikanji.payment.v1 import payment_service_pb2 as payments
from jainshikanji.payment.v1.payment_pb2 import Payment, PaymentStatus
from jainshikanji.payment.v1.payment_service_pb2_grpc import (
    PaymentServiceServicer,
    add_PaymentServiceServicer_to_server,
)
from jainshikanji.store.v1 import store_service_pb2 as stores
from jainshikanji.store.v1.store_service_pb2_grpc import (
    StoreServiceServicer,
    add_StoreServiceServicer_to_server,
)
from jainshikanji.type.v1.geo_point_pb2 import GeoPoint
from jainshikanji.type.v1.money_pb2 import Money
from jainshikanji.type.v1.postal_address_pb2 import PostalAddress

from chassis.errors import Conflict, NotFound, Unavailable
from chassis.process.settings import TRUST_DOMAIN
from chassis.rpc import interceptors
from chassis.rpc.batch_calls import install_batch_methods
from chassis.security import tls
from services.identity import IDENTITY
from tests.harness import Platform

Fault = Callable[[], Awaitable[None]]


def money(minor_units: int) -> Money:
    return Money(currency_code="INR", minor_units=minor_units)


class OutOfStock(Conflict):
    """The error of inventory."""


class CouponInvalid(Conflict):
    """The error of loyalty."""


class StoreClosed(Conflict):
    """The error of store."""


class ReservationReleased(Conflict):
    """The release was processed before the reservation."""


async def hang() -> None:
    """Never responds."""
    await asyncio.sleep(3600)


async def be_unavailable() -> None:
    raise Unavailable("the service is down")


def raising(error: Exception) -> Fault:
    async def fail() -> None:
        raise error

    return fail


@dataclass
class FakeServices:
    """The state of the fakes, and their faults by method name: `before` or `after` the effect."""

    before: dict[str, Fault] = field(default_factory=dict)
    after: dict[str, Fault] = field(default_factory=dict)
    stock: dict[str, dict[str, int]] = field(default_factory=dict)
    benefits: dict[str, tuple[str, int]] = field(default_factory=dict)
    released: set[str] = field(default_factory=set)
    payments: dict[str, Payment] = field(default_factory=dict)
    captured: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    unit_price: int = 12_000
    calls: list[str] = field(default_factory=list)
    servers: list[grpc.aio.Server] = field(default_factory=list)

    def behave(self) -> None:
        """Removes faults and calls; reservations stay."""
        self.before.clear()
        self.after.clear()
        self.calls.clear()
        self.missing.clear()
        self.unit_price = 12_000

    async def begin(self, method: str) -> None:
        self.calls.append(method)
        if fault := self.before.get(method):
            await fault()

    async def run(self, method: str, effect: Callable[[], Any]) -> Any:
        await self.begin(method)
        result = effect()
        if fault := self.after.get(method):
            await fault()
        return result

    async def serve(self, platform: Platform) -> None:
        # The fakes implement only the methods that the order service calls.
        servicers: dict[str, list[tuple[Callable[[Any, grpc.aio.Server], None], Any]]] = {
            "customer": [(add_CustomerServiceServicer_to_server, Customers(self))],
            "store": [(add_StoreServiceServicer_to_server, Stores(self))],
            "inventory": [
                (add_ProductServiceServicer_to_server, Products(self)),
                (add_StockServiceServicer_to_server, Stock(self)),
            ],
            "loyalty": [(add_LoyaltyServiceServicer_to_server, Loyalty(self))],
            "payment": [(add_PaymentServiceServicer_to_server, Payments(self))],
        }
        for name, served in servicers.items():
            chain = interceptors.chain(name, IDENTITY, trust_domain=TRUST_DOMAIN, is_revoked=lambda _: False)
            server = grpc.aio.server(interceptors=[chain, BatchFaults(self)], options=[("grpc.so_reuseport", 0)])
            health = HealthServicer()
            await health.set("", health_pb2.HealthCheckResponse.SERVING)
            health_pb2_grpc.add_HealthServicer_to_server(health, server)
            for add_to_server, servicer in served:
                contract = type(servicer).__mro__[1]
                full_name = f"jainshikanji.{name}.v1.{contract.__name__.removesuffix('Servicer')}"
                install_batch_methods(servicer, full_name)
                add_to_server(servicer, server)
            files = tls.IdentityFiles(platform.certificates / name)
            server.add_secure_port(f"127.0.0.1:{platform.ports[name]}", tls.server_credentials(files))
            await server.start()
            self.servers.append(server)

    async def stop(self) -> None:
        for server in self.servers:
            await server.stop(None)


class BatchFaults(grpc.aio.ServerInterceptor):
    """Records calls of the batch methods, which the chassis installs, and applies their faults."""

    def __init__(self, fakes: FakeServices) -> None:
        self._fakes = fakes

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        handler = await continuation(details)
        method = details.method.rsplit("/", 1)[-1]
        if not method.startswith("Batch"):
            return handler

        async def handle(request: Any, context: Any) -> Any:
            await self._fakes.begin(method)
            return await handler.unary_unary(request, context)

        return grpc.unary_unary_rpc_method_handler(handle, handler.request_deserializer, handler.response_serializer)


class Customers(CustomerServiceServicer):
    def __init__(self, fakes: FakeServices) -> None:
        self._fakes = fakes

    async def GetOrderingCustomer(self, request: customers.GetOrderingCustomerRequest, context: Any) -> Any:
        def respond() -> customers.OrderingCustomer:
            found = customers.OrderingCustomer(
                customer_id=request.customer_id, name="अनन्या Shah", email="ananya@example.com", phone="+919876543210"
            )
            if request.HasField("address_id"):
                state = "Gujarat" if request.address_id.endswith("9") else "Maharashtra"
                found.address.CopyFrom(
                    PostalAddress(
                        address_line1="12 Hill Road",
                        city="Mumbai",
                        state=state,
                        postal_code="400050",
                        country="India",
                        location=GeoPoint(latitude=19.05, longitude=72.83),
                    )
                )
            return found

        return await self._fakes.run("GetOrderingCustomer", respond)


class Stores(StoreServiceServicer):
    def __init__(self, fakes: FakeServices) -> None:
        self._fakes = fakes

    async def QuoteFulfilment(self, request: stores.QuoteFulfilmentRequest, context: Any) -> Any:
        def respond() -> stores.QuoteFulfilmentResponse:
            delivery = request.fulfilment_type == 1
            found = stores.QuoteFulfilmentResponse(
                store_id=request.store_id,
                store_name="Jain Shikanji Bandra",
                state="Maharashtra",
                time_zone="Asia/Kolkata",
                currency="INR",
                delivery_fee=money(4000 if delivery else 0),
                min_order_value=money(10_000 if delivery else 0),
                travel_minutes=20 if delivery else 0,
                preparation_minutes=25,
                gstin="27AAAAA0000A1Z5",
            )
            found.ready_from.FromDatetime(datetime.now(UTC))
            return found

        return await self._fakes.run("QuoteFulfilment", respond)


class Products(ProductServiceServicer):
    def __init__(self, fakes: FakeServices) -> None:
        self._fakes = fakes

    async def PriceLines(self, request: products.PriceLinesRequest, context: Any) -> Any:
        def respond() -> products.PriceLinesResponse:
            return products.PriceLinesResponse(
                lines=[
                    products.PricedLine(
                        product_id=line.product_id,
                        name="Masala Shikanji",
                        sku="SHK-1",
                        category="drinks",
                        unit_price=money(self._fakes.unit_price),
                        quantity=line.quantity,
                        subtotal=money(self._fakes.unit_price * line.quantity),
                        options=[
                            products.ChosenOption(
                                customization="Sugar", option_id=option, name="Less", price_modifier=money(500)
                            )
                            for option in line.option_ids
                        ],
                        tax_rate_basis_points=500,
                        preparation_minutes=10,
                        in_stock=line.product_id not in self._fakes.missing,
                    )
                    for line in request.lines
                ]
            )

        return await self._fakes.run("PriceLines", respond)


class Stock(StockServiceServicer):
    def __init__(self, fakes: FakeServices) -> None:
        self._fakes = fakes

    async def ReserveStock(self, request: stock.ReserveStockRequest, context: Any) -> Any:
        def reserve() -> stock.ReserveStockResponse:
            if request.order_id in self._fakes.released:
                raise ReservationReleased("the reservation is released")
            self._fakes.stock[request.order_id] = {line.product_id: line.quantity for line in request.lines}
            return stock.ReserveStockResponse()

        return await self._fakes.run("ReserveStock", reserve)

    async def ReleaseStock(self, request: stock.ReleaseStockRequest, context: Any) -> Any:
        def release() -> stock.ReleaseStockResponse:
            self._fakes.released.add(request.order_id)
            self._fakes.stock.pop(request.order_id, None)
            return stock.ReleaseStockResponse()

        return await self._fakes.run("ReleaseStock", release)


class Loyalty(LoyaltyServiceServicer):
    def __init__(self, fakes: FakeServices) -> None:
        self._fakes = fakes

    def _benefits(self, request: Any) -> loyalty.Benefits:
        return loyalty.Benefits(
            coupon_discount=money(request.subtotal.minor_units // 10 if request.coupon_code else 0),
            points_used=request.points,
            points_discount=money(request.points * 25),
            coupon_code=request.coupon_code.upper(),
        )

    async def QuoteBenefits(self, request: loyalty.QuoteBenefitsRequest, context: Any) -> Any:
        return await self._fakes.run("QuoteBenefits", lambda: self._benefits(request))

    async def ReserveBenefits(self, request: loyalty.ReserveBenefitsRequest, context: Any) -> Any:
        def reserve() -> loyalty.Benefits:
            self._fakes.benefits[request.order_id] = (request.coupon_code, request.points)
            return self._benefits(request)

        return await self._fakes.run("ReserveBenefits", reserve)

    async def ReleaseBenefits(self, request: loyalty.ReleaseBenefitsRequest, context: Any) -> Any:
        def release() -> loyalty.ReleaseBenefitsResponse:
            self._fakes.benefits.pop(request.order_id, None)
            return loyalty.ReleaseBenefitsResponse()

        return await self._fakes.run("ReleaseBenefits", release)


class Payments(PaymentServiceServicer):
    def __init__(self, fakes: FakeServices) -> None:
        self._fakes = fakes

    async def StartPayment(self, request: payments.StartPaymentRequest, context: Any) -> Any:
        def start() -> Payment:
            return self._fakes.payments.setdefault(
                request.order_id,
                Payment(
                    id=request.payment_id,
                    order_id=request.order_id,
                    amount=request.amount,
                    method=request.method,
                    status=PaymentStatus.PENDING,
                    provider_order_id="" if request.method == 4 else f"order_{request.payment_id[-12:]}",
                ),
            )

        return await self._fakes.run("StartPayment", start)

    async def ReconcileOrderPayment(self, request: payments.ReconcileOrderPaymentRequest, context: Any) -> Any:
        def respond() -> payments.ReconcileOrderPaymentResponse:
            if request.order_id not in self._fakes.payments:
                raise NotFound
            paid = request.order_id in self._fakes.captured
            return payments.ReconcileOrderPaymentResponse(
                captured=paid, captured_amount=self._fakes.payments[request.order_id].amount if paid else money(0)
            )

        return await self._fakes.run("ReconcileOrderPayment", respond)
