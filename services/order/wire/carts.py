"""What customers ask for and what peers answer, in the words of the pricing."""

from __future__ import annotations

from datetime import UTC
from typing import TypeAlias
from uuid import UUID

from jainshikanji.inventory.v1.product_service_pb2 import PricedLine as InventoryLine
from jainshikanji.loyalty.v1 import loyalty_service_pb2 as loyalty
from jainshikanji.order.v1.order_service_pb2 import CreateOrderRequest, QuoteOrderRequest
from jainshikanji.store.v1.store_service_pb2 import QuoteFulfilmentResponse

from chassis.timestamps import optional_datetime_from_proto
from services.order.model.cart import Cart, CartLine
from services.order.model.pricing import Benefits, Fulfilment, Line, Option
from services.order.wire.words import FULFILMENT

CartRequest: TypeAlias = CreateOrderRequest | QuoteOrderRequest


def cart(request: CartRequest, customer_id: UUID) -> Cart:
    """The cart of a validated request. Ids are put into canonical form."""
    return Cart(
        customer_id=customer_id,
        store_id=UUID(request.store_id),
        fulfilment_type=FULFILMENT.from_proto(request.fulfilment_type),
        lines=tuple(
            CartLine(
                product_id=str(UUID(line.product_id)),
                quantity=line.quantity,
                option_ids=tuple(str(UUID(option)) for option in line.option_ids),
                special_instructions=line.special_instructions,
            )
            for line in request.lines
        ),
        address_id=str(UUID(request.address_id)) if request.address_id else "",
        coupon_code=request.coupon_code,
        points=request.points,
        scheduled=optional_datetime_from_proto(request, "scheduled_delivery_at"),
    )


def line(asked: CartLine, priced: InventoryLine) -> Line:
    """A line as inventory prices it, with what the customer told the kitchen."""
    return Line(
        product_id=asked.product_id,
        name=priced.name,
        sku=priced.sku,
        category=priced.category,
        unit_price=priced.unit_price.minor_units,
        quantity=asked.quantity,
        tax_rate=priced.tax_rate_basis_points,
        preparation_minutes=priced.preparation_minutes,
        options=tuple(
            Option(option.customization, option.option_id, option.name, option.price_modifier.minor_units)
            for option in priced.options
        ),
        special_instructions=asked.special_instructions,
    )


def fulfilment(fulfilment_type: str, answer: QuoteFulfilmentResponse) -> Fulfilment:
    """How the store would serve the order."""
    return Fulfilment(
        fulfilment_type=fulfilment_type,
        store_name=answer.store_name,
        store_state=answer.state,
        store_gstin=answer.gstin,
        delivery_fee=answer.delivery_fee.minor_units,
        free_delivery_above=(
            answer.free_delivery_above.minor_units if answer.HasField("free_delivery_above") else None
        ),
        min_order_value=answer.min_order_value.minor_units,
        travel_minutes=answer.travel_minutes,
        preparation_minutes=answer.preparation_minutes,
        ready_from=answer.ready_from.ToDatetime(tzinfo=UTC),
    )


def benefits(answer: loyalty.Benefits) -> Benefits:
    """What coupon and points take off."""
    return Benefits(
        coupon_discount=answer.coupon_discount.minor_units,
        points_discount=answer.points_discount.minor_units,
        points_used=answer.points_used,
        free_delivery=answer.free_delivery,
        coupon_code=answer.coupon_code,
    )
