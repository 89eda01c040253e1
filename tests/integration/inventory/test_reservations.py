"""Reservations: all lines or none, once per order, also with concurrent requests."""

from __future__ import annotations

import asyncio
import random

import grpc
from jainshikanji.inventory.v1 import stock_service_pb2
from jainshikanji.inventory.v1.stock_service_pb2_grpc import StockServiceStub

from chassis import ids
from chassis.errors import RemoteError
from tests.harness import catch_error, rpc_error, service
from tests.integration.inventory.shop import Shop

OK = "OK"


async def outcome(call: object) -> str:
    """OK, or the reason of the error."""
    try:
        await call  # type: ignore[misc]
    except grpc.aio.AioRpcError as error:
        return rpc_error(error).reason
    return OK


async def test_an_order_reserves_all_of_its_lines(shop: Shop) -> None:
    tea, lassi = await shop.create_product(stock=10), await shop.create_product(stock=5)
    order = ids.new_id()
    await shop.reserve(order, [(tea.id, 3), (lassi.id, 5), (tea.id, 1)])
    assert await shop.get_stock(tea.id) == 6
    assert await shop.get_stock(lassi.id) == 0
    assert (await shop.get_item(tea.id)).reserved_stock == 4
    assert await shop.list_movements(tea.id) == [("adjust", 10, 10), ("reserve", -4, 6)]
    assert await shop.list_event_names(order) == ["StockReserved"]
    await shop.assert_ledger_matches()


async def test_an_order_with_one_short_line_reserves_nothing(shop: Shop) -> None:
    tea, lassi = await shop.create_product(stock=10), await shop.create_product(stock=1)
    nowhere = await shop.create_product()
    order = ids.new_id()
    error = await catch_error(shop.reserve(order, [(tea.id, 3), (lassi.id, 2), (nowhere.id, 1)]))
    assert (error.code, error.reason) == (grpc.StatusCode.ABORTED, "OUT_OF_STOCK")
    assert error.metadata["product_ids"].split(",") == sorted([lassi.id, nowhere.id])
    assert await shop.get_stock(tea.id) == 10
    assert await shop.list_event_names(order) == []
    await shop.assert_ledger_matches()


async def test_each_order_of_a_batch_has_its_own_result(shop: Shop) -> None:
    tea, rare = await shop.create_product(stock=10), await shop.create_product(stock=1)
    orders = [ids.new_id() for _ in range(3)]
    wanted = [[(tea.id, 3)], [(tea.id, 1), (rare.id, 2)], [(rare.id, 1)]]
    stub = shop.platform.stub("inventory", StockServiceStub, service("order"))
    request = stock_service_pb2.BatchReserveStockRequest()
    for order, lines in zip(orders, wanted, strict=True):
        one = request.requests.add(order_id=str(order), store_id=str(shop.store_id))
        for product_id, quantity in lines:
            one.lines.add(product_id=product_id, quantity=quantity)
    response = await stub.BatchReserveStock(request)
    assert [result.WhichOneof("outcome") for result in response.results] == ["response", "error", "response"]
    why = RemoteError(response.results[1].error)
    assert (why.reason, why.metadata["product_ids"]) == ("OUT_OF_STOCK", rare.id)
    assert (await shop.get_stock(tea.id), await shop.get_stock(rare.id)) == (7, 0)
    await shop.assert_ledger_matches()


async def test_a_repeated_reservation_reserves_once(shop: Shop) -> None:
    tea = await shop.create_product(stock=4)
    order = ids.new_id()
    for _ in range(3):
        await shop.reserve(order, [(tea.id, 4)])
    assert await shop.get_stock(tea.id) == 0
    assert await shop.list_event_names(order) == ["StockReserved"]


async def test_concurrent_repetitions_reserve_once(shop: Shop) -> None:
    tea = await shop.create_product(stock=4)
    order = ids.new_id()
    assert await asyncio.gather(*(outcome(shop.reserve(order, [(tea.id, 4)])) for _ in range(20))) == [OK] * 20
    assert await shop.get_stock(tea.id) == 0
    await shop.assert_ledger_matches()


async def test_a_repetition_with_other_lines_is_rejected(shop: Shop) -> None:
    tea = await shop.create_product(stock=9)
    order = ids.new_id()
    await shop.reserve(order, [(tea.id, 4)])
    assert (await catch_error(shop.reserve(order, [(tea.id, 5)]))).reason == "RESERVATION_MISMATCH"
    assert await shop.get_stock(tea.id) == 5


async def test_of_concurrent_calls_with_different_lines_only_the_first_reserves(shop: Shop) -> None:
    tea = await shop.create_product(stock=100)
    for _ in range(10):
        order, busy = ids.new_id(), [shop.reserve(ids.new_id(), [(tea.id, 1)]) for _ in range(3)]
        results = await asyncio.gather(
            *(outcome(call) for call in busy),
            outcome(shop.reserve(order, [(tea.id, 1)])),
            outcome(shop.reserve(order, [(tea.id, 2)])),
        )
        assert sorted(results) == [OK] * 4 + ["RESERVATION_MISMATCH"]
    await shop.assert_ledger_matches()


async def test_fifty_concurrent_orders_reserve_the_last_ten_units(shop: Shop) -> None:
    tea = await shop.create_product(stock=10)
    outcomes = await asyncio.gather(*(outcome(shop.reserve(ids.new_id(), [(tea.id, 1)])) for _ in range(50)))
    assert sorted(outcomes) == [OK] * 10 + ["OUT_OF_STOCK"] * 40
    assert await shop.get_stock(tea.id) == 0
    assert await shop.list_event_names(tea.id) == ["ProductCreated", "StockRestocked", "StockLow", "ProductOutOfStock"]
    await shop.assert_ledger_matches()


async def test_fifty_orders_on_two_replicas_reserve_the_last_ten_units(shop: Shop) -> None:
    tea = await shop.create_product(stock=10)
    other = await shop.platform.launch("inventory")
    try:
        there = shop.platform.stub_at(other.mesh_port, "inventory", StockServiceStub, service("order"))
        calls = []
        for turn in range(50):
            line = stock_service_pb2.StockLine(product_id=tea.id, quantity=1)
            request = stock_service_pb2.ReserveStockRequest(
                order_id=str(ids.new_id()), store_id=str(shop.store_id), lines=[line]
            )
            calls.append(outcome((shop.for_orders if turn % 2 else there).ReserveStock(request)))
        outcomes = await asyncio.gather(*calls)
    finally:
        await other.stop()
    assert sorted(outcomes) == [OK] * 10 + ["OUT_OF_STOCK"] * 40
    assert await shop.get_stock(tea.id) == 0
    await shop.assert_ledger_matches()


async def test_orders_with_the_same_products_in_any_order_do_not_deadlock(shop: Shop) -> None:
    chosen = [await shop.create_product(stock=1000) for _ in range(6)]
    rng = random.Random(7)

    async def one() -> str:
        order = ids.new_id()
        lines = [(product.id, rng.randint(1, 3)) for product in rng.sample(chosen, 4)]
        result = await outcome(shop.reserve(order, lines))
        if rng.random() < 0.5:
            await shop.release(order)
        return result

    assert set(await asyncio.gather(*(one() for _ in range(120)))) == {OK}
    await shop.assert_ledger_matches()


async def test_a_failed_order_does_not_block_a_later_one_of_its_batch(shop: Shop) -> None:
    """The first order of the batch is short of another product, so the second may reserve the stock."""
    tea, lassi = await shop.create_product(stock=5), await shop.create_product(stock=0)
    for _ in range(5):
        greedy = shop.reserve(ids.new_id(), [(tea.id, 5), (lassi.id, 1)])
        order = ids.new_id()
        modest = shop.reserve(order, [(tea.id, 5)])
        assert await asyncio.gather(outcome(greedy), outcome(modest)) == ["OUT_OF_STOCK", OK]
        await shop.release(order)
    await shop.assert_ledger_matches()


async def test_a_release_returns_everything_once(shop: Shop) -> None:
    tea = await shop.create_product(stock=10)
    order = ids.new_id()
    await shop.reserve(order, [(tea.id, 7)])
    await asyncio.gather(*(shop.release(order) for _ in range(10)))
    assert await shop.get_stock(tea.id) == 10
    assert await shop.list_movements(tea.id) == [("adjust", 10, 10), ("reserve", -7, 3), ("release", 7, 10)]
    assert await shop.list_event_names(order) == ["StockReserved", "StockReleased"]


async def test_a_reservation_after_its_release_is_rejected(shop: Shop) -> None:
    tea = await shop.create_product(stock=10)
    order = ids.new_id()
    await shop.release(order)
    assert (await catch_error(shop.reserve(order, [(tea.id, 1)]))).reason == "RESERVATION_RELEASED"
    assert await shop.get_stock(tea.id) == 10


async def test_a_release_concurrent_with_its_reservation_leaves_nothing_reserved(shop: Shop) -> None:
    tea = await shop.create_product(stock=5)
    for _ in range(30):
        order = ids.new_id()
        calls = [outcome(shop.reserve(order, [(tea.id, 5)])), outcome(shop.release(order))]
        random.shuffle(calls)
        results = await asyncio.gather(*calls)
        assert set(results) <= {OK, "RESERVATION_RELEASED"}
        item = await shop.get_item(tea.id)
        assert (item.current_stock, item.reserved_stock) == (5, 0)
    await shop.assert_ledger_matches()


async def test_only_order_may_reserve_and_release(shop: Shop) -> None:
    tea = await shop.create_product(stock=5)
    line = stock_service_pb2.StockLine(product_id=tea.id, quantity=1)
    request = stock_service_pb2.ReserveStockRequest(
        order_id=str(ids.new_id()), store_id=str(shop.store_id), lines=[line]
    )
    for caller in (shop.manager, shop.admin):
        assert (await catch_error(shop.stock(caller).ReserveStock(request))).code == grpc.StatusCode.PERMISSION_DENIED
