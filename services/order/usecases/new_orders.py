"""The rows of a new order, from its command, offer and price."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from chassis.ids import new_id
from services.order import wire
from services.order.app import OrderApp
from services.order.commands import PlaceOrder
from services.order.model import states
from services.order.model.contacts import encrypt_contact
from services.order.model.numbers import new_order_number
from services.order.model.pricing import Benefits, Price, PricedLine
from services.order.rows import NewOrder, NewOrderItem
from services.order.usecases.offers import Offer
from services.order.writer import OrderInsert


@dataclass(frozen=True, slots=True)
class PricedOrder:
    """The final price of a command whose stock and benefits are reserved."""

    offer: Offer
    price: Price
    benefits: Benefits


def build_order(
    app: OrderApp, order_id: UUID, command: PlaceOrder, priced: PricedOrder, created_at: datetime
) -> NewOrder:
    """The row of the order. It is confirmed if nothing is to be paid online, else pending until the payment."""
    cart, offer, price, fulfilment = command.cart, priced.offer, priced.price, priced.offer.fulfilment
    is_confirmed = price.total == 0 or command.payment_method == states.CASH
    return NewOrder(
        id=order_id,
        version=2 if is_confirmed else 1,
        order_number=new_order_number(created_at),
        customer_id=cart.customer_id,
        # Only requests are normalised by the chassis; this is from a response of another service.
        customer_name=unicodedata.normalize("NFC", offer.customer.name),
        store_id=cart.store_id,
        store_name=fulfilment.store_name,
        store_state=fulfilment.store_state,
        store_gstin=fulfilment.store_gstin or None,
        place_of_supply=offer.place_of_supply,
        status=states.CONFIRMED if is_confirmed else states.PENDING,
        payment_status=states.PAYMENT_COMPLETED if price.total == 0 else states.PAYMENT_PENDING,
        payment_method=command.payment_method,
        subtotal=price.subtotal,
        tax=price.tax,
        delivery_fee=price.delivery_fee,
        discount=price.discount,
        loyalty_discount=price.loyalty_discount,
        total=price.total,
        delivery_tax_rate=price.delivery_tax.rate,
        delivery_cgst=price.delivery_tax.cgst,
        delivery_sgst=price.delivery_tax.sgst,
        delivery_igst=price.delivery_tax.igst,
        delivery_type=cart.fulfilment_type,
        delivery_instructions=command.delivery_instructions or None,
        special_instructions=command.special_instructions or None,
        estimated_delivery_time=offer.estimate_delivery(cart.scheduled),
        scheduled_delivery_time=cart.scheduled,
        accepted_at=created_at if is_confirmed else None,
        loyalty_points_redeemed=priced.benefits.points_used,
        coupon_code=(priced.benefits.coupon_code or cart.coupon_code) or None,
        payment_id=new_id() if price.total else None,
        payment_expires_at=None if is_confirmed else created_at + timedelta(minutes=app.settings.payment_minutes),
        created_at=created_at,
        updated_at=created_at,
        **encrypt_contact(offer.customer.contact, app.cipher),
    )


def build_items(order: NewOrder, lines: tuple[PricedLine, ...]) -> tuple[NewOrderItem, ...]:
    """The rows of the order's items."""
    return tuple(_build_item(order, position, priced) for position, priced in enumerate(lines, start=1))


def _build_item(order: NewOrder, position: int, priced: PricedLine) -> NewOrderItem:
    line, tax = priced.line, priced.tax
    return NewOrderItem(
        id=new_id(),
        order_id=order.id,
        position=position,
        product_id=UUID(line.product_id),
        product_name=line.name,
        product_sku=line.sku or None,
        category=line.category or None,
        unit_price=line.unit_price,
        quantity=line.quantity,
        subtotal=line.subtotal,
        discount=priced.discount,
        tax_rate=tax.rate,
        cgst=tax.cgst,
        sgst=tax.sgst,
        igst=tax.igst,
        customizations=wire.orders.options_to_json(line.options),
        special_instructions=line.special_instructions or None,
    )


def build_insert(order: NewOrder, items: tuple[NewOrderItem, ...]) -> OrderInsert:
    """The rows with the events that their insertion publishes."""
    created = (wire.events.order_created_to_proto(order, items), 1)
    if order.status != states.CONFIRMED:
        return OrderInsert(order, items, (created,))
    return OrderInsert(order, items, (created, (wire.events.order_confirmed_to_proto(order), 2)))
