"""Orders, quotes, histories, positions and invoices as messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jainshikanji.order.v1 import invoice_pb2, order_pb2, order_service_pb2, quote_pb2, tracking_pb2
from jainshikanji.type.v1.money_pb2 import Money

from chassis.money import CURRENCY, money_to_proto, to_minor_units
from chassis.timestamps import timestamp_to_proto
from services.order.model.pricing import Option, PricedLine, Tax
from services.order.model.views import CourierPosition, OrderView, QuotedPrice, TimelineEntry, Tracking
from services.order.rows import OrderItemRow, OrderRow, OrderStateRow
from services.order.wire.addresses import address_to_proto, location_to_proto
from services.order.wire.enums import (
    CANCELLATION_REASONS,
    FULFILMENT_TYPES,
    PAYMENT_METHODS,
    PAYMENT_STATUSES,
    STATUSES,
)


def order_to_proto(view: OrderView) -> order_pb2.Order:
    """The order; without a contact it has no email, phone, address and delivery instructions."""
    row, contact = view.order, view.contact
    items = [OrderItemRow.from_json(item) for item in row.items]
    message = order_pb2.Order(
        id=str(row.id),
        version=row.version,
        order_number=row.order_number,
        customer_id=str(row.customer_id),
        customer_name=row.customer_name,
        store_id=str(row.store_id),
        store_name=row.store_name,
        status=STATUSES.to_proto(row.status),
        payment_status=PAYMENT_STATUSES.to_proto(row.payment_status),
        payment_method=PAYMENT_METHODS.to_proto(row.payment_method),
        fulfilment_type=FULFILMENT_TYPES.to_proto(row.delivery_type),
        items=map(_item_to_proto, items),
        amounts=_amounts_to_proto(row, items),
        special_instructions=row.special_instructions or "",
        estimated_delivery_at=timestamp_to_proto(row.estimated_delivery_time),
        scheduled_delivery_at=timestamp_to_proto(row.scheduled_delivery_time),
        accepted_at=timestamp_to_proto(row.accepted_at),
        preparing_at=timestamp_to_proto(row.preparing_at),
        ready_at=timestamp_to_proto(row.ready_at),
        dispatched_at=timestamp_to_proto(row.dispatched_at),
        delivered_at=timestamp_to_proto(row.delivered_at),
        cancelled_at=timestamp_to_proto(row.cancelled_at),
        assigned_staff_id=str(row.assigned_staff_id or ""),
        delivery_person_id=str(row.delivery_person_id or ""),
        loyalty_points_earned=row.loyalty_points_earned or 0,
        loyalty_points_redeemed=row.loyalty_points_redeemed or 0,
        coupon_code=row.coupon_code or "",
        created_at=timestamp_to_proto(row.created_at),
        updated_at=timestamp_to_proto(row.updated_at),
    )
    if row.cancellation_code:
        message.cancellation_reason = CANCELLATION_REASONS.to_proto(row.cancellation_code)
        message.cancellation_note = row.cancellation_reason or ""
    if row.rating is not None:
        message.rating = row.rating
    if row.payment_expires_at is not None:
        message.payment.id = str(row.payment_id)
        message.payment.provider_order_id = row.provider_order_id or ""
        message.payment.expires_at.FromDatetime(row.payment_expires_at)
    if contact is not None:
        message.customer_email = contact.email
        message.customer_phone = contact.phone
        message.delivery_instructions = row.delivery_instructions or ""
        if contact.address is not None:
            message.delivery_address.CopyFrom(address_to_proto(contact.address, contact.location))
    return message


def options_to_json(options: Iterable[Option]) -> list[dict[str, Any]]:
    """The column `customizations`. Its amounts are minor units: JSON has no decimals."""
    return [
        {
            "customization": option.customization,
            "option_id": option.option_id,
            "name": option.name,
            "price_modifier": to_minor_units(option.price_modifier),
        }
        for option in options
    ]


def _item_to_proto(row: OrderItemRow) -> order_pb2.OrderItem:
    return order_pb2.OrderItem(
        id=row.id,
        product_id=row.product_id,
        product_name=row.product_name,
        product_sku=row.product_sku or "",
        category=row.category or "",
        unit_price=money_to_proto(row.unit_price),
        quantity=row.quantity,
        subtotal=money_to_proto(row.subtotal),
        discount=money_to_proto(row.discount),
        tax=_tax_to_proto(Tax(row.tax_rate, row.subtotal - row.discount, row.cgst, row.sgst, row.igst)),
        chosen_options=[
            order_pb2.ChosenOption(
                customization=option["customization"],
                option_id=option["option_id"],
                name=option["name"],
                price_modifier=Money(currency_code=CURRENCY, minor_units=option["price_modifier"]),
            )
            for option in row.customizations or ()
        ],
        special_instructions=row.special_instructions or "",
    )


def _tax_to_proto(tax: Tax) -> order_pb2.LineTax:
    return order_pb2.LineTax(
        rate_basis_points=tax.rate,
        taxable=money_to_proto(tax.taxable),
        cgst=money_to_proto(tax.cgst),
        sgst=money_to_proto(tax.sgst),
        igst=money_to_proto(tax.igst),
    )


def _amounts_to_proto(row: OrderRow, items: Sequence[OrderItemRow]) -> order_pb2.Amounts:
    delivery = Tax(row.delivery_tax_rate, row.delivery_fee, row.delivery_cgst, row.delivery_sgst, row.delivery_igst)
    return order_pb2.Amounts(
        subtotal=money_to_proto(row.subtotal),
        discount=money_to_proto(row.discount),
        loyalty_discount=money_to_proto(row.loyalty_discount),
        delivery_fee=money_to_proto(row.delivery_fee),
        delivery_tax=_tax_to_proto(delivery),
        cgst=money_to_proto(sum((item.cgst for item in items), delivery.cgst)),
        sgst=money_to_proto(sum((item.sgst for item in items), delivery.sgst)),
        igst=money_to_proto(sum((item.igst for item in items), delivery.igst)),
        tax=money_to_proto(row.tax),
        total=money_to_proto(row.total),
    )


def quote_to_proto(quote: QuotedPrice) -> quote_pb2.Quote:
    price = quote.price
    return quote_pb2.Quote(
        quote=quote.token,
        expires_at=timestamp_to_proto(quote.expires_at),
        items=map(_priced_line_to_proto, price.lines),
        amounts=order_pb2.Amounts(
            subtotal=money_to_proto(price.subtotal),
            discount=money_to_proto(price.discount),
            loyalty_discount=money_to_proto(price.loyalty_discount),
            delivery_fee=money_to_proto(price.delivery_fee),
            delivery_tax=_tax_to_proto(price.delivery_tax),
            cgst=money_to_proto(price.cgst),
            sgst=money_to_proto(price.sgst),
            igst=money_to_proto(price.igst),
            tax=money_to_proto(price.tax),
            total=money_to_proto(price.total),
        ),
        loyalty_points_redeemed=quote.points_used,
        estimated_delivery_at=timestamp_to_proto(quote.estimated_delivery),
    )


def _priced_line_to_proto(priced: PricedLine) -> order_pb2.OrderItem:
    """The item that the line would become; it has no id yet."""
    line = priced.line
    return order_pb2.OrderItem(
        product_id=line.product_id,
        product_name=line.name,
        product_sku=line.sku,
        category=line.category,
        unit_price=money_to_proto(line.unit_price),
        quantity=line.quantity,
        subtotal=money_to_proto(line.subtotal),
        discount=money_to_proto(priced.discount),
        tax=_tax_to_proto(priced.tax),
        chosen_options=[
            order_pb2.ChosenOption(
                customization=option.customization,
                option_id=option.option_id,
                name=option.name,
                price_modifier=money_to_proto(option.price_modifier),
            )
            for option in line.options
        ],
        special_instructions=line.special_instructions,
    )


def timeline_entry_to_proto(entry: TimelineEntry) -> order_pb2.TimelineEntry:
    row = entry.row
    return order_pb2.TimelineEntry(
        id=str(row.id),
        version=row.version,
        status=STATUSES.to_proto(row.status),
        note=row.note or "",
        actor=row.updated_by_name or "",
        actor_id=str(row.updated_by or "") if entry.shows_account else "",
        visible_to_customer=row.visible_to_customer,
        created_at=timestamp_to_proto(row.created_at),
    )


def position_to_proto(position: CourierPosition) -> tracking_pb2.CourierPosition:
    return tracking_pb2.CourierPosition(
        id=str(position.id),
        order_id=str(position.order_id),
        location=location_to_proto(position.location),
        status=STATUSES.to_proto(position.status),
        message=position.message,
        created_at=timestamp_to_proto(position.created_at),
    )


def tracking_to_proto(tracking: Tracking) -> order_service_pb2.Tracking:
    return order_service_pb2.Tracking(
        order_id=str(tracking.order.id),
        status=STATUSES.to_proto(tracking.order.status),
        estimated_delivery_at=timestamp_to_proto(tracking.order.estimated_delivery_time),
        positions=map(position_to_proto, tracking.positions),
    )


def invoice_to_proto(view: OrderView) -> invoice_pb2.Invoice:
    """The invoice of the order: its amounts and taxes."""
    row, order = view.order, order_to_proto(view)
    message = invoice_pb2.Invoice(
        invoice_number=row.order_number,
        order_id=order.id,
        issued_at=timestamp_to_proto(row.accepted_at),
        store_id=order.store_id,
        store_name=row.store_name,
        supplier_state=row.store_state,
        supplier_gstin=row.store_gstin or "",
        place_of_supply=row.place_of_supply,
        customer_name=row.customer_name,
        items=order.items,
        amounts=order.amounts,
        payment_method=order.payment_method,
        payment_status=order.payment_status,
    )
    if order.HasField("delivery_address"):
        message.delivery_address.CopyFrom(order.delivery_address)
    return message


def order_state_to_proto(row: OrderStateRow) -> order_service_pb2.OrderState:
    return order_service_pb2.OrderState(
        order_id=str(row.order_id),
        status=STATUSES.to_proto(row.status),
        payment_status=PAYMENT_STATUSES.to_proto(row.payment_status),
        customer_id=str(row.customer_id),
        store_id=str(row.store_id),
        restock=row.restock,
    )
