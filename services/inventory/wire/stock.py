"""Stock, movements and reservations."""

from __future__ import annotations

from uuid import UUID

from jainshikanji.inventory.v1 import stock_service_pb2 as pb
from jainshikanji.inventory.v1.stock_pb2 import InventoryItem, StockBatch, StockMovement, StockMovementKind

from chassis.enums import EnumMapping
from chassis.errors import InvalidArgument
from chassis.money import money_to_proto
from chassis.rpc.idempotency import Claim
from chassis.timestamps import optional_datetime_from_proto, parse_optional_date, timestamp_to_proto
from services.inventory.commands import ListItems, ListMovements, RecordMovement, ReserveStock, SetStock
from services.inventory.model.stock import ADJUST, propose_quantity
from services.inventory.model.views import InventoryItemView
from services.inventory.rows import InventoryItemRow, ReorderProposalRow, StockMovementRow
from services.inventory.wire.products import UNITS
from services.inventory.wire.values import date_to_proto, optional_from_proto, optional_money_from_proto

MOVEMENT_KINDS = EnumMapping(StockMovementKind)


def list_items_from_proto(request: pb.ListInventoryItemsRequest) -> ListItems:
    return ListItems(UUID(request.store_id), request.low_only)


def list_movements_from_proto(request: pb.ListStockMovementsRequest) -> ListMovements:
    return ListMovements(
        product_id=UUID(request.product_id),
        store_id=UUID(request.store_id),
        kind=MOVEMENT_KINDS.from_proto(request.kind) if request.kind else None,
    )


def set_stock_from_proto(request: pb.SetStockRequest) -> SetStock:
    return SetStock(
        product_id=UUID(request.product_id),
        store_id=UUID(request.store_id),
        reason=request.reason,
        current_stock=optional_from_proto(request, "current_stock"),
        expected_stock=optional_from_proto(request, "expected_stock"),
        min_stock=optional_from_proto(request, "min_stock"),
        max_stock=optional_from_proto(request, "max_stock"),
        reorder_point=optional_from_proto(request, "reorder_point"),
        cost_per_unit=optional_money_from_proto(request, "cost_per_unit"),
        unit=UNITS.from_proto(request.unit) if request.unit else None,
    )


def record_movement_from_proto(request: pb.RecordStockMovementRequest, claim: Claim) -> RecordMovement:
    """The movement. Raises InvalidArgument for a negative quantity that is not a correction, and an invalid date."""
    kind = MOVEMENT_KINDS.from_proto(request.kind)
    if kind != ADJUST and request.quantity < 0:
        raise InvalidArgument("quantity", "must be above zero")
    return RecordMovement(
        product_id=UUID(request.product_id),
        store_id=UUID(request.store_id),
        kind=kind,
        quantity=request.quantity,
        reason=request.reason,
        batch_number=request.batch_number,
        expiry_date=parse_optional_date("expiryDate", request.expiry_date),
        unit_cost=optional_money_from_proto(request, "unit_cost"),
        force=request.force,
        claim=claim,
    )


def reserve_stock_from_proto(request: pb.ReserveStockRequest) -> ReserveStock:
    return ReserveStock(
        order_id=UUID(request.order_id),
        store_id=UUID(request.store_id),
        lines=[(UUID(line.product_id), line.quantity) for line in request.lines],
        expires_at=optional_datetime_from_proto(request, "expires_at"),
    )


def item_view_to_proto(view: InventoryItemView) -> InventoryItem:
    message = item_to_proto(view.item)
    message.batches.extend(
        StockBatch(
            id=str(batch.id),
            batch_number=batch.batch_number,
            expiry_date=date_to_proto(batch.expiry_date),
            received_quantity=batch.received_quantity,
            remaining_quantity=batch.remaining_quantity,
            received_at=timestamp_to_proto(batch.received_at),
        )
        for batch in view.batches
    )
    return message


def item_to_proto(row: InventoryItemRow) -> InventoryItem:
    """The stock of a product in a store, without its batches."""
    message = InventoryItem(
        product_id=str(row.product_id),
        store_id=str(row.store_id),
        product_name=row.product_name,
        sku=row.sku or "",
        current_stock=row.current_stock,
        reserved_stock=row.reserved_stock,
        min_stock=row.min_stock,
        max_stock=row.max_stock,
        reorder_point=row.reorder_point,
        is_low=row.is_low,
        unit=UNITS.to_proto(row.unit),
        last_restocked_at=timestamp_to_proto(row.last_restocked_at),
        last_stock_count_at=timestamp_to_proto(row.last_stock_count_at),
        expiry_date=date_to_proto(row.expiry_date),
        batch_number=row.batch_number or "",
        updated_at=timestamp_to_proto(row.updated_at),
    )
    if row.cost_per_unit is not None:
        message.cost_per_unit.CopyFrom(money_to_proto(row.cost_per_unit))
    return message


def movement_to_proto(row: StockMovementRow) -> StockMovement:
    return StockMovement(
        id=str(row.id),
        product_id=str(row.product_id),
        store_id=str(row.store_id),
        kind=MOVEMENT_KINDS.to_proto(row.kind),
        quantity=row.quantity,
        balance_after=row.balance_after,
        actor_id=str(row.actor_id or ""),
        actor_service=row.actor_service or "",
        reason=row.reason or "",
        order_id=str(row.order_id or ""),
        purchase_order_id=str(row.purchase_order_id or ""),
        created_at=timestamp_to_proto(row.created_at),
    )


def reorder_proposal_to_proto(row: ReorderProposalRow) -> pb.ReorderProposal:
    message = pb.ReorderProposal(
        product_id=str(row.product_id),
        product_name=row.product_name,
        current_stock=row.current_stock,
        reorder_point=row.reorder_point,
        on_order=row.on_order,
        proposed_quantity=propose_quantity(row.current_stock, row.max_stock, row.on_order),
        supplier_id=str(row.supplier_id or ""),
    )
    if row.unit_price is not None:
        message.last_unit_price.CopyFrom(money_to_proto(row.unit_price))
    return message
