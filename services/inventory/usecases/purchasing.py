"""Suppliers, and purchase orders from PENDING to RECEIVED."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from jainshikanji.inventory.v1 import purchasing_pb2, purchasing_service_pb2

from chassis import Call, Scope
from chassis.clock import now
from chassis.database import Row, Transaction
from chassis.errors import InvalidArgument, NotFound, Unavailable
from chassis.money import money_from_proto
from chassis.rpc import idempotency
from chassis.security.encryption import FieldCipher
from chassis.timestamps import parse_optional_date
from services.inventory import wire
from services.inventory.app import InventoryApp
from services.inventory.model import menu
from services.inventory.model import stock as rules
from services.inventory.model.refusals import ReceiptExceedsOrder, SupplierInactive
from services.inventory.queries import purchasing as q
from services.inventory.usecases import stock

ENCRYPTED = ("email", "phone", "address")
# No letter or digit that is read as another.
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_NUMBER_LENGTH = 6
_MOST = Decimal("99999999.99")


# --- Suppliers --------------------------------------------------------------------------------------------------------


async def list_suppliers(
    app: InventoryApp, request: purchasing_service_pb2.ListSuppliersRequest
) -> purchasing_service_pb2.ListSuppliersResponse:
    """By name."""
    page = app.pages.open(request, default_size=50)
    after_name, after_id = page.after or (None, None)
    rows = await app.db.all(
        q.SUPPLIERS,
        include_inactive=request.include_inactive,
        after_name=after_name,
        after_id=after_id,
        limit=page.limit,
    )
    return purchasing_service_pb2.ListSuppliersResponse(
        suppliers=[wire.supplier(row, app.cipher) for row in page.trim(rows)],
        next_page_token=page.next_token(rows, lambda row: (row.sort_name, str(row.id))),
    )


async def create_supplier(
    app: InventoryApp, request: purchasing_service_pb2.CreateSupplierRequest
) -> purchasing_pb2.Supplier:
    """Adds a supplier."""
    async with app.db.transaction() as tx:
        row = await tx.one(
            q.INSERT_SUPPLIER,
            name=request.name,
            **_sealed(app.cipher, {name: getattr(request, name) for name in ENCRYPTED}),
            contact_person=request.contact_person or None,
            payment_terms=request.payment_terms or None,
            tax_id=request.tax_id or None,
            is_active=True,
        )
    return wire.supplier(row, app.cipher)


async def update_supplier(
    app: InventoryApp, request: purchasing_service_pb2.UpdateSupplierRequest
) -> purchasing_pb2.Supplier:
    """Changes what the request says. Raises NotFound."""
    supplier_id = UUID(request.id)
    async with app.db.transaction() as tx:
        before = await tx.one(q.LOCK_SUPPLIER, supplier_id=supplier_id)
        if before is None:
            raise NotFound
        columns: dict[str, Any] = {
            name: (getattr(request, name) or None) if request.HasField(name) else getattr(before, name)
            for name in ("name", "contact_person", "payment_terms", "tax_id")
        }
        said = {name: getattr(request, name) for name in ENCRYPTED if request.HasField(name)}  # type: ignore[arg-type]
        columns |= {name: getattr(before, name) for name in ENCRYPTED} | _sealed(app.cipher, said)
        columns["is_active"] = request.is_active if request.HasField("is_active") else before.is_active
        row = await tx.one(q.UPDATE_SUPPLIER, supplier_id=supplier_id, **columns)
    return wire.supplier(row, app.cipher)


def _sealed(cipher: FieldCipher, texts: dict[str, str]) -> dict[str, bytes | None]:
    return {name: cipher.encrypt(text, f"suppliers.{name}") if text else None for name, text in texts.items()}


# --- Purchase orders --------------------------------------------------------------------------------------------------


async def list_purchase_orders(
    app: InventoryApp, scope: Scope, request: purchasing_service_pb2.ListPurchaseOrdersRequest
) -> purchasing_service_pb2.ListPurchaseOrdersResponse:
    """Newest first, those of the caller's stores."""
    page = app.pages.open(request)
    after_at, after_id = page.after or (None, None)
    rows = await app.db.all(
        q.PURCHASE_ORDERS,
        **_mine(scope),
        store_id=wire.optional_uuid(request.store_id),
        supplier_id=wire.optional_uuid(request.supplier_id),
        status=wire.PURCHASE_ORDER_STATUS.from_proto(request.status) if request.status else None,
        after_at=after_at,
        after_id=after_id,
        limit=page.limit,
    )
    return purchasing_service_pb2.ListPurchaseOrdersResponse(
        purchase_orders=[wire.purchase_order(row) for row in page.trim(rows)],
        next_page_token=page.next_token(rows, lambda row: (row.created_at.isoformat(), str(row.id))),
    )


async def get_purchase_order(app: InventoryApp, scope: Scope, order_id: UUID) -> purchasing_pb2.PurchaseOrder:
    """With its lines. Raises NotFound."""
    row = await app.db.one(q.PURCHASE_ORDER, id=order_id, **_mine(scope))
    if row is None:
        raise NotFound
    return wire.purchase_order(row, await app.db.all(q.ITEMS, purchase_order_id=order_id))


async def create_purchase_order(
    app: InventoryApp, request: purchasing_service_pb2.CreatePurchaseOrderRequest, actor: UUID
) -> purchasing_pb2.PurchaseOrder:
    """Writes a purchase order, PENDING. Raises InvalidArgument, SupplierInactive."""
    product_ids = [UUID(item.product_id) for item in request.items]
    prices = [money_from_proto(item.unit_price) for item in request.items]
    quantities = [item.quantity for item in request.items]
    subtotal = sum((price * quantity for price, quantity in zip(prices, quantities, strict=True)), menu.ZERO)
    tax, shipping = money_from_proto(request.tax), money_from_proto(request.shipping)
    _check_lines(product_ids, subtotal + tax + shipping)
    async with app.db.transaction() as tx:
        await _check_supplier(tx, UUID(request.supplier_id))
        await _check_products(tx, product_ids)
        order_id = await _insert(
            tx,
            supplier_id=UUID(request.supplier_id),
            store_id=UUID(request.store_id),
            subtotal=subtotal,
            tax=tax,
            shipping=shipping,
            total=subtotal + tax + shipping,
            order_date=menu.today(now()),
            expected_delivery_date=parse_optional_date("expectedDeliveryDate", request.expected_delivery_date),
            notes=request.notes or None,
            created_by=actor,
        )
        await tx.run(
            q.INSERT_ITEMS,
            purchase_order_id=order_id,
            product_ids=product_ids,
            quantities=quantities,
            unit_prices=prices,
        )
        return await _read(tx, order_id)


async def confirm_purchase_order(app: InventoryApp, scope: Scope, order_id: UUID) -> purchasing_pb2.PurchaseOrder:
    """PENDING → CONFIRMED. Raises NotFound, PurchaseOrderState."""
    async with app.db.transaction() as tx:
        await _step(tx, scope, order_id, rules.CONFIRMED)
        return await _read(tx, order_id)


async def cancel_purchase_order(
    app: InventoryApp, scope: Scope, order_id: UUID, reason: str
) -> purchasing_pb2.PurchaseOrder:
    """PENDING or CONFIRMED → CANCELLED; what had come stays. Raises NotFound, PurchaseOrderState."""
    async with app.db.transaction() as tx:
        await _step(tx, scope, order_id, rules.CANCELLED, reason=reason)
        return await _read(tx, order_id)


async def receive_purchase_order(
    app: InventoryApp, call: Call, request: purchasing_service_pb2.ReceivePurchaseOrderRequest, actor: UUID
) -> purchasing_pb2.PurchaseOrder:
    """Goods of a CONFIRMED order came; RECEIVED once everything is there. Once per Idempotency-Key.

    Raises NotFound, PurchaseOrderState, ReceiptExceedsOrder, MaxStockExceeded, InvalidArgument.
    """
    order_id = UUID(request.id)

    async def work(tx: Transaction) -> UUID:
        order = await _lock(tx, call.scope, order_id)
        rules.check_step(order.status, rules.RECEIVED)
        items = {item.product_id: item for item in await tx.all(q.ITEMS, purchase_order_id=order_id)}
        goods = _came(request, items)
        cause = stock.Cause(rules.RECEIVE, actor, order.po_number, order_id)
        await stock.receive(app, tx, order.store_id, goods, cause, force=request.force)
        for each in goods:
            await tx.run(q.ADD_RECEIVED, purchase_order_id=order_id, product_id=each.product_id, quantity=each.quantity)
        arrived = {each.product_id: each.quantity for each in goods}
        if all(item.received_quantity + arrived.get(item.product_id, 0) == item.quantity for item in items.values()):
            await tx.run(q.SET_STATUS, id=order_id, status=rules.RECEIVED, received_date=menu.today(now()), reason=None)
        return order_id

    await idempotency.run_once(app.db, idempotency.Claim.of(call), work)
    return await get_purchase_order(app, call.scope, order_id)


def _came(request: purchasing_service_pb2.ReceivePurchaseOrderRequest, items: dict[UUID, Row]) -> list[rules.Goods]:
    """The goods of a receipt: everything that is open when no lines are given."""
    if not request.lines:
        return [
            rules.Goods(item.product_id, item.quantity - item.received_quantity, unit_cost=item.unit_price)
            for item in items.values()
            if item.quantity > item.received_quantity
        ]
    goods: list[rules.Goods] = []
    for place, line in enumerate(request.lines):
        product_id = UUID(line.product_id)
        item = items.get(product_id)
        if item is None or any(each.product_id == product_id for each in goods):
            raise InvalidArgument(f"lines[{place}].productId", "is not on this purchase order, or is there twice")
        still_open = item.quantity - item.received_quantity
        if line.quantity > still_open:
            raise ReceiptExceedsOrder(product_id, still_open)
        expiry = stock.expiry_date(line.expiry_date, f"lines[{place}].expiryDate")
        goods.append(rules.Goods(product_id, line.quantity, line.batch_number, expiry, item.unit_price))
    return goods


def _check_lines(product_ids: Sequence[UUID], total: Decimal) -> None:
    if len(set(product_ids)) < len(product_ids):
        raise InvalidArgument("items", "must name each product once")
    if total > _MOST:
        raise InvalidArgument("items", f"must not come to more than {_MOST}")


async def _check_supplier(tx: Transaction, supplier_id: UUID) -> None:
    row = await tx.one(q.SUPPLIER, supplier_id=supplier_id)
    if row is None:
        raise InvalidArgument("supplierId", "is not a supplier")
    if not row.is_active:
        raise SupplierInactive(supplier_id)


async def _check_products(tx: Transaction, product_ids: Sequence[UUID]) -> None:
    known = {row.id for row in await tx.all(q.KNOWN_PRODUCTS, product_ids=list(product_ids))}
    for place, product_id in enumerate(product_ids):
        if product_id not in known:
            raise InvalidArgument(f"items[{place}].productId", "is not a product")


async def _insert(tx: Transaction, **columns: Any) -> UUID:
    """Inserts a purchase order with a number that is readable and not taken."""
    day: date = columns["order_date"]
    for _ in range(5):
        tail = "".join(secrets.choice(_ALPHABET) for _ in range(_NUMBER_LENGTH))
        order_id: UUID | None = await tx.value(q.INSERT_PURCHASE_ORDER, po_number=f"PO-{day:%Y%m%d}-{tail}", **columns)
        if order_id is not None:
            return order_id
    raise Unavailable("no free purchase order number was found; try again")


async def _step(tx: Transaction, scope: Scope, order_id: UUID, to: str, reason: str | None = None) -> None:
    order = await _lock(tx, scope, order_id)
    rules.check_step(order.status, to)
    await tx.run(q.SET_STATUS, id=order_id, status=to, received_date=None, reason=reason)


async def _lock(tx: Transaction, scope: Scope, order_id: UUID) -> Row:
    row = await tx.one(q.LOCK_PURCHASE_ORDER, id=order_id, **_mine(scope))
    if row is None:
        raise NotFound
    return row


async def _read(tx: Transaction, order_id: UUID) -> purchasing_pb2.PurchaseOrder:
    row = await tx.one(q.PURCHASE_ORDER, id=order_id, everything=True, tenants=[])
    assert row is not None
    return wire.purchase_order(row, await tx.all(q.ITEMS, purchase_order_id=order_id))


def _mine(scope: Scope) -> dict[str, Any]:
    return {"everything": scope.everything, "tenants": scope.tenants}
