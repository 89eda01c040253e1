"""A cart with everything that its price depends on, gathered from the peers: the same for quotes and for orders."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

from jainshikanji.inventory.v1.product_service_pb2 import PricedLine as InventoryLine
from jainshikanji.type.v1.postal_address_pb2 import PostalAddress

from chassis.clock import now
from chassis.errors import InvalidArgument
from services.order import clients
from services.order.app import OrderApp
from services.order.model import pricing
from services.order.model.cart import Cart
from services.order.model.pricing import Benefits, Fulfilment, Line, Price
from services.order.model.refusals import OutOfStock
from services.order.model.states import DELIVERY
from services.order.wire import carts
from services.order.wire.contacts import Contact

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Offer:
    """What the peers say of a cart before anything is held."""

    customer_name: str
    contact: Contact
    fulfilment: Fulfilment
    lines: tuple[Line, ...]
    missing: tuple[str, ...]
    subtotal: int

    @property
    def place_of_supply(self) -> str:
        """The state in which the food is handed over."""
        if self.fulfilment.fulfilment_type == DELIVERY and self.contact.address is not None:
            return self.contact.address.state
        return self.fulfilment.store_state

    @property
    def delivery_fee(self) -> int:
        """The fee before coupons."""
        return pricing.delivery_fee(self.subtotal, self.fulfilment)

    def estimate(self, scheduled: datetime | None) -> datetime:
        return pricing.estimate(self.fulfilment, self.lines, scheduled)

    def price(self, benefits: Benefits, delivery_tax_rate: int) -> Price:
        return pricing.price(self.lines, self.fulfilment, benefits, self.place_of_supply, delivery_tax_rate)

    def check_stock(self) -> None:
        """Raises OutOfStock for what is already known to be missing."""
        if self.missing:
            raise OutOfStock(list(self.missing))


async def offer(app: OrderApp, cart: Cart) -> Offer:
    """Asks customer, store and inventory, at once where possible. Raises what they refuse, the customer first."""
    if cart.scheduled is not None and cart.scheduled <= now():
        raise InvalidArgument("scheduledDeliveryAt", "must be in the future")
    (customer, fulfilment), priced = await both(
        _customer_and_fulfilment(app, cart), clients.price_lines(app.calls, cart)
    )
    lines = tuple(carts.line(asked, answer) for asked, answer in zip(cart.lines, priced, strict=True))
    subtotal = pricing.subtotal_of(lines)
    pricing.check_minimum(subtotal, fulfilment)
    return Offer(
        customer_name=customer.name,
        contact=Contact(customer.email, customer.phone, _address(customer)),
        fulfilment=fulfilment,
        lines=lines,
        missing=_missing(priced),
        subtotal=subtotal,
    )


async def _customer_and_fulfilment(app: OrderApp, cart: Cart) -> tuple[Any, Fulfilment]:
    """A delivery's fee and time depend on the address; without one both are asked at once."""
    if cart.fulfilment_type == DELIVERY:
        customer = await clients.ordering_customer(app.calls, cart)
        return customer, await clients.quote_fulfilment(app.calls, cart, customer.address)
    return await both(clients.ordering_customer(app.calls, cart), clients.quote_fulfilment(app.calls, cart, None))


async def both(first: Awaitable[T], second: Awaitable[U]) -> tuple[T, U]:
    """Runs both to their ends, then raises the first one's failure before the second's."""
    results = await asyncio.gather(first, second, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return cast(tuple[T, U], tuple(results))


def _address(customer: Any) -> PostalAddress | None:
    return customer.address if customer.HasField("address") else None


def _missing(priced: Sequence[InventoryLine]) -> tuple[str, ...]:
    return tuple(sorted({line.product_id for line in priced if not line.in_stock}))
