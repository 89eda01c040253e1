"""Purchase orders, from PENDING to RECEIVED."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from chassis import Caller
from chassis.clock import now
from chassis.database import Transaction
from chassis.database.rows import arrays, parameters
from chassis.errors import InvalidArgument, NotFound, Unavailable
from chassis.rpc import idempotency
from chassis.rpc.call import Scope
from chassis.rpc.pagination import Page
from services.inventory import queries
from services.inventory.app import InventoryApp
from services.inventory.commands import CreatePurchaseOrder, ListPurchaseOrders, ReceiptLine, ReceivePurchaseOrder
from services.inventory.errors import ReceiptExceedsOrder, SupplierInactive
from services.inventory.model.menu import ZERO, local_date
from services.inventory.model.stock import CANCELLED, CONFIRMED, RECEIVE, RECEIVED, Goods, check_transition
from services.inventory.model.views import PurchaseOrderView
from services.inventory.rows import NewPurchaseOrder, NewPurchaseOrderItem, PurchaseOrderItemRow, PurchaseOrderRow
from services.inventory.usecases.stock import Cause, check_expiry_date, receive_goods

# Without letters and digits that are easily confused.
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_NUMBER_LENGTH = 6
_NUMBER_ATTEMPTS = 5
_MAX_TOTAL = Decimal("99999999.99")


async def list_purchase_orders(
    app: InventoryApp, caller: Caller, command: ListPurchaseOrders, page: Page
) -> list[PurchaseOrderRow]:
    """A page of the purchase orders of the caller's stores, newest first, with one row more than the page shows."""
    after_at, after_id = page.after or (None, None)
    return await app.db.all(
        queries.purchasing.LIST_PURCHASE_ORDERS,
        **_scope_parameters(caller.scope),
        **parameters(command),
        after_at=after_at,
        after_id=after_id,
        limit=page.limit,
    )


async def get_purchase_order(app: InventoryApp, caller: Caller, order_id: UUID) -> PurchaseOrderView:
    """The purchase order. Raises NotFound outside the caller's scope."""
    order = await app.db.one(queries.purchasing.GET_PURCHASE_ORDER, id=order_id, **_scope_parameters(caller.scope))
    if order is None:
        raise NotFound
    return PurchaseOrderView(order, await app.db.all(queries.purchasing.LIST_ITEMS, purchase_order_id=order_id))


async def create_purchase_order(app: InventoryApp, caller: Caller, command: CreatePurchaseOrder) -> PurchaseOrderView:
    """Adds a purchase order in state PENDING. Raises InvalidArgument, SupplierInactive."""
    product_ids = [line.product_id for line in command.lines]
    subtotal = sum((line.unit_price * line.quantity for line in command.lines), ZERO)
    total = subtotal + command.tax + command.shipping
    _check_lines(product_ids, total)
    async with app.db.transaction() as tx:
        await _check_supplier(tx, command.supplier_id)
        await _check_products(tx, product_ids)
        order_id = await _insert_order(
            tx,
            NewPurchaseOrder(
                po_number="",
                supplier_id=command.supplier_id,
                store_id=command.store_id,
                subtotal=subtotal,
                tax=command.tax,
                shipping=command.shipping,
                total=total,
                order_date=local_date(now()),
                expected_delivery_date=command.expected_delivery_date,
                notes=command.notes or None,
                created_by=caller.account,
            ),
        )
        items = [
            NewPurchaseOrderItem(
                order_id, line.product_id, line.quantity, line.unit_price, line.unit_price * line.quantity
            )
            for line in command.lines
        ]
        await tx.run(queries.purchasing.INSERT_ITEMS, **arrays(NewPurchaseOrderItem, items))
        return await _get_existing_order(tx, order_id)


async def confirm_purchase_order(app: InventoryApp, caller: Caller, order_id: UUID) -> PurchaseOrderView:
    """PENDING to CONFIRMED. Raises NotFound, PurchaseOrderState."""
    async with app.db.transaction() as tx:
        await _set_status(tx, caller.scope, order_id, CONFIRMED)
        return await _get_existing_order(tx, order_id)


async def cancel_purchase_order(app: InventoryApp, caller: Caller, order_id: UUID, reason: str) -> PurchaseOrderView:
    """PENDING or CONFIRMED to CANCELLED; received units stay in stock. Raises NotFound, PurchaseOrderState."""
    async with app.db.transaction() as tx:
        await _set_status(tx, caller.scope, order_id, CANCELLED, reason=reason)
        return await _get_existing_order(tx, order_id)


async def receive_purchase_order(app: InventoryApp, caller: Caller, command: ReceivePurchaseOrder) -> PurchaseOrderView:
    """Receives units of a CONFIRMED order, which becomes RECEIVED with the last unit. Once per Idempotency-Key.

    Raises NotFound, PurchaseOrderState, ReceiptExceedsOrder, MaxStockExceeded, InvalidArgument.
    """
    order_id = command.purchase_order_id

    async def work(tx: Transaction) -> UUID:
        order = await _lock_order(tx, caller.scope, order_id)
        check_transition(order.status, RECEIVED)
        rows = await tx.all(queries.purchasing.LIST_ITEMS, purchase_order_id=order_id)
        items = {item.product_id: item for item in rows}
        goods = _list_goods(command.lines, items)
        cause = Cause(RECEIVE, caller.account, order.po_number, order_id)
        await receive_goods(app, tx, order.store_id, goods, cause, force=command.force)
        for each in goods:
            await tx.run(
                queries.purchasing.ADD_RECEIVED,
                purchase_order_id=order_id,
                product_id=each.product_id,
                quantity=each.quantity,
            )
        received = {each.product_id: each.quantity for each in goods}
        if all(item.received_quantity + received.get(item.product_id, 0) == item.quantity for item in items.values()):
            await tx.run(
                queries.purchasing.SET_STATUS,
                id=order_id,
                status=RECEIVED,
                received_date=local_date(now()),
                reason=None,
            )
        return order_id

    await idempotency.run_once(app.db, command.claim, work)
    return await get_purchase_order(app, caller, order_id)


def _list_goods(lines: Sequence[ReceiptLine], items: Mapping[UUID, PurchaseOrderItemRow]) -> list[Goods]:
    """The units of a receipt: everything that is open when it has no lines."""
    if not lines:
        return [
            Goods(item.product_id, item.quantity - item.received_quantity, unit_cost=item.unit_price)
            for item in items.values()
            if item.quantity > item.received_quantity
        ]
    goods: list[Goods] = []
    for place, line in enumerate(lines):
        item = items.get(line.product_id)
        if item is None or any(each.product_id == line.product_id for each in goods):
            raise InvalidArgument(f"lines[{place}].productId", "is not on this purchase order, or occurs twice")
        still_open = item.quantity - item.received_quantity
        if line.quantity > still_open:
            raise ReceiptExceedsOrder(line.product_id, still_open)
        check_expiry_date(line.expiry_date, f"lines[{place}].expiryDate")
        goods.append(Goods(line.product_id, line.quantity, line.batch_number, line.expiry_date, item.unit_price))
    return goods


def _check_lines(product_ids: Sequence[UUID], total: Decimal) -> None:
    if len(set(product_ids)) < len(product_ids):
        raise InvalidArgument("items", "must name each product once")
    if total > _MAX_TOTAL:
        raise InvalidArgument("items", f"must not cost more than {_MAX_TOTAL}")


async def _check_supplier(tx: Transaction, supplier_id: UUID) -> None:
    supplier = await tx.one(queries.purchasing.GET_SUPPLIER, supplier_id=supplier_id)
    if supplier is None:
        raise InvalidArgument("supplierId", "is not a supplier")
    if not supplier.is_active:
        raise SupplierInactive(supplier_id)


async def _check_products(tx: Transaction, product_ids: Sequence[UUID]) -> None:
    known = set(await tx.all(queries.purchasing.LIST_KNOWN_PRODUCTS, product_ids=list(product_ids)))
    for place, product_id in enumerate(product_ids):
        if product_id not in known:
            raise InvalidArgument(f"items[{place}].productId", "is not a product")


async def _insert_order(tx: Transaction, order: NewPurchaseOrder) -> UUID:
    """Inserts the purchase order with a free, readable number."""
    for _ in range(_NUMBER_ATTEMPTS):
        tail = "".join(secrets.choice(_ALPHABET) for _ in range(_NUMBER_LENGTH))
        numbered = replace(order, po_number=f"PO-{order.order_date:%Y%m%d}-{tail}")
        order_id = await tx.one(queries.purchasing.INSERT_PURCHASE_ORDER, **parameters(numbered))
        if order_id is not None:
            return order_id
    raise Unavailable("no free purchase order number was found; try again")


async def _set_status(tx: Transaction, scope: Scope, order_id: UUID, status: str, reason: str | None = None) -> None:
    order = await _lock_order(tx, scope, order_id)
    check_transition(order.status, status)
    await tx.run(queries.purchasing.SET_STATUS, id=order_id, status=status, received_date=None, reason=reason)


async def _lock_order(tx: Transaction, scope: Scope, order_id: UUID) -> PurchaseOrderRow:
    row = await tx.one(queries.purchasing.LOCK_PURCHASE_ORDER, id=order_id, **_scope_parameters(scope))
    if row is None:
        raise NotFound
    return row


async def _get_existing_order(tx: Transaction, order_id: UUID) -> PurchaseOrderView:
    order = await tx.one(queries.purchasing.GET_PURCHASE_ORDER, id=order_id, everything=True, tenants=[])
    assert order is not None
    return PurchaseOrderView(order, await tx.all(queries.purchasing.LIST_ITEMS, purchase_order_id=order_id))


def _scope_parameters(scope: Scope) -> dict[str, Any]:
    return {"everything": scope.everything, "tenants": scope.tenants}
