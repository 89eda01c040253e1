"""Suppliers, and purchase orders from PENDING to RECEIVED."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Any, NamedTuple

import grpc
import pytest
from jainshikanji.inventory.v1.purchasing_pb2 import PurchaseOrder, PurchaseOrderStatus, Supplier
from jainshikanji.inventory.v1.purchasing_service_pb2 import (
    CancelPurchaseOrderRequest,
    ConfirmPurchaseOrderRequest,
    CreatePurchaseOrderRequest,
    CreateSupplierRequest,
    GetPurchaseOrderRequest,
    ListPurchaseOrdersRequest,
    ListSuppliersRequest,
    PurchaseOrderLineInput,
    ReceiptLine,
    ReceivePurchaseOrderRequest,
    UpdateSupplierRequest,
)
from jainshikanji.inventory.v1.purchasing_service_pb2_grpc import PurchasingServiceStub
from jainshikanji.inventory.v1.stock_service_pb2 import ListReorderProposalsRequest

from chassis import ids
from chassis.database import sql
from tests.harness import catch_error, staff
from tests.integration.inventory.shop import Shop, rupees


class ContactRow(NamedTuple):
    email: bytes
    phone: bytes
    address: bytes


GET_CONTACT = sql("SELECT email, phone, address FROM suppliers WHERE id = %(id)s", row=ContactRow)
SOON = (date.today() + timedelta(days=5)).isoformat()  # noqa: DTZ011


async def supplier(shop: Shop, **fields: Any) -> Supplier:
    fields.setdefault("name", "Lemon House")
    created: Supplier = await shop.purchasing(shop.admin).CreateSupplier(CreateSupplierRequest(**fields))
    return created


async def purchase(shop: Shop, lines: list[tuple[str, int, int]], **fields: Any) -> PurchaseOrder:
    fields.setdefault("supplier_id", (await supplier(shop)).id)
    request = CreatePurchaseOrderRequest(
        store_id=str(shop.store_id),
        items=[
            PurchaseOrderLineInput(product_id=product_id, quantity=quantity, unit_price=rupees(price))
            for product_id, quantity, price in lines
        ],
        **fields,
    )
    created: PurchaseOrder = await shop.purchasing().CreatePurchaseOrder(request)
    return created


async def confirmed(shop: Shop, lines: list[tuple[str, int, int]]) -> PurchaseOrder:
    created = await purchase(shop, lines)
    order: PurchaseOrder = await shop.purchasing().ConfirmPurchaseOrder(ConfirmPurchaseOrderRequest(id=created.id))
    return order


def receive(shop: Shop, order_id: str, lines: list[ReceiptLine], *, key: str = "", force: bool = False) -> Any:
    """The call; await it."""
    caller = shop.manager.sending(idempotency_key=key or ids.new_id().hex)
    stub = shop.platform.stub("inventory", PurchasingServiceStub, caller)
    return stub.ReceivePurchaseOrder(ReceivePurchaseOrderRequest(id=order_id, lines=lines, force=force))


# --- Suppliers --------------------------------------------------------------------------------------------------------


async def test_contact_data_of_a_supplier_is_encrypted_in_the_database(shop: Shop) -> None:
    created = await supplier(shop, email="ravi@lemons.example", phone="+91 98200 12345", address="12 Mill Road, Pune")
    assert (created.email, created.phone, created.address) == (
        "ravi@lemons.example",
        "+91 98200 12345",
        "12 Mill Road, Pune",
    )
    row = await shop.db.one(GET_CONTACT, id=created.id)
    for encrypted, plain in zip(row, (created.email, created.phone, created.address), strict=True):
        assert plain.encode() not in bytes(encrypted)


async def test_an_update_of_a_supplier_changes_only_its_fields(shop: Shop) -> None:
    created = await supplier(shop, email="ravi@lemons.example", phone="9820012345", tax_id="27AAPFU0939F1ZV")
    request = UpdateSupplierRequest(id=created.id, phone="", contact_person="R. Shah", is_active=False)
    changed = await shop.purchasing(shop.admin).UpdateSupplier(request)
    assert (changed.email, changed.phone, changed.tax_id) == (created.email, "", created.tax_id)
    assert (changed.contact_person, changed.is_active) == ("R. Shah", False)
    wrong = UpdateSupplierRequest(id=created.id, email="not an email")
    assert list((await catch_error(shop.purchasing(shop.admin).UpdateSupplier(wrong))).violations) == ["email"]
    missing = UpdateSupplierRequest(id=str(ids.new_id()), name="x")
    assert (await catch_error(shop.purchasing(shop.admin).UpdateSupplier(missing))).code == grpc.StatusCode.NOT_FOUND


async def test_managers_read_suppliers_and_only_admins_change_them(shop: Shop) -> None:
    mark = ids.new_id().hex
    for name in ("b", "A", "c"):
        await supplier(shop, name=f"{name} {mark}")
    found: list[str] = []
    request = ListSuppliersRequest(page_size=50)
    while True:
        page = await shop.purchasing().ListSuppliers(request)
        found.extend(each.name for each in page.suppliers if mark in each.name)
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert found == [f"A {mark}", f"b {mark}", f"c {mark}"]
    for caller in (shop.manager, staff(ids.new_id(), shop.store_id, "chef")):
        call = shop.purchasing(caller).CreateSupplier(CreateSupplierRequest(name="x"))
        assert (await catch_error(call)).code == grpc.StatusCode.PERMISSION_DENIED


# --- Purchase orders --------------------------------------------------------------------------------------------------


async def test_the_total_of_a_purchase_order_is_the_sum_of_its_lines(shop: Shop) -> None:
    lemons, salt = await shop.create_product(), await shop.create_product()
    order = await purchase(
        shop,
        [(lemons.id, 100, 3), (salt.id, 5, 40)],
        tax=rupees(25),
        shipping=rupees(50),
        expected_delivery_date=SOON,
        notes="before noon",
    )
    assert order.status == PurchaseOrderStatus.PENDING
    assert (order.subtotal.minor_units, order.total.minor_units) == (50000, 57500)
    assert {item.product_id: item.total_price.minor_units for item in order.items} == {
        lemons.id: 30000,
        salt.id: 20000,
    }
    assert order.po_number.startswith("PO-")
    assert (order.expected_delivery_date, order.notes, order.received_date) == (SOON, "before noon", "")
    assert await shop.purchasing().GetPurchaseOrder(GetPurchaseOrderRequest(id=order.id)) == order


async def test_an_invalid_purchase_order_is_rejected_with_its_field(shop: Shop) -> None:
    lemons = await shop.create_product()
    with pytest.raises(grpc.aio.AioRpcError, match="not valid"):
        await purchase(shop, [(lemons.id, 1, 1), (lemons.id, 2, 1)])
    with pytest.raises(grpc.aio.AioRpcError, match="not valid"):
        await purchase(shop, [(str(ids.new_id()), 1, 1)])
    with pytest.raises(grpc.aio.AioRpcError, match="not valid"):
        await purchase(shop, [(lemons.id, 1, 1)], supplier_id=str(ids.new_id()))
    with pytest.raises(grpc.aio.AioRpcError, match="not valid"):
        await purchase(shop, [(lemons.id, 100_000, 999_999)])
    inactive = await supplier(shop)
    await shop.purchasing(shop.admin).UpdateSupplier(UpdateSupplierRequest(id=inactive.id, is_active=False))
    with pytest.raises(grpc.aio.AioRpcError, match="the supplier is inactive"):
        await purchase(shop, [(lemons.id, 1, 1)], supplier_id=inactive.id)


async def test_a_purchase_order_is_received_in_parts(shop: Shop) -> None:
    lemons, salt = await shop.create_product(), await shop.create_product(stock=1)
    order = await confirmed(shop, [(lemons.id, 100, 3), (salt.id, 5, 40)])
    first = await receive(
        shop, order.id, [ReceiptLine(product_id=lemons.id, quantity=60, batch_number="L1", expiry_date=SOON)]
    )
    assert first.status == PurchaseOrderStatus.CONFIRMED
    assert {item.product_id: item.received_quantity for item in first.items} == {lemons.id: 60, salt.id: 0}
    item = await shop.get_item(lemons.id)
    assert (item.current_stock, item.batch_number, item.expiry_date) == (60, "L1", SOON)
    assert item.cost_per_unit.minor_units == 300
    assert item.HasField("last_restocked_at")
    too_much = await catch_error(receive(shop, order.id, [ReceiptLine(product_id=lemons.id, quantity=41)]))
    assert (too_much.reason, too_much.metadata["still_open"]) == ("RECEIPT_EXCEEDS_ORDER", "40")
    remaining = await receive(shop, order.id, [])
    assert remaining.status == PurchaseOrderStatus.RECEIVED
    assert remaining.received_date
    assert await shop.get_stock(lemons.id) == 100
    assert await shop.get_stock(salt.id) == 6
    over = await catch_error(receive(shop, order.id, []))
    assert (over.code, over.reason) == (grpc.StatusCode.ABORTED, "PURCHASE_ORDER_STATE")
    assert "StockRestocked" in await shop.list_event_names(lemons.id)
    await shop.assert_ledger_matches()


async def test_a_repeated_receipt_is_received_once(shop: Shop) -> None:
    lemons = await shop.create_product()
    order = await confirmed(shop, [(lemons.id, 100, 3)])
    key = ids.new_id().hex
    lines = [ReceiptLine(product_id=lemons.id, quantity=10)]
    await asyncio.gather(*(receive(shop, order.id, lines, key=key) for _ in range(6)))
    assert await shop.get_stock(lemons.id) == 10
    await shop.assert_ledger_matches()


async def test_concurrent_receipts_never_exceed_the_order(shop: Shop) -> None:
    lemons = await shop.create_product()
    order = await confirmed(shop, [(lemons.id, 30, 3)])

    async def one() -> bool:
        try:
            await receive(shop, order.id, [ReceiptLine(product_id=lemons.id, quantity=10)])
        except grpc.aio.AioRpcError:
            return False
        return True

    assert sum(await asyncio.gather(*(one() for _ in range(8)))) == 3
    assert await shop.get_stock(lemons.id) == 30
    await shop.assert_ledger_matches()


async def test_a_receipt_above_the_maximum_receives_nothing_unless_forced(shop: Shop) -> None:
    lemons, salt = await shop.create_product(), await shop.create_product()
    await shop.set_stock(salt.id, 0, min_stock=0, max_stock=3)
    order = await confirmed(shop, [(lemons.id, 10, 3), (salt.id, 5, 40)])
    error = await catch_error(receive(shop, order.id, []))
    assert (error.reason, error.metadata["product_id"]) == ("MAX_STOCK_EXCEEDED", salt.id)
    with pytest.raises(grpc.aio.AioRpcError, match="not found"):
        await shop.get_item(lemons.id)
    assert (await receive(shop, order.id, [], force=True)).status == PurchaseOrderStatus.RECEIVED
    await shop.assert_ledger_matches()


async def test_a_purchase_order_has_only_its_transitions(shop: Shop) -> None:
    lemons = await shop.create_product()
    order = await purchase(shop, [(lemons.id, 1, 1)])
    early = await catch_error(receive(shop, order.id, []))
    assert (early.reason, early.metadata) == ("PURCHASE_ORDER_STATE", {"status": "PENDING"})
    cancelled = await shop.purchasing().CancelPurchaseOrder(
        CancelPurchaseOrderRequest(id=order.id, reason="too expensive")
    )
    assert cancelled.status == PurchaseOrderStatus.CANCELLED
    late = await catch_error(shop.purchasing().ConfirmPurchaseOrder(ConfirmPurchaseOrderRequest(id=order.id)))
    assert late.reason == "PURCHASE_ORDER_STATE"
    again = shop.purchasing().CancelPurchaseOrder(CancelPurchaseOrderRequest(id=order.id, reason="x"))
    assert (await catch_error(again)).reason == "PURCHASE_ORDER_STATE"


async def test_open_purchase_orders_lower_the_proposal(shop: Shop) -> None:
    lemons = await shop.create_product(stock=5)
    order = await confirmed(shop, [(lemons.id, 100, 3)])
    await receive(shop, order.id, [ReceiptLine(product_id=lemons.id, quantity=1)])
    response = await shop.stock().ListReorderProposals(ListReorderProposalsRequest(store_id=str(shop.store_id)))
    (proposal,) = response.proposals
    assert (proposal.on_order, proposal.proposed_quantity) == (99, 1000 - 6 - 99)
    assert (proposal.supplier_id, proposal.last_unit_price.minor_units) == (order.supplier_id, 300)


async def test_managers_see_only_the_purchase_orders_of_their_stores(shop: Shop) -> None:
    lemons = await shop.create_product()
    orders = [await purchase(shop, [(lemons.id, 1, 1)]) for _ in range(3)]
    elsewhere = staff(ids.new_id(), ids.new_id(), "manager")
    request = ListPurchaseOrdersRequest(page_size=2)
    first = await shop.purchasing().ListPurchaseOrders(request)
    request.page_token = first.next_page_token
    second = await shop.purchasing().ListPurchaseOrders(request)
    assert [order.id for order in [*first.purchase_orders, *second.purchase_orders]] == [
        order.id for order in reversed(orders)
    ]
    assert not (await shop.purchasing(elsewhere).ListPurchaseOrders(ListPurchaseOrdersRequest())).purchase_orders
    narrowed = ListPurchaseOrdersRequest(store_id=str(shop.store_id), status=PurchaseOrderStatus.CONFIRMED)
    assert not (await shop.purchasing(shop.admin).ListPurchaseOrders(narrowed)).purchase_orders
    for call in (
        shop.purchasing(elsewhere).GetPurchaseOrder(GetPurchaseOrderRequest(id=orders[0].id)),
        shop.purchasing(elsewhere).ConfirmPurchaseOrder(ConfirmPurchaseOrderRequest(id=orders[0].id)),
        shop.purchasing(elsewhere).CancelPurchaseOrder(CancelPurchaseOrderRequest(id=orders[0].id, reason="x")),
    ):
        assert (await catch_error(call)).code == grpc.StatusCode.NOT_FOUND
    foreign = CreatePurchaseOrderRequest(
        supplier_id=orders[0].supplier_id,
        store_id=str(shop.store_id),
        items=[PurchaseOrderLineInput(product_id=lemons.id, quantity=1, unit_price=rupees(1))],
    )
    assert (
        await catch_error(shop.purchasing(elsewhere).CreatePurchaseOrder(foreign))
    ).code == grpc.StatusCode.NOT_FOUND
