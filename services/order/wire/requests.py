"""Requests of the order service to commands."""

from __future__ import annotations

from typing import TypeAlias, cast
from uuid import UUID

from jainshikanji.order.v1 import order_service_pb2 as pb

from chassis.rpc.idempotency import Claim
from chassis.timestamps import optional_datetime_from_proto
from services.order.commands import (
    AddTimelineNote,
    AssignOrder,
    ListOrders,
    PlaceOrder,
    ReportPosition,
    StatusFilter,
    UpdateOrderStatus,
)
from services.order.model.cart import Cart, CartLine
from services.order.wire.addresses import location_from_proto
from services.order.wire.enums import FULFILMENT_TYPES, PAYMENT_METHODS, STATUSES

CartRequest: TypeAlias = pb.CreateOrderRequest | pb.QuoteOrderRequest
# The highest version that the column can store.
_MAX_VERSION = 2**31 - 1


def cart_from_proto(request: CartRequest, customer_id: UUID) -> Cart:
    """The cart of the request, with ids in canonical form."""
    return Cart(
        customer_id=customer_id,
        store_id=UUID(request.store_id),
        fulfilment_type=FULFILMENT_TYPES.from_proto(request.fulfilment_type),
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


def place_order_from_proto(request: pb.CreateOrderRequest, customer_id: UUID, claim: Claim) -> PlaceOrder:
    return PlaceOrder(
        cart=cart_from_proto(request, customer_id),
        payment_method=PAYMENT_METHODS.from_proto(request.payment_method),
        quote=request.quote,
        delivery_instructions=request.delivery_instructions,
        special_instructions=request.special_instructions,
        claim=claim,
    )


def list_orders_from_proto(request: pb.ListOrdersRequest) -> ListOrders:
    return ListOrders(
        status=status_filter_from_proto(request.status),
        store_id=_optional_id(request.store_id),
        customer_id=_optional_id(request.customer_id),
        order_number=request.order_number.upper() or None,
        created_from=optional_datetime_from_proto(request, "created_from"),
        created_before=optional_datetime_from_proto(request, "created_before"),
    )


def status_filter_from_proto(status: int) -> StatusFilter:
    """The state; "any" for UNSPECIFIED."""
    return cast(StatusFilter, STATUSES.from_proto(status)) if status else "any"


def update_order_status_from_proto(request: pb.UpdateOrderStatusRequest) -> UpdateOrderStatus:
    return UpdateOrderStatus(
        order_id=UUID(request.id),
        status=STATUSES.from_proto(request.status),
        note=request.note,
        version=request.version if request.HasField("version") else None,
    )


def add_timeline_note_from_proto(request: pb.AddTimelineNoteRequest) -> AddTimelineNote:
    return AddTimelineNote(UUID(request.id), request.note, request.visible_to_customer)


def assign_order_from_proto(request: pb.AssignOrderRequest) -> AssignOrder:
    return AssignOrder(
        order_id=UUID(request.id),
        chef=_optional_id(request.assigned_staff_id),
        courier=_optional_id(request.delivery_person_id),
    )


def report_position_from_proto(request: pb.ReportPositionRequest) -> ReportPosition:
    return ReportPosition(UUID(request.id), location_from_proto(request.location), request.message)


def version_from_header(last_event_id: str) -> int:
    """The version after which a stream resumes; 0, its beginning, for anything but a version."""
    is_version = last_event_id.isascii() and last_event_id.isdigit() and int(last_event_id[:10]) <= _MAX_VERSION
    return int(last_event_id) if is_version else 0


def _optional_id(text: str) -> UUID | None:
    return UUID(text) if text else None
