"""Responses of other services to values of the model."""

from __future__ import annotations

from datetime import UTC

from jainshikanji.customer.v1 import customer_service_pb2 as customer
from jainshikanji.inventory.v1 import product_service_pb2 as inventory
from jainshikanji.loyalty.v1 import loyalty_service_pb2 as loyalty
from jainshikanji.store.v1.store_service_pb2 import QuoteFulfilmentResponse

from chassis.money import money_from_proto
from services.order.model.cart import CartLine
from services.order.model.contacts import Contact, OrderingCustomer
from services.order.model.pricing import Benefits, Fulfilment, Line, Option
from services.order.wire.addresses import address_from_proto, location_from_proto


def ordering_customer_from_proto(response: customer.OrderingCustomer) -> OrderingCustomer:
    if not response.HasField("address"):
        return OrderingCustomer(response.name, Contact(response.email, response.phone))
    address = response.address
    location = location_from_proto(address.location) if address.HasField("location") else None
    contact = Contact(response.email, response.phone, address_from_proto(address), location)
    return OrderingCustomer(response.name, contact)


def line_from_proto(line: CartLine, priced: inventory.PricedLine) -> Line:
    """The line of the cart with name and price of inventory."""
    return Line(
        product_id=line.product_id,
        name=priced.name,
        sku=priced.sku,
        category=priced.category,
        unit_price=money_from_proto(priced.unit_price),
        quantity=line.quantity,
        tax_rate=priced.tax_rate_basis_points,
        preparation_minutes=priced.preparation_minutes,
        options=tuple(
            Option(option.customization, option.option_id, option.name, money_from_proto(option.price_modifier))
            for option in priced.options
        ),
        special_instructions=line.special_instructions,
        is_in_stock=priced.in_stock,
    )


def fulfilment_from_proto(fulfilment_type: str, response: QuoteFulfilmentResponse) -> Fulfilment:
    has_threshold = response.HasField("free_delivery_above")
    return Fulfilment(
        fulfilment_type=fulfilment_type,
        store_name=response.store_name,
        store_state=response.state,
        store_gstin=response.gstin,
        delivery_fee=money_from_proto(response.delivery_fee),
        free_delivery_above=money_from_proto(response.free_delivery_above) if has_threshold else None,
        min_order_value=money_from_proto(response.min_order_value),
        travel_minutes=response.travel_minutes,
        preparation_minutes=response.preparation_minutes,
        ready_from=response.ready_from.ToDatetime(tzinfo=UTC),
    )


def benefits_from_proto(response: loyalty.Benefits) -> Benefits:
    return Benefits(
        coupon_discount=money_from_proto(response.coupon_discount),
        points_discount=money_from_proto(response.points_discount),
        points_used=response.points_used,
        free_delivery=response.free_delivery,
        coupon_code=response.coupon_code,
    )
