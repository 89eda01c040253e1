"""Quotes: signed prices, valid for ten minutes. Nothing is stored or reserved."""

from __future__ import annotations

from chassis.clock import now
from chassis.rpc.call import Caller
from services.order import clients
from services.order.app import OrderApp
from services.order.model.cart import Cart
from services.order.model.pricing import NO_BENEFITS
from services.order.model.views import QuotedPrice
from services.order.usecases.offers import get_offer


async def quote_order(app: OrderApp, caller: Caller, cart: Cart) -> QuotedPrice:
    """Prices the cart as an order would be priced, and signs the price. Raises what placing the order would raise."""
    offer = await get_offer(app, cart)
    offer.check_stock()
    benefits = NO_BENEFITS
    if cart.uses_benefits:
        benefits = await clients.quote_benefits(app.channels, cart, offer.lines, offer.subtotal, offer.delivery_fee)
    price = offer.compute_price(benefits, app.settings.delivery_tax_basis_points)
    token, expires_at = app.quotes.sign(cart, price, now())
    return QuotedPrice(token, expires_at, price, benefits.points_used, offer.estimate_delivery(cart.scheduled))
