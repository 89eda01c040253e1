"""Channels of the order service that do as they are told: they hold, refuse, hang or die on request.

They are real gRPC servers behind the real interceptors, so that order's requests are checked against the contracts.
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
from jainshikanji.customer.v1.customer_service_pb2_grpc import CustomerServiceServicer
from jainshikanji.inventory.v1 import product_service_pb2 as products
from jainshikanji.inventory.v1 import stock_service_pb2 as stock
from jainshikanji.inventory.v1.product_service_pb2_grpc import ProductServiceServicer
from jainshikanji.inventory.v1.stock_service_pb2_grpc import StockServiceServicer
from jainshikanji.loyalty.v1 import loyalty_service_pb2 as loyalty
from jainshikanji.loyalty.v1.loyalty_service_pb2_grpc import LoyaltyServiceServicer
from jainshikanji.payment.v1 import payment_service_pb2 as payments
from jainshikanji.payment.v1.payment_pb2 import Payment, PaymentStatus
from jainshikanji.payment.v1.payment_service_pb2_grpc import PaymentServiceServicer
from jainshikanji.store.v1 import store_service_pb2 as stores
from jainshikanji.store.v1.store_service_pb2_grpc import StoreServiceServicer
from jainshikanji.type.v1.geo_point_pb2 import GeoPoint
from jainshikanji.type.v1.postal_address_pb2 import PostalAddress

from chassis.errors import Conflict, NotFound, ResourceExhausted, Unavailable
from chassis.process.service import add_to_server
from chassis.process.settings import TRUST_DOMAIN
from chassis.rpc import interceptors
from chassis.rpc.batch_calls import answer_each
from chassis.security import tls
from services.order.wire.words import money
from tests.harness import Platform

Fault = Callable[[], Awaitable[None]]
__all__ = ["ResourceExhausted"]


class OutOfStock(Conflict):
    """Refused by inventory."""


class CouponInvalid(Conflict):
    """Refused by loyalty."""


class StoreClosed(Conflict):
    """Refused by store."""


class ReservationReleased(Conflict):
    """The release came first."""


async def silence() -> None:
    """Never answers."""
    await asyncio.sleep(3600)


async def breakdown() -> None:
    raise Unavailable("the peer is down")


def refusing(refusal: Exception) -> Fault:
    async def refuse() -> None:
        raise refusal

    return refuse


@dataclass
class Channels:
    """What the peers hold and how they misbehave. Faults by method name: `before` the effect, or `after` it."""

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
        """Forgets faults and calls, not what is held."""
        self.before.clear()
        self.after.clear()
        self.calls.clear()
        self.missing.clear()
        self.unit_price = 12_000

    async def begin(self, method: str) -> None:
        self.calls.append(method)
        if fault := self.before.get(method):
            await fault()

    async def step(self, method: str, effect: Callable[[], Any]) -> Any:
        await self.begin(method)
        result = effect()
        if fault := self.after.get(method):
            await fault()
        return result

    async def serve(self, platform: Platform) -> None:
        servicers = {
            "customer": [Customers(self)],
            "store": [Stores(self)],
            "inventory": [Products(self), Stock(self)],
            "loyalty": [Loyalty(self)],
            "payment": [Payments(self)],
        }
        for name, served in servicers.items():
            chain = interceptors.chain(name, trust_domain=TRUST_DOMAIN, is_revoked=lambda _: False)
            server = grpc.aio.server(interceptors=[chain], options=[("grpc.so_reuseport", 0)])
            health = HealthServicer()
            await health.set("", health_pb2.HealthCheckResponse.SERVING)
            health_pb2_grpc.add_HealthServicer_to_server(health, server)
            for servicer in served:
                add_to_server(servicer, server)
            files = tls.IdentityFiles(platform.certificates / name)
            server.add_secure_port(f"127.0.0.1:{platform.ports[name]}", tls.server_credentials(files))
            await server.start()
            self.servers.append(server)

    async def stop(self) -> None:
        for server in self.servers:
            await server.stop(None)


class Customers(CustomerServiceServicer):
    def __init__(self, peers: Channels) -> None:
        self._peers = peers

    async def GetOrderingCustomer(self, request: customers.GetOrderingCustomerRequest, context: Any) -> Any:
        def answer() -> customers.OrderingCustomer:
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

        return await self._peers.step("GetOrderingCustomer", answer)

    async def BatchGetOrderingCustomer(self, request: customers.BatchGetOrderingCustomerRequest, context: Any) -> Any:
        await self._peers.begin("BatchGetOrderingCustomer")
        answer = customers.BatchGetOrderingCustomerResponse()
        return await answer_each(self.GetOrderingCustomer, request.requests, context, answer)


class Stores(StoreServiceServicer):
    def __init__(self, peers: Channels) -> None:
        self._peers = peers

    async def QuoteFulfilment(self, request: stores.QuoteFulfilmentRequest, context: Any) -> Any:
        def answer() -> stores.QuoteFulfilmentResponse:
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

        return await self._peers.step("QuoteFulfilment", answer)

    async def BatchQuoteFulfilment(self, request: stores.BatchQuoteFulfilmentRequest, context: Any) -> Any:
        await self._peers.begin("BatchQuoteFulfilment")
        answer = stores.BatchQuoteFulfilmentResponse()
        return await answer_each(self.QuoteFulfilment, request.requests, context, answer)


class Products(ProductServiceServicer):
    def __init__(self, peers: Channels) -> None:
        self._peers = peers

    async def PriceLines(self, request: products.PriceLinesRequest, context: Any) -> Any:
        def answer() -> products.PriceLinesResponse:
            return products.PriceLinesResponse(
                lines=[
                    products.PricedLine(
                        product_id=line.product_id,
                        name="Masala Shikanji",
                        sku="SHK-1",
                        category="drinks",
                        unit_price=money(self._peers.unit_price),
                        quantity=line.quantity,
                        subtotal=money(self._peers.unit_price * line.quantity),
                        options=[
                            products.ChosenOption(
                                customization="Sugar", option_id=option, name="Less", price_modifier=money(500)
                            )
                            for option in line.option_ids
                        ],
                        tax_rate_basis_points=500,
                        preparation_minutes=10,
                        in_stock=line.product_id not in self._peers.missing,
                    )
                    for line in request.lines
                ]
            )

        return await self._peers.step("PriceLines", answer)

    async def BatchPriceLines(self, request: products.BatchPriceLinesRequest, context: Any) -> Any:
        await self._peers.begin("BatchPriceLines")
        return await answer_each(self.PriceLines, request.requests, context, products.BatchPriceLinesResponse())


class Stock(StockServiceServicer):
    def __init__(self, peers: Channels) -> None:
        self._peers = peers

    async def ReserveStock(self, request: stock.ReserveStockRequest, context: Any) -> Any:
        def hold() -> stock.ReserveStockResponse:
            if request.order_id in self._peers.released:
                raise ReservationReleased("the release came first")
            self._peers.stock[request.order_id] = {line.product_id: line.quantity for line in request.lines}
            return stock.ReserveStockResponse()

        return await self._peers.step("ReserveStock", hold)

    async def BatchReserveStock(self, request: stock.BatchReserveStockRequest, context: Any) -> Any:
        await self._peers.begin("BatchReserveStock")
        return await answer_each(self.ReserveStock, request.requests, context, stock.BatchReserveStockResponse())

    async def ReleaseStock(self, request: stock.ReleaseStockRequest, context: Any) -> Any:
        def give_back() -> stock.ReleaseStockResponse:
            self._peers.released.add(request.order_id)
            self._peers.stock.pop(request.order_id, None)
            return stock.ReleaseStockResponse()

        return await self._peers.step("ReleaseStock", give_back)


class Loyalty(LoyaltyServiceServicer):
    def __init__(self, peers: Channels) -> None:
        self._peers = peers

    def _benefits(self, request: Any) -> loyalty.Benefits:
        return loyalty.Benefits(
            coupon_discount=money(request.subtotal.minor_units // 10 if request.coupon_code else 0),
            points_used=request.points,
            points_discount=money(request.points * 25),
            coupon_code=request.coupon_code.upper(),
        )

    async def QuoteBenefits(self, request: loyalty.QuoteBenefitsRequest, context: Any) -> Any:
        return await self._peers.step("QuoteBenefits", lambda: self._benefits(request))

    async def ReserveBenefits(self, request: loyalty.ReserveBenefitsRequest, context: Any) -> Any:
        def hold() -> loyalty.Benefits:
            self._peers.benefits[request.order_id] = (request.coupon_code, request.points)
            return self._benefits(request)

        return await self._peers.step("ReserveBenefits", hold)

    async def ReleaseBenefits(self, request: loyalty.ReleaseBenefitsRequest, context: Any) -> Any:
        def give_back() -> loyalty.ReleaseBenefitsResponse:
            self._peers.benefits.pop(request.order_id, None)
            return loyalty.ReleaseBenefitsResponse()

        return await self._peers.step("ReleaseBenefits", give_back)


class Payments(PaymentServiceServicer):
    def __init__(self, peers: Channels) -> None:
        self._peers = peers

    async def StartPayment(self, request: payments.StartPaymentRequest, context: Any) -> Any:
        def start() -> Payment:
            return self._peers.payments.setdefault(
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

        return await self._peers.step("StartPayment", start)

    async def BatchStartPayment(self, request: payments.BatchStartPaymentRequest, context: Any) -> Any:
        await self._peers.begin("BatchStartPayment")
        return await answer_each(self.StartPayment, request.requests, context, payments.BatchStartPaymentResponse())

    async def ReconcileOrderPayment(self, request: payments.ReconcileOrderPaymentRequest, context: Any) -> Any:
        def answer() -> payments.ReconcileOrderPaymentResponse:
            if request.order_id not in self._peers.payments:
                raise NotFound
            paid = request.order_id in self._peers.captured
            return payments.ReconcileOrderPaymentResponse(
                captured=paid, captured_amount=self._peers.payments[request.order_id].amount if paid else money(0)
            )

        return await self._peers.step("ReconcileOrderPayment", answer)
