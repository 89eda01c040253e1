"""Orders, quotes, histories, positions and invoices as the contract shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from jainshikanji.order.v1 import invoice_pb2, order_pb2, order_service_pb2, quote_pb2, tracking_pb2

from chassis.security.encryption import FieldCipher
from chassis.timestamps import timestamp_to_proto
from services.order.model.pricing import Option, Price, PricedLine, Tax
from services.order.wire.contacts import Contact, unseal_position
from services.order.wire.words import FULFILMENT, PAYMENT_METHOD, PAYMENT_STATUS, REASON, STATUS, money


class ItemRow(NamedTuple):
    """An item as statements carry it: a JSON array with these places, amounts in minor units."""

    id: str
    product_id: str
    product_name: str
    product_sku: str | None
    category: str | None
    unit_price: int
    quantity: int
    subtotal: int
    discount: int
    tax_rate: int
    cgst: int
    sgst: int
    igst: int
    customizations: list[dict[str, Any]] | None
    special_instructions: str | None


def item_row(item_id: str, priced: PricedLine) -> ItemRow:
    """A priced line as statements carry it."""
    line, tax = priced.line, priced.tax
    return ItemRow(
        item_id,
        line.product_id,
        line.name,
        line.sku or None,
        line.category or None,
        line.unit_price,
        line.quantity,
        line.subtotal,
        priced.discount,
        tax.rate,
        tax.cgst,
        tax.sgst,
        tax.igst,
        [_option_row(option) for option in line.options],
        line.special_instructions or None,
    )


def _option_row(option: Option) -> dict[str, Any]:
    return {
        "customization": option.customization,
        "option_id": option.option_id,
        "name": option.name,
        "price_modifier": option.price_modifier,
    }


def order(row: Any, contact: Contact | None) -> order_pb2.Order:
    """A whole order. Without a contact it is as the kitchen sees it: nobody's email, phone or address."""
    items = [ItemRow(*item) for item in row.items]
    message = order_pb2.Order(
        id=str(row.id),
        version=row.version,
        order_number=row.order_number,
        customer_id=str(row.customer_id),
        customer_name=row.customer_name,
        store_id=str(row.store_id),
        store_name=row.store_name,
        status=STATUS.to_proto(row.status),
        payment_status=PAYMENT_STATUS.to_proto(row.payment_status),
        payment_method=PAYMENT_METHOD.to_proto(row.payment_method),
        fulfilment_type=FULFILMENT.to_proto(row.delivery_type),
        items=[_item(item) for item in items],
        amounts=_amounts(row, items),
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
        message.cancellation_reason = REASON.to_proto(row.cancellation_code)
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
            message.delivery_address.CopyFrom(contact.address)
    return message


def _item(row: ItemRow) -> order_pb2.OrderItem:
    return order_pb2.OrderItem(
        id=row.id,
        product_id=row.product_id,
        product_name=row.product_name,
        product_sku=row.product_sku or "",
        category=row.category or "",
        unit_price=money(row.unit_price),
        quantity=row.quantity,
        subtotal=money(row.subtotal),
        discount=money(row.discount),
        tax=_tax(Tax(row.tax_rate, row.subtotal - row.discount, row.cgst, row.sgst, row.igst)),
        chosen_options=[
            order_pb2.ChosenOption(
                customization=option["customization"],
                option_id=option["option_id"],
                name=option["name"],
                price_modifier=money(option["price_modifier"]),
            )
            for option in row.customizations or ()
        ],
        special_instructions=row.special_instructions or "",
    )


def _tax(tax: Tax) -> order_pb2.LineTax:
    return order_pb2.LineTax(
        rate_basis_points=tax.rate,
        taxable=money(tax.taxable),
        cgst=money(tax.cgst),
        sgst=money(tax.sgst),
        igst=money(tax.igst),
    )


def _amounts(row: Any, items: Sequence[ItemRow]) -> order_pb2.Amounts:
    delivery = Tax(row.delivery_tax_rate, row.delivery_fee, row.delivery_cgst, row.delivery_sgst, row.delivery_igst)
    return order_pb2.Amounts(
        subtotal=money(row.subtotal),
        discount=money(row.discount),
        loyalty_discount=money(row.loyalty_discount),
        delivery_fee=money(row.delivery_fee),
        delivery_tax=_tax(delivery),
        cgst=money(delivery.cgst + sum(item.cgst for item in items)),
        sgst=money(delivery.sgst + sum(item.sgst for item in items)),
        igst=money(delivery.igst + sum(item.igst for item in items)),
        tax=money(row.tax),
        total=money(row.total),
    )


def quote(token: str, expires: Any, price: Price, points_used: int, estimated: Any) -> quote_pb2.Quote:
    """A price that holds until `expires`."""
    return quote_pb2.Quote(
        quote=token,
        expires_at=timestamp_to_proto(expires),
        items=[_item(item_row("", priced)) for priced in price.lines],
        amounts=order_pb2.Amounts(
            subtotal=money(price.subtotal),
            discount=money(price.discount),
            loyalty_discount=money(price.loyalty_discount),
            delivery_fee=money(price.delivery_fee),
            delivery_tax=_tax(price.delivery_tax),
            cgst=money(price.cgst),
            sgst=money(price.sgst),
            igst=money(price.igst),
            tax=money(price.tax),
            total=money(price.total),
        ),
        loyalty_points_redeemed=points_used,
        estimated_delivery_at=timestamp_to_proto(estimated),
    )


def timeline_entry(row: Any, *, for_staff: bool) -> order_pb2.TimelineEntry:
    """A line of the history. Customers do not see whose account did it."""
    return order_pb2.TimelineEntry(
        id=str(row.id),
        version=row.version,
        status=STATUS.to_proto(row.status),
        note=row.note or "",
        actor=row.updated_by_name or "",
        actor_id=str(row.updated_by or "") if for_staff else "",
        visible_to_customer=row.visible_to_customer,
        created_at=timestamp_to_proto(row.created_at),
    )


def position(row: Any, cipher: FieldCipher) -> tracking_pb2.CourierPosition:
    """Where the courier was."""
    return tracking_pb2.CourierPosition(
        id=str(row.id),
        order_id=str(row.order_id),
        location=unseal_position(row, cipher),
        status=STATUS.to_proto(row.status),
        message=row.message or "",
        created_at=timestamp_to_proto(row.created_at),
    )


def invoice(row: Any, contact: Contact) -> invoice_pb2.Invoice:
    """What the order cost and which tax it bore."""
    whole = order(row, contact)
    message = invoice_pb2.Invoice(
        invoice_number=row.order_number,
        order_id=whole.id,
        issued_at=timestamp_to_proto(row.accepted_at),
        store_id=whole.store_id,
        store_name=row.store_name,
        supplier_state=row.store_state,
        supplier_gstin=row.store_gstin or "",
        place_of_supply=row.place_of_supply,
        customer_name=row.customer_name,
        items=whole.items,
        amounts=whole.amounts,
        payment_method=whole.payment_method,
        payment_status=whole.payment_status,
    )
    if contact.address is not None:
        message.delivery_address.CopyFrom(contact.address)
    return message


def state(row: Any) -> order_service_pb2.OrderState:
    """What other services may know of an order."""
    return order_service_pb2.OrderState(
        order_id=str(row.order_id),
        status=STATUS.to_proto(row.status),
        payment_status=PAYMENT_STATUS.to_proto(row.payment_status),
        customer_id=str(row.customer_id),
        store_id=str(row.store_id),
        restock=row.restock,
    )
