"""Stock that people count, receive and discard."""

from __future__ import annotations

import asyncio
import random
from datetime import date, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import grpc
import pytest
from jainshikanji.inventory.v1.stock_pb2 import InventoryItem, StockMovementKind
from jainshikanji.inventory.v1.stock_service_pb2 import (
    GetInventoryItemRequest,
    ListInventoryItemsRequest,
    ListReorderProposalsRequest,
    ListStockMovementsRequest,
    RecordStockMovementRequest,
    SetStockRequest,
)
from jainshikanji.inventory.v1.stock_service_pb2_grpc import StockServiceStub

from chassis import ids
from chassis.clock import now
from chassis.database import sql
from chassis.events import outbox
from services.inventory import queries
from tests.harness import catch_error, customer, staff
from tests.integration.inventory.shop import Shop, rupees

RECEIVE, ADJUST, SPOIL = StockMovementKind.RECEIVE, StockMovementKind.ADJUST, StockMovementKind.SPOIL
SOON = (date.today() + timedelta(days=5)).isoformat()  # noqa: DTZ011
LATE = (date.today() + timedelta(days=50)).isoformat()  # noqa: DTZ011


class UpdatesRow(NamedTuple):
    n_tup_upd: int
    n_tup_hot_upd: int


# The updates of the present transaction.
COUNT_UPDATES = sql(
    "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relname = 'inventory'", row=UpdatesRow
)
TAKE_TOO_MUCH = sql("UPDATE inventory SET current_stock = current_stock - 6 WHERE product_id = %(id)s")


async def record(
    shop: Shop, product_id: str, kind: StockMovementKind.Value.ValueType, quantity: int, *, key: str = "", **more: Any
) -> InventoryItem:
    request = RecordStockMovementRequest(
        product_id=product_id, store_id=str(shop.store_id), kind=kind, quantity=quantity, reason="by hand", **more
    )
    caller = shop.manager.sending(idempotency_key=key or ids.new_id().hex)
    stub = shop.platform.stub("inventory", StockServiceStub, caller)
    item: InventoryItem = await stub.RecordStockMovement(request)
    return item


async def test_a_count_records_an_adjustment_with_its_reason(shop: Shop) -> None:
    tea = await shop.create_product()
    item = await shop.set_stock(tea.id, 12, min_stock=3, max_stock=50, reorder_point=6, cost_per_unit=rupees(7))
    assert (item.current_stock, item.min_stock, item.max_stock, item.reorder_point) == (12, 3, 50, 6)
    assert item.cost_per_unit.minor_units == 700
    await shop.set_stock(tea.id, 9)
    await shop.set_stock(tea.id, 9)
    assert await shop.list_movements(tea.id) == [("adjust", 12, 12), ("adjust", -3, 9), ("adjust", 0, 9)]
    request = ListStockMovementsRequest(product_id=tea.id, store_id=str(shop.store_id), page_size=2)
    page = await shop.stock().ListStockMovements(request)
    assert [movement.quantity for movement in page.movements] == [0, -3]
    assert page.movements[0].reason == "counted"
    assert page.movements[0].actor_id
    request.page_token = page.next_page_token
    second = await shop.stock().ListStockMovements(request)
    assert [movement.quantity for movement in second.movements] == [12]
    assert not second.next_page_token
    await shop.assert_ledger_matches()


async def test_thresholds_change_without_a_count(shop: Shop) -> None:
    tea = await shop.create_product(stock=5)
    item = await shop.set_stock(tea.id, None, min_stock=5)
    assert (item.current_stock, item.is_low) == (5, True)
    assert len(await shop.list_movements(tea.id)) == 1
    wrong = SetStockRequest(product_id=tea.id, store_id=str(shop.store_id), reason="x", min_stock=9, max_stock=8)
    assert "maxStock" in (await catch_error(shop.stock().SetStock(wrong))).violations


async def test_a_count_of_a_changed_stock_is_rejected(shop: Shop) -> None:
    tea = await shop.create_product(stock=5)
    request = SetStockRequest(
        product_id=tea.id, store_id=str(shop.store_id), reason="x", current_stock=9, expected_stock=4
    )
    error = await catch_error(shop.stock().SetStock(request))
    assert (error.code, error.reason) == (grpc.StatusCode.ABORTED, "STOCK_CHANGED")
    assert error.metadata == {"current_stock": "5"}


async def test_units_that_expire_first_are_consumed_first(shop: Shop) -> None:
    tea = await shop.create_product(stock=2)
    await record(shop, tea.id, RECEIVE, 10, batch_number="L", expiry_date=LATE)
    item = await record(shop, tea.id, RECEIVE, 4, batch_number="S", expiry_date=SOON, unit_cost=rupees(3))
    assert (item.current_stock, item.batch_number, item.expiry_date) == (16, "S", SOON)
    assert item.cost_per_unit.minor_units == 300

    async def batches() -> list[tuple[str, int]]:
        return [(batch.batch_number, batch.remaining_quantity) for batch in (await shop.get_item(tea.id)).batches]

    assert await batches() == [("S", 4), ("L", 10), ("", 2)]
    order = ids.new_id()
    await shop.reserve(order, [(tea.id, 6)])
    assert await batches() == [("S", 4), ("L", 10), ("", 2)]
    await shop.consume(shop.confirmed(order))
    assert await batches() == [("L", 8), ("", 2)]
    await record(shop, tea.id, SPOIL, 9)
    assert await batches() == [("", 1)]
    await shop.consume(shop.cancelled(order))
    # Returned units are added to the batches in reverse order.
    assert await batches() == [("L", 5), ("", 2)]
    await shop.assert_ledger_matches()


async def test_a_receipt_above_the_maximum_must_be_forced(shop: Shop) -> None:
    tea = await shop.create_product()
    await shop.set_stock(tea.id, 5, min_stock=0, max_stock=10)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await record(shop, tea.id, RECEIVE, 6)
    assert "MAX_STOCK_EXCEEDED" in str(caught.value.trailing_metadata())
    assert (await record(shop, tea.id, RECEIVE, 6, force=True)).current_stock == 11
    await shop.assert_ledger_matches()


async def test_a_movement_cannot_exceed_the_stock(shop: Shop) -> None:
    tea = await shop.create_product(stock=5)
    for kind, quantity in ((SPOIL, 6), (ADJUST, -6)):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await record(shop, tea.id, kind, quantity)
        assert "INSUFFICIENT_STOCK" in str(caught.value.trailing_metadata())
    assert (await record(shop, tea.id, ADJUST, -5)).current_stock == 0
    await shop.assert_ledger_matches()


async def test_the_database_rejects_a_negative_stock(shop: Shop) -> None:
    tea = await shop.create_product(stock=5)
    with pytest.raises(Exception, match="inventory_stock_not_negative"):
        await shop.db.run(TAKE_TOO_MUCH, id=tea.id)


async def test_concurrent_requests_with_one_key_record_once(shop: Shop) -> None:
    tea = await shop.create_product(stock=5)
    caller = shop.manager.sending(idempotency_key=ids.new_id().hex)
    stub = shop.platform.stub("inventory", StockServiceStub, caller)
    request = RecordStockMovementRequest(
        product_id=tea.id, store_id=str(shop.store_id), kind=RECEIVE, quantity=3, reason="delivery"
    )
    items = await asyncio.gather(*(stub.RecordStockMovement(request) for _ in range(8)))
    assert {item.current_stock for item in items} == {8}
    request.quantity = 4
    assert (await catch_error(stub.RecordStockMovement(request))).reason == "KEY_REUSED"
    request.quantity = 3
    without = await catch_error(shop.stock().RecordStockMovement(request))
    assert list(without.violations) == ["Idempotency-Key"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": RECEIVE, "quantity": -1}, "quantity"),
        ({"kind": SPOIL, "quantity": -1}, "quantity"),
        ({"kind": ADJUST, "quantity": 0}, "quantity"),
        ({"kind": RECEIVE, "quantity": -1, "expiry_date": "2025-13-01"}, "quantity"),
        ({"kind": StockMovementKind.RESERVE, "quantity": 1}, "kind"),
        ({"kind": SPOIL, "quantity": 1, "batch_number": "x"}, "kind"),
        ({"kind": RECEIVE, "quantity": 1, "expiry_date": "2025-13-01"}, "expiryDate"),
        ({"kind": RECEIVE, "quantity": 1, "expiry_date": "2020-01-01"}, "expiryDate"),
        ({"kind": RECEIVE, "quantity": 1, "reason": ""}, "reason"),
    ],
)
async def test_invalid_movements_are_rejected_with_their_field(shop: Shop, fields: dict[str, Any], field: str) -> None:
    tea = await shop.create_product(stock=5)
    request = RecordStockMovementRequest(
        **{"product_id": tea.id, "store_id": str(shop.store_id), "reason": "x", **fields}
    )
    stub = shop.platform.stub("inventory", StockServiceStub, shop.manager.sending(idempotency_key=ids.new_id().hex))
    error = await catch_error(stub.RecordStockMovement(request))
    assert (error.code, list(error.violations)) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


async def test_each_crossed_threshold_publishes_one_event(shop: Shop) -> None:
    tea = await shop.create_product()
    await shop.set_stock(tea.id, 10, min_stock=4)
    orders = [ids.new_id() for _ in range(4)]
    for order, quantity in zip(orders, (5, 1, 3, 1), strict=True):  # 5, 4 low, 1, 0 out
        await shop.reserve(order, [(tea.id, quantity)])
    await shop.release(orders[3])  # 1: back in stock, still low
    await shop.set_stock(tea.id, 3)
    await shop.set_stock(tea.id, 9)  # above the minimum
    await shop.set_stock(tea.id, None, min_stock=9)  # low by decree
    names = [name for name in await shop.list_event_names(tea.id) if name != "ProductCreated"]
    assert names == [
        "StockRestocked",
        "StockLow",
        "ProductOutOfStock",
        "StockRestocked",
        "StockRestocked",
        "StockLow",
    ]


async def test_the_stock_of_a_store_is_paged_by_name(shop: Shop) -> None:
    for name, stock in (("b", 50), ("A", 3), ("c", 3)):
        product = await shop.create_product(name=name)
        await shop.set_stock(product.id, stock, min_stock=5)
    request = ListInventoryItemsRequest(store_id=str(shop.store_id), page_size=2)
    first = await shop.stock().ListInventoryItems(request)
    request.page_token = first.next_page_token
    second = await shop.stock().ListInventoryItems(request)
    assert [item.product_name for item in [*first.items, *second.items]] == ["A", "b", "c"]
    low = await shop.stock().ListInventoryItems(ListInventoryItemsRequest(store_id=str(shop.store_id), low_only=True))
    assert [item.product_name for item in low.items] == ["A", "c"]


async def test_products_at_their_reorder_point_are_proposed(shop: Shop) -> None:
    plenty, scarce = await shop.create_product(name="plenty"), await shop.create_product(name="scarce")
    await shop.set_stock(plenty.id, 30, max_stock=40)
    await shop.set_stock(scarce.id, 15, max_stock=40)
    response = await shop.stock().ListReorderProposals(ListReorderProposalsRequest(store_id=str(shop.store_id)))
    (proposal,) = response.proposals
    assert (proposal.product_id, proposal.proposed_quantity, proposal.on_order) == (scarce.id, 25, 0)
    assert not proposal.supplier_id


async def test_only_managers_of_the_store_see_its_stock(shop: Shop) -> None:
    tea = await shop.create_product(stock=5)
    request = GetInventoryItemRequest(product_id=tea.id, store_id=str(shop.store_id))
    chef = staff(ids.new_id(), shop.store_id, "chef")
    elsewhere = staff(ids.new_id(), ids.new_id(), "manager")
    assert (await shop.stock(shop.admin).GetInventoryItem(request)).current_stock == 5
    assert (await catch_error(shop.stock(chef).GetInventoryItem(request))).code == grpc.StatusCode.PERMISSION_DENIED
    assert (await catch_error(shop.stock(customer(ids.new_id())).GetInventoryItem(request))).code == (
        grpc.StatusCode.PERMISSION_DENIED
    )
    foreign = await catch_error(shop.stock(elsewhere).GetInventoryItem(request))
    missing = await catch_error(
        shop.stock().GetInventoryItem(
            GetInventoryItemRequest(product_id=str(ids.new_id()), store_id=str(shop.store_id))
        )
    )
    assert (
        (foreign.code, foreign.message)
        == (missing.code, missing.message)
        == (
            grpc.StatusCode.NOT_FOUND,
            "not found",
        )
    )


async def test_a_reservation_is_a_heap_only_update(shop: Shop) -> None:
    tea, lassi = await shop.create_product(stock=1000), await shop.create_product(stock=1000)
    order_id, lines = ids.new_id(), {UUID(tea.id): 1, UUID(lassi.id): 2}
    async with shop.db.transaction() as tx:
        before = await tx.one(COUNT_UPDATES)
        await tx.all(
            queries.reservations.RESERVE,
            order_ids=[order_id],
            store_ids=[shop.store_id],
            ask_after=[now()],
            line_orders=[order_id] * 2,
            product_ids=list(lines),
            quantities=list(lines.values()),
            actor_service="order",
            **outbox.columns([]),
        )
        after = await tx.one(COUNT_UPDATES)
    assert before is not None
    assert after is not None
    assert (after.n_tup_upd - before.n_tup_upd, after.n_tup_hot_upd - before.n_tup_hot_upd) == (2, 2)
    await shop.assert_ledger_matches()


async def test_the_ledger_matches_after_concurrent_changes(shop: Shop) -> None:
    chosen = [await shop.create_product(stock=60) for _ in range(4)]
    rng = random.Random(11)
    confirmed, cancelled = [], []

    async def order() -> None:
        order_id = ids.new_id()
        lines = [(product.id, rng.randint(1, 4)) for product in rng.sample(chosen, rng.randint(1, 4))]
        try:
            await shop.reserve(order_id, lines)
        except grpc.aio.AioRpcError:
            return
        fate = rng.random()
        if fate < 0.3:
            await shop.release(order_id)
        elif fate < 0.9:
            confirmed.append(order_id)
            if fate < 0.5:
                cancelled.append(order_id)

    async def hand() -> None:
        product = rng.choice(chosen)
        item = await shop.get_item(product.id)
        await shop.set_stock(product.id, max(0, item.current_stock + rng.randint(-5, 15)))

    await asyncio.gather(*(order() for _ in range(80)), *(hand() for _ in range(25)))
    half = len(confirmed) // 2
    await asyncio.gather(
        shop.consume(*(shop.confirmed(order_id) for order_id in confirmed[:half])),
        shop.consume(*(shop.confirmed(order_id) for order_id in confirmed[half:])),
        *(hand() for _ in range(10)),
    )
    await asyncio.gather(
        shop.consume(*(shop.cancelled(order_id) for order_id in cancelled)), *(hand() for _ in range(10))
    )
    await shop.assert_ledger_matches()
