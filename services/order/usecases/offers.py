"""Offers: a cart with everything that its price depends on, collected from other services for quotes and orders."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeVar, cast

from chassis.clock import now
from chassis.errors import InvalidArgument
from services.order import clients
from services.order.app import OrderApp
from services.order.errors import OutOfStock
from services.order.model import pricing
from services.order.model.cart import Cart
from services.order.model.contacts import OrderingCustomer
from services.order.model.pricing import Benefits, Fulfilment, Line, Price
from services.order.model.states import DELIVERY

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Offer:
    """Customer, store terms and priced lines of a cart; nothing is reserved."""

    customer: OrderingCustomer
    fulfilment: Fulfilment
    lines: tuple[Line, ...]
    subtotal: Decimal

    @property
    def place_of_supply(self) -> str:
        """The state in which the order is handed over."""
        address = self.customer.contact.address
        if self.fulfilment.fulfilment_type == DELIVERY and address is not None:
            return address.state
        return self.fulfilment.store_state

    @property
    def delivery_fee(self) -> Decimal:
        """The fee before coupons."""
        return pricing.compute_delivery_fee(self.subtotal, self.fulfilment)

    def estimate_delivery(self, scheduled: datetime | None) -> datetime:
        return pricing.estimate_delivery(self.fulfilment, self.lines, scheduled)

    def compute_price(self, benefits: Benefits, delivery_tax_rate: int) -> Price:
        return pricing.compute_price(self.lines, self.fulfilment, benefits, self.place_of_supply, delivery_tax_rate)

    def check_stock(self) -> None:
        """Raises OutOfStock for the lines that inventory reports as out of stock."""
        missing = sorted({line.product_id for line in self.lines if not line.is_in_stock})
        if missing:
            raise OutOfStock(missing)


async def get_offer(app: OrderApp, cart: Cart) -> Offer:
    """Calls customer, store and inventory, concurrently where possible. The customer's error comes first."""
    if cart.scheduled is not None and cart.scheduled <= now():
        raise InvalidArgument("scheduledDeliveryAt", "must be in the future")
    (customer, fulfilment), lines = await gather_both(
        _get_customer_and_fulfilment(app, cart), clients.price_lines(app.calls, cart)
    )
    subtotal = pricing.sum_lines(lines)
    pricing.check_minimum(subtotal, fulfilment)
    return Offer(customer, fulfilment, lines, subtotal)


async def _get_customer_and_fulfilment(app: OrderApp, cart: Cart) -> tuple[OrderingCustomer, Fulfilment]:
    """The terms of a delivery depend on the address; without delivery both calls are concurrent."""
    if cart.fulfilment_type == DELIVERY:
        customer = await clients.get_ordering_customer(app.calls, cart)
        return customer, await clients.quote_fulfilment(app.calls, cart, customer.contact)
    return await gather_both(
        clients.get_ordering_customer(app.calls, cart), clients.quote_fulfilment(app.calls, cart, None)
    )


async def gather_both(first: Awaitable[T], second: Awaitable[U]) -> tuple[T, U]:
    """Waits for both, even if one fails; then raises the error of the first before that of the second."""
    results = await asyncio.gather(first, second, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return cast(tuple[T, U], tuple(results))
