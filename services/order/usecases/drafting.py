"""An order as it will be written: the row of its cart, offer and price."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from uuid import UUID

from jainshikanji.order.v1 import events_pb2
from jainshikanji.order.v1.order_service_pb2 import CreateOrderRequest

from chassis import ids
from services.order.app import OrderApp
from services.order.model import states
from services.order.model.cart import Cart
from services.order.model.numbers import new_order_number
from services.order.model.pricing import Benefits, Price
from services.order.usecases.pricing import Offer
from services.order.wire import contacts, happenings
from services.order.wire.orders import item_row
from services.order.wire.words import PAYMENT_METHOD
from services.order.writing import Written


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything that makes an order, decided and held; nothing written."""

    order_id: UUID
    cart: Cart
    offer: Offer
    price: Price
    benefits: Benefits
    payment_method: str
    delivery_instructions: str
    special_instructions: str

    def row(self, app: OrderApp, moment: datetime) -> SimpleNamespace:
        """The order's row, whole: what is inserted, and what the answer is made of."""
        price, fulfilment, cart = self.price, self.offer.fulfilment, self.cart
        at_once = price.total == 0 or self.payment_method == states.CASH
        expires = None if at_once else moment + timedelta(minutes=app.settings.payment_minutes)
        return SimpleNamespace(
            id=self.order_id,
            version=2 if at_once else 1,
            order_number=new_order_number(moment),
            customer_id=cart.customer_id,
            # An answer of a peer: only requests are normalised on their way in.
            customer_name=unicodedata.normalize("NFC", self.offer.customer_name),
            store_id=cart.store_id,
            store_name=fulfilment.store_name,
            store_state=fulfilment.store_state,
            store_gstin=fulfilment.store_gstin or None,
            place_of_supply=self.offer.place_of_supply,
            status=states.CONFIRMED if at_once else states.PENDING,
            payment_status="completed" if price.total == 0 else "pending",
            payment_method=self.payment_method,
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
            delivery_instructions=self.delivery_instructions or None,
            special_instructions=self.special_instructions or None,
            estimated_delivery_time=self.offer.estimate(cart.scheduled),
            scheduled_delivery_time=cart.scheduled,
            accepted_at=moment if at_once else None,
            loyalty_points_redeemed=self.benefits.points_used,
            coupon_code=(self.benefits.coupon_code or cart.coupon_code) or None,
            payment_id=ids.new_id() if price.total else None,
            payment_expires_at=expires,
            created_at=moment,
            items=[item_row(str(ids.new_id()), line) for line in price.lines],
            **contacts.seal(self.offer.contact, app.cipher),
            **_NOT_YET,
            updated_at=moment,
        )


# What a new order does not have; the answer is made of the same columns as that of a read.
_NOT_YET = dict.fromkeys(
    [
        "preparing_at",
        "ready_at",
        "dispatched_at",
        "delivered_at",
        "cancelled_at",
        "assigned_staff_id",
        "delivery_person_id",
        "loyalty_points_earned",
        "cancellation_code",
        "cancellation_reason",
        "rating",
        "provider_order_id",
    ]
)


def draft(
    order_id: UUID, cart: Cart, request: CreateOrderRequest, offer: Offer, price: Price, benefits: Benefits
) -> Draft:
    """What a request has come to."""
    return Draft(
        order_id=order_id,
        cart=cart,
        offer=offer,
        price=price,
        benefits=benefits,
        payment_method=PAYMENT_METHOD.from_proto(request.payment_method),
        delivery_instructions=request.delivery_instructions,
        special_instructions=request.special_instructions,
    )


def written(row: SimpleNamespace) -> Written:
    """The row with the events that its writing publishes."""
    events: list[tuple[events_pb2.OrderCreated | events_pb2.OrderConfirmed, int]] = [(happenings.created(row), 1)]
    if row.status == states.CONFIRMED:
        events.append((happenings.confirmed(row), 2))
    return Written(row, tuple(events))
