"""Suppliers and purchase orders."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from jainshikanji.inventory.v1 import purchasing_service_pb2 as pb
from jainshikanji.inventory.v1.purchasing_pb2 import PurchaseOrder, PurchaseOrderItem, PurchaseOrderStatus, Supplier

from chassis.enums import EnumMapping
from chassis.money import money_from_proto, money_to_proto
from chassis.rpc.idempotency import Claim
from chassis.security.encryption import FieldCipher
from chassis.timestamps import parse_optional_date, timestamp_to_proto
from services.inventory.commands import (
    CreatePurchaseOrder,
    CreateSupplier,
    ListPurchaseOrders,
    PurchaseLine,
    ReceiptLine,
    ReceivePurchaseOrder,
    UpdateSupplier,
)
from services.inventory.model.views import PurchaseOrderView
from services.inventory.rows import PurchaseOrderRow, SupplierRow
from services.inventory.wire.values import date_to_proto, optional_from_proto, optional_uuid_from_proto

PURCHASE_ORDER_STATUSES = EnumMapping(PurchaseOrderStatus)


def create_supplier_from_proto(request: pb.CreateSupplierRequest) -> CreateSupplier:
    return CreateSupplier(
        name=request.name,
        email=request.email,
        phone=request.phone,
        address=request.address,
        contact_person=request.contact_person,
        payment_terms=request.payment_terms,
        tax_id=request.tax_id,
    )


def update_supplier_from_proto(request: pb.UpdateSupplierRequest) -> UpdateSupplier:
    return UpdateSupplier(
        supplier_id=UUID(request.id),
        name=optional_from_proto(request, "name"),
        email=optional_from_proto(request, "email"),
        phone=optional_from_proto(request, "phone"),
        address=optional_from_proto(request, "address"),
        contact_person=optional_from_proto(request, "contact_person"),
        payment_terms=optional_from_proto(request, "payment_terms"),
        tax_id=optional_from_proto(request, "tax_id"),
        is_active=optional_from_proto(request, "is_active"),
    )


def supplier_to_proto(row: SupplierRow, cipher: FieldCipher) -> Supplier:
    def decrypt(field: Literal["email", "phone", "address"]) -> str:
        encrypted: bytes | None = getattr(row, field)
        return cipher.decrypt(encrypted, f"suppliers.{field}") if encrypted is not None else ""

    return Supplier(
        id=str(row.id),
        name=row.name,
        email=decrypt("email"),
        phone=decrypt("phone"),
        address=decrypt("address"),
        contact_person=row.contact_person or "",
        payment_terms=row.payment_terms or "",
        tax_id=row.tax_id or "",
        is_active=row.is_active,
        created_at=timestamp_to_proto(row.created_at),
        updated_at=timestamp_to_proto(row.updated_at),
    )


def create_purchase_order_from_proto(request: pb.CreatePurchaseOrderRequest) -> CreatePurchaseOrder:
    return CreatePurchaseOrder(
        supplier_id=UUID(request.supplier_id),
        store_id=UUID(request.store_id),
        lines=[
            PurchaseLine(UUID(item.product_id), item.quantity, money_from_proto(item.unit_price))
            for item in request.items
        ],
        tax=money_from_proto(request.tax),
        shipping=money_from_proto(request.shipping),
        expected_delivery_date=parse_optional_date("expectedDeliveryDate", request.expected_delivery_date),
        notes=request.notes,
    )


def list_purchase_orders_from_proto(request: pb.ListPurchaseOrdersRequest) -> ListPurchaseOrders:
    return ListPurchaseOrders(
        store_id=optional_uuid_from_proto(request.store_id),
        supplier_id=optional_uuid_from_proto(request.supplier_id),
        status=PURCHASE_ORDER_STATUSES.from_proto(request.status) if request.status else None,
    )


def receive_purchase_order_from_proto(request: pb.ReceivePurchaseOrderRequest, claim: Claim) -> ReceivePurchaseOrder:
    return ReceivePurchaseOrder(
        purchase_order_id=UUID(request.id),
        lines=[
            ReceiptLine(
                product_id=UUID(line.product_id),
                quantity=line.quantity,
                batch_number=line.batch_number,
                expiry_date=parse_optional_date(f"lines[{place}].expiryDate", line.expiry_date),
            )
            for place, line in enumerate(request.lines)
        ],
        force=request.force,
        claim=claim,
    )


def purchase_order_view_to_proto(view: PurchaseOrderView) -> PurchaseOrder:
    message = purchase_order_to_proto(view.order)
    message.items.extend(
        PurchaseOrderItem(
            id=str(item.id),
            product_id=str(item.product_id),
            product_name=item.product_name,
            quantity=item.quantity,
            received_quantity=item.received_quantity,
            unit_price=money_to_proto(item.unit_price),
            total_price=money_to_proto(item.total_price),
        )
        for item in view.items
    )
    return message


def purchase_order_to_proto(row: PurchaseOrderRow) -> PurchaseOrder:
    """The purchase order without its lines."""
    return PurchaseOrder(
        id=str(row.id),
        po_number=row.po_number,
        supplier_id=str(row.supplier_id),
        store_id=str(row.store_id),
        status=PURCHASE_ORDER_STATUSES.to_proto(row.status),
        subtotal=money_to_proto(row.subtotal),
        tax=money_to_proto(row.tax),
        shipping=money_to_proto(row.shipping),
        total=money_to_proto(row.total),
        order_date=date_to_proto(row.order_date),
        expected_delivery_date=date_to_proto(row.expected_delivery_date),
        received_date=date_to_proto(row.received_date),
        notes=row.notes or "",
        created_at=timestamp_to_proto(row.created_at),
        updated_at=timestamp_to_proto(row.updated_at),
        created_by=str(row.created_by or ""),
    )
