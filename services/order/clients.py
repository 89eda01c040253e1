"""Calls of other services. A domain error of the callee (RemoteError) is passed on to the customer unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from jainshikanji.customer.v1 import customer_service_pb2 as customer
from jainshikanji.customer.v1.customer_service_pb2_grpc import CustomerServiceStub
from jainshikanji.inventory.v1 import product_service_pb2 as product
from jainshikanji.inventory.v1 import stock_service_pb2 as stock
from jainshikanji.inventory.v1.product_service_pb2_grpc import ProductServiceStub
from jainshikanji.inventory.v1.stock_service_pb2_grpc import StockServiceStub
from jainshikanji.loyalty.v1 import loyalty_service_pb2 as loyalty
from jainshikanji.loyalty.v1.loyalty_service_pb2_grpc import LoyaltyServiceStub
from jainshikanji.payment.v1 import payment_service_pb2 as payment
from jainshikanji.payment.v1.payment_pb2 import Payment
from jainshikanji.payment.v1.payment_service_pb2_grpc import PaymentServiceStub
from jainshikanji.store.v1 import store_service_pb2 as store
from jainshikanji.store.v1.store_service_pb2_grpc import StoreServiceStub

from chassis.money import money_to_proto
from chassis.rpc.batch_calls import BatchedCall
from chassis.rpc.channels import Channels
from chassis.timestamps import timestamp_to_proto
from services.order import wire
from services.order.model.cart import Cart
from services.order.model.contacts import Contact, OrderingCustomer
from services.order.model.pricing import Benefits, Fulfilment, Line
from services.order.rows import NewOrder, OrderRow

# The payment service waits up to 2.5 seconds for a gateway; the rest is its own time.
START_PAYMENT_SECONDS = 3.0
# The batch delay of payments that start after the response to the customer: COD orders.
COD_PAYMENT_DELAY_SECONDS = 0.05
# For periodic jobs, where no caller waits.
RECONCILE_SECONDS = 5.0

BenefitsRequest = TypeVar("BenefitsRequest", loyalty.QuoteBenefitsRequest, loyalty.ReserveBenefitsRequest)


class BatchedCalls:
    """The calls that each order makes. Concurrent requests share one rpc."""

    def __init__(self, channels: Channels) -> None:
        self.get_ordering_customer: BatchedCall[customer.GetOrderingCustomerRequest, customer.OrderingCustomer] = (
            BatchedCall(
                channels,
                "customer",
                CustomerServiceStub,
                "GetOrderingCustomer",
                customer.BatchGetOrderingCustomerRequest,
            )
        )
        self.quote_fulfilment: BatchedCall[store.QuoteFulfilmentRequest, store.QuoteFulfilmentResponse] = BatchedCall(
            channels, "store", StoreServiceStub, "QuoteFulfilment", store.BatchQuoteFulfilmentRequest
        )
        self.price_lines: BatchedCall[product.PriceLinesRequest, product.PriceLinesResponse] = BatchedCall(
            channels, "inventory", ProductServiceStub, "PriceLines", product.BatchPriceLinesRequest
        )
        self.reserve_stock: BatchedCall[stock.ReserveStockRequest, stock.ReserveStockResponse] = BatchedCall(
            channels, "inventory", StockServiceStub, "ReserveStock", stock.BatchReserveStockRequest
        )
        self.start_cod_payment: BatchedCall[payment.StartPaymentRequest, Payment] = BatchedCall(
            channels,
            "payment",
            PaymentServiceStub,
            "StartPayment",
            payment.BatchStartPaymentRequest,
            timeout=START_PAYMENT_SECONDS,
            delay=COD_PAYMENT_DELAY_SECONDS,
        )
        self._channels = channels

    async def start_online_payment(self, request: payment.StartPaymentRequest) -> Payment:
        """Not batched: the slowest response of a gateway would delay the whole batch."""
        stub = self._channels.stub("payment", PaymentServiceStub)
        started: Payment = await stub.StartPayment(request, timeout=START_PAYMENT_SECONDS)
        return started


async def get_ordering_customer(calls: BatchedCalls, cart: Cart) -> OrderingCustomer:
    """The customer's name and contact; with the address for a delivery."""
    request = customer.GetOrderingCustomerRequest(customer_id=str(cart.customer_id))
    if cart.address_id:
        request.address_id = cart.address_id
    return wire.responses.ordering_customer_from_proto(await calls.get_ordering_customer(request))


async def quote_fulfilment(calls: BatchedCalls, cart: Cart, contact: Contact | None) -> Fulfilment:
    """The store's terms for the cart. `contact` has the address of a delivery."""
    request = store.QuoteFulfilmentRequest(
        store_id=str(cart.store_id),
        fulfilment_type=wire.enums.FULFILMENT_TYPES.to_proto(cart.fulfilment_type),
        scheduled_delivery_at=timestamp_to_proto(cart.scheduled),
    )
    if contact is not None and contact.address is not None:
        request.postal_code = contact.address.postal_code
        if contact.location is not None:
            request.location.CopyFrom(wire.addresses.location_to_proto(contact.location))
    return wire.responses.fulfilment_from_proto(cart.fulfilment_type, await calls.quote_fulfilment(request))


async def price_lines(calls: BatchedCalls, cart: Cart) -> tuple[Line, ...]:
    """The lines of the cart with their current names and prices."""
    request = product.PriceLinesRequest(
        store_id=str(cart.store_id),
        lines=[
            product.LineRequest(product_id=line.product_id, quantity=line.quantity, option_ids=line.option_ids)
            for line in cart.lines
        ],
    )
    priced = (await calls.price_lines(request)).lines
    return tuple(wire.responses.line_from_proto(*pair) for pair in zip(cart.lines, priced, strict=True))


async def reserve_stock(calls: BatchedCalls, order_id: UUID, cart: Cart) -> None:
    """Reserves all lines or none. Idempotent."""
    lines = [
        stock.StockLine(product_id=product_id, quantity=number) for product_id, number in cart.quantities().items()
    ]
    request = stock.ReserveStockRequest(order_id=str(order_id), store_id=str(cart.store_id), lines=lines)
    await calls.reserve_stock(request)


async def release_stock(channels: Channels, order_id: UUID) -> None:
    """Releases the reservation of an order that was not inserted; a later reservation for it fails. Idempotent."""
    request = stock.ReleaseStockRequest(order_id=str(order_id))
    await channels.stub("inventory", StockServiceStub).ReleaseStock(request)


async def quote_benefits(
    channels: Channels, cart: Cart, lines: Sequence[Line], subtotal: Decimal, fee: Decimal
) -> Benefits:
    """The discounts for coupon and points, without reserving them."""
    request = _fill_benefits_request(loyalty.QuoteBenefitsRequest(), cart, lines, subtotal, fee)
    return wire.responses.benefits_from_proto(await channels.stub("loyalty", LoyaltyServiceStub).QuoteBenefits(request))


async def reserve_benefits(
    channels: Channels, order_id: UUID, cart: Cart, lines: Sequence[Line], subtotal: Decimal, fee: Decimal
) -> Benefits:
    """Reserves coupon and points for the order. Idempotent."""
    request = loyalty.ReserveBenefitsRequest(order_id=str(order_id))
    _fill_benefits_request(request, cart, lines, subtotal, fee)
    stub = channels.stub("loyalty", LoyaltyServiceStub)
    return wire.responses.benefits_from_proto(await stub.ReserveBenefits(request))


async def release_benefits(channels: Channels, order_id: UUID) -> None:
    """Releases coupon and points of an order that was not inserted. Idempotent."""
    request = loyalty.ReleaseBenefitsRequest(order_id=str(order_id))
    await channels.stub("loyalty", LoyaltyServiceStub).ReleaseBenefits(request)


def _fill_benefits_request(
    request: BenefitsRequest, cart: Cart, lines: Sequence[Line], subtotal: Decimal, fee: Decimal
) -> BenefitsRequest:
    request.customer_id, request.store_id = str(cart.customer_id), str(cart.store_id)
    request.coupon_code, request.points = cart.coupon_code, cart.points
    request.subtotal.CopyFrom(money_to_proto(subtotal))
    request.delivery_fee.CopyFrom(money_to_proto(fee))
    for line in lines:
        request.lines.add(
            product_id=line.product_id,
            category=line.category,
            subtotal=money_to_proto(line.subtotal),
            quantity=line.quantity,
        )
    return request


async def start_payment(calls: BatchedCalls, order: NewOrder | OrderRow) -> str:
    """Starts the payment; returns the provider's order id, empty until the gateway responds. Idempotent."""
    request = payment.StartPaymentRequest(
        order_id=str(order.id),
        payment_id=str(order.payment_id),
        customer_id=str(order.customer_id),
        store_id=str(order.store_id),
        amount=money_to_proto(order.total),
        method=wire.enums.PAYMENT_METHODS.to_proto(order.payment_method),
        order_number=order.order_number,
        expires_at=timestamp_to_proto(order.payment_expires_at),
    )
    is_online = order.payment_expires_at is not None
    started = await (calls.start_online_payment(request) if is_online else calls.start_cod_payment(request))
    return started.provider_order_id


async def is_payment_captured(channels: Channels, order_id: UUID) -> bool:
    """Whether the order is paid. The payment service calls the gateway if needed; raises if the state is unknown."""
    request = payment.ReconcileOrderPaymentRequest(order_id=str(order_id))
    stub = channels.stub("payment", PaymentServiceStub)
    response: payment.ReconcileOrderPaymentResponse = await stub.ReconcileOrderPayment(
        request, timeout=RECONCILE_SECONDS
    )
    return response.captured
