"""A price that holds for ten minutes. Nothing is written, nothing is held."""

from __future__ import annotations

from jainshikanji.order.v1.quote_pb2 import Quote

from chassis.clock import now
from services.order import clients
from services.order.app import OrderApp
from services.order.model.cart import Cart
from services.order.model.pricing import NO_BENEFITS
from services.order.usecases.pricing import offer
from services.order.wire import orders


async def quote(app: OrderApp, cart: Cart) -> Quote:
    """Prices the cart as an order would be and signs the price. Raises what would refuse the order."""
    offered = await offer(app, cart)
    offered.check_stock()
    benefits = NO_BENEFITS
    if cart.wants_benefits:
        benefits = await clients.quote_benefits(
            app.channels, cart, offered.lines, offered.subtotal, offered.delivery_fee
        )
    price = offered.price(benefits, app.settings.delivery_tax_basis_points)
    token, expires = app.quotes.sign(cart, price, now())
    return orders.quote(token, expires, price, benefits.points_used, offered.estimate(cart.scheduled))
