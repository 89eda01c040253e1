"""What order asks of its peers. Their refusals pass through to the customer as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from jainshikanji.customer.v1.customer_service_pb2 import (
    BatchGetOrderingCustomerRequest,
    GetOrderingCustomerRequest,
    OrderingCustomer,
)
from jainshikanji.customer.v1.customer_service_pb2_grpc import CustomerServiceStub
from jainshikanji.inventory.v1.product_service_pb2 import (
    BatchPriceLinesRequest,
    LineRequest,
    PriceLinesRequest,
    PriceLinesResponse,
)
from jainshikanji.inventory.v1.product_service_pb2 import PricedLine as InventoryLine
from jainshikanji.inventory.v1.product_service_pb2_grpc import ProductServiceStub
from jainshikanji.inventory.v1.stock_service_pb2 import (
    BatchReserveStockRequest,
    ReleaseStockRequest,
    ReserveStockRequest,
    ReserveStockResponse,
    StockLine,
)
from jainshikanji.inventory.v1.stock_service_pb2_grpc import StockServiceStub
from jainshikanji.loyalty.v1 import loyalty_service_pb2 as loyalty
from jainshikanji.loyalty.v1.loyalty_service_pb2_grpc import LoyaltyServiceStub
from jainshikanji.payment.v1.payment_pb2 import Payment
from jainshikanji.payment.v1.payment_service_pb2 import (
    BatchStartPaymentRequest,
    ReconcileOrderPaymentRequest,
    ReconcileOrderPaymentResponse,
    StartPaymentRequest,
)
from jainshikanji.payment.v1.payment_service_pb2_grpc import PaymentServiceStub
from jainshikanji.store.v1.store_service_pb2 import (
    BatchQuoteFulfilmentRequest,
    QuoteFulfilmentRequest,
    QuoteFulfilmentResponse,
)
from jainshikanji.store.v1.store_service_pb2_grpc import StoreServiceStub
from jainshikanji.type.v1.postal_address_pb2 import PostalAddress

from chassis.rpc.batch_calls import BatchedCall
from chassis.rpc.channels import Channels
from chassis.timestamps import timestamp_to_proto
from services.order.model.cart import Cart
from services.order.model.pricing import Benefits, Fulfilment, Line
from services.order.wire import carts
from services.order.wire.words import FULFILMENT, PAYMENT_METHOD, money

# A gateway gets 2.5 seconds from payment; what is left is payment's own.
START_PAYMENT_SECONDS = 3.0
# A payment that is not made online is started when its customer has the answer: so long it waits for others.
UNHURRIED_SECONDS = 0.05
# Asked by loops, with nobody waiting.
PATIENT_SECONDS = 5.0

Request = TypeVar("Request", loyalty.QuoteBenefitsRequest, loyalty.ReserveBenefitsRequest)


class BatchedCalls:
    """What every order asks. Orders that wait for the same thing ask for it in one call."""

    def __init__(self, peers: Channels) -> None:
        self.ordering_customer: BatchedCall[GetOrderingCustomerRequest, OrderingCustomer] = BatchedCall(
            peers, "customer", CustomerServiceStub, "GetOrderingCustomer", BatchGetOrderingCustomerRequest
        )
        self.quote_fulfilment: BatchedCall[QuoteFulfilmentRequest, QuoteFulfilmentResponse] = BatchedCall(
            peers, "store", StoreServiceStub, "QuoteFulfilment", BatchQuoteFulfilmentRequest
        )
        self.price_lines: BatchedCall[PriceLinesRequest, PriceLinesResponse] = BatchedCall(
            peers, "inventory", ProductServiceStub, "PriceLines", BatchPriceLinesRequest
        )
        self.reserve_stock: BatchedCall[ReserveStockRequest, ReserveStockResponse] = BatchedCall(
            peers, "inventory", StockServiceStub, "ReserveStock", BatchReserveStockRequest
        )
        self.start_payment: BatchedCall[StartPaymentRequest, Payment] = BatchedCall(
            peers,
            "payment",
            PaymentServiceStub,
            "StartPayment",
            BatchStartPaymentRequest,
            timeout=START_PAYMENT_SECONDS,
            linger=UNHURRIED_SECONDS,
        )
        self._peers = peers

    async def start_online_payment(self, request: StartPaymentRequest) -> Payment:
        """Asked alone: the slowest answer of a gateway would be everybody's."""
        stub = self._peers.stub("payment", PaymentServiceStub)
        payment: Payment = await stub.StartPayment(request, timeout=START_PAYMENT_SECONDS)
        return payment


async def ordering_customer(calls: BatchedCalls, cart: Cart) -> OrderingCustomer:
    """Who orders and, for a delivery, where to."""
    request = GetOrderingCustomerRequest(customer_id=str(cart.customer_id))
    if cart.address_id:
        request.address_id = cart.address_id
    return await calls.ordering_customer(request)


async def quote_fulfilment(calls: BatchedCalls, cart: Cart, address: PostalAddress | None) -> Fulfilment:
    """Whether, when and for which fee the store serves the cart."""
    request = QuoteFulfilmentRequest(
        store_id=str(cart.store_id),
        fulfilment_type=FULFILMENT.to_proto(cart.fulfilment_type),
        scheduled_delivery_at=timestamp_to_proto(cart.scheduled),
    )
    if address is not None:
        request.postal_code = address.postal_code
        if address.HasField("location"):
            request.location.CopyFrom(address.location)
    return carts.fulfilment(cart.fulfilment_type, await calls.quote_fulfilment(request))


async def price_lines(calls: BatchedCalls, cart: Cart) -> Sequence[InventoryLine]:
    """Today's names and prices, a line each in the cart's order."""
    request = PriceLinesRequest(
        store_id=str(cart.store_id),
        lines=[
            LineRequest(product_id=line.product_id, quantity=line.quantity, option_ids=line.option_ids)
            for line in cart.lines
        ],
    )
    return (await calls.price_lines(request)).lines


async def reserve_stock(calls: BatchedCalls, order_id: UUID, cart: Cart) -> None:
    """All lines or none; repeatable."""
    lines = [StockLine(product_id=product, quantity=pieces) for product, pieces in cart.pieces().items()]
    request = ReserveStockRequest(order_id=str(order_id), store_id=str(cart.store_id), lines=lines)
    await calls.reserve_stock(request)


async def release_stock(peers: Channels, order_id: UUID) -> None:
    """Gives back what an order that was never written holds; repeatable, and a late reservation is refused."""
    request = ReleaseStockRequest(order_id=str(order_id))
    await peers.stub("inventory", StockServiceStub).ReleaseStock(request)


async def quote_benefits(peers: Channels, cart: Cart, lines: Sequence[Line], subtotal: int, fee: int) -> Benefits:
    """What coupon and points would take off; holds nothing."""
    request = _benefits(loyalty.QuoteBenefitsRequest(), cart, lines, subtotal, fee)
    return carts.benefits(await peers.stub("loyalty", LoyaltyServiceStub).QuoteBenefits(request))


async def reserve_benefits(
    peers: Channels, order_id: UUID, cart: Cart, lines: Sequence[Line], subtotal: int, fee: int
) -> Benefits:
    """Holds coupon and points for the order; repeatable."""
    request = _benefits(loyalty.ReserveBenefitsRequest(order_id=str(order_id)), cart, lines, subtotal, fee)
    return carts.benefits(await peers.stub("loyalty", LoyaltyServiceStub).ReserveBenefits(request))


async def release_benefits(peers: Channels, order_id: UUID) -> None:
    """Gives coupon and points of an order that was never written back; repeatable."""
    request = loyalty.ReleaseBenefitsRequest(order_id=str(order_id))
    await peers.stub("loyalty", LoyaltyServiceStub).ReleaseBenefits(request)


def _benefits(request: Request, cart: Cart, lines: Sequence[Line], subtotal: int, fee: int) -> Request:
    request.customer_id, request.store_id = str(cart.customer_id), str(cart.store_id)
    request.coupon_code, request.points = cart.coupon_code, cart.points
    request.subtotal.CopyFrom(money(subtotal))
    request.delivery_fee.CopyFrom(money(fee))
    for line in lines:
        request.lines.add(
            product_id=line.product_id,
            category=line.category,
            subtotal=money(line.subtotal),
            quantity=line.quantity,
        )
    return request


async def start_payment(calls: BatchedCalls, order: Any) -> Payment:
    """Writes the payment of an order, given as its row; provider_order_id is empty while the gateway is silent.

    Repeatable.
    """
    request = StartPaymentRequest(
        order_id=str(order.id),
        payment_id=str(order.payment_id),
        customer_id=str(order.customer_id),
        store_id=str(order.store_id),
        amount=money(order.total),
        # payment has an enum of its own with the same words and numbers.
        method=PAYMENT_METHOD.to_proto(order.payment_method),
        order_number=order.order_number,
        expires_at=timestamp_to_proto(order.payment_expires_at),
    )
    online = order.payment_expires_at is not None
    return await (calls.start_online_payment(request) if online else calls.start_payment(request))


async def reconcile_payment(peers: Channels, order_id: UUID) -> ReconcileOrderPaymentResponse:
    """Whether the order is paid; payment asks the gateway when it does not know. Refuses when nobody can tell."""
    request = ReconcileOrderPaymentRequest(order_id=str(order_id))
    stub = peers.stub("payment", PaymentServiceStub)
    answer: ReconcileOrderPaymentResponse = await stub.ReconcileOrderPayment(request, timeout=PATIENT_SECONDS)
    return answer
