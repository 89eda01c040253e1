"""Settlement of reservations: confirmed, cancelled and overdue orders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import grpc
import pytest
import pytest_asyncio
from jainshikanji.order.v1.order_pb2 import OrderStatus
from jainshikanji.order.v1.order_service_pb2 import BatchGetOrderStatesResponse, OrderState
from jainshikanji.order.v1.order_service_pb2_grpc import OrderServiceServicer, add_OrderServiceServicer_to_server

from chassis import ids
from chassis.database import sql
from chassis.errors import Unavailable
from chassis.security import tls
from services.inventory.usecases.reservations import purge_reservations, recover_reservations
from tests.harness import Platform, catch_error
from tests.integration.inventory.shop import Shop

GET_STATUS = sql("SELECT status FROM stock_reservations WHERE order_id = %(order_id)s", value=str)
AGE = sql("UPDATE stock_reservations SET ask_after = now() - interval '1 second' WHERE order_id = ANY(%(order_ids)s)")
GET_WAIT = sql("SELECT ask_after - now() FROM stock_reservations WHERE order_id = %(order_id)s", value=timedelta)
MAKE_OLD = sql("UPDATE stock_reservations SET updated_at = now() - interval '1 year' WHERE order_id = %(order_id)s")


async def status(shop: Shop, order_id: UUID) -> str | None:
    return await shop.db.one(GET_STATUS, order_id=order_id)


async def test_a_confirmed_order_commits_its_reservation(shop: Shop) -> None:
    tea = await shop.create_product(stock=10)
    order = ids.new_id()
    await shop.reserve(order, [(tea.id, 3)])
    await shop.consume(shop.confirmed(order))
    assert await status(shop, order) == "committed"
    assert await shop.list_movements(tea.id) == [("adjust", 10, 10), ("reserve", -3, 7), ("commit", 0, 7)]
    item = await shop.get_item(tea.id)
    assert (item.current_stock, item.reserved_stock, item.batches[0].remaining_quantity) == (7, 0, 7)
    assert (await catch_error(shop.release(order))).reason == "RESERVATION_COMMITTED"
    await shop.assert_ledger_matches()


async def test_a_repeated_event_commits_once(shop: Shop) -> None:
    tea = await shop.create_product(stock=10)
    order, event_id = ids.new_id(), ids.new_id()
    await shop.reserve(order, [(tea.id, 3)])
    await shop.consume(shop.confirmed(order), event_ids=[event_id])
    await shop.consume(shop.confirmed(order), event_ids=[event_id])
    await shop.consume(shop.confirmed(order))
    assert [kind for kind, _, _ in await shop.list_movements(tea.id)] == ["adjust", "reserve", "commit"]
    await shop.assert_ledger_matches()


async def test_the_committed_stock_of_a_cancelled_order_is_returned_once(shop: Shop) -> None:
    tea = await shop.create_product(stock=10)
    order = ids.new_id()
    await shop.reserve(order, [(tea.id, 3)])
    await shop.consume(shop.confirmed(order))
    await shop.consume(shop.cancelled(order))
    await shop.consume(shop.cancelled(order))
    assert await shop.list_movements(tea.id) == [
        ("adjust", 10, 10),
        ("reserve", -3, 7),
        ("commit", 0, 7),
        ("return", 3, 10),
    ]
    assert await shop.list_event_names(order) == ["StockReserved", "StockReleased"]
    await shop.assert_ledger_matches()


async def test_the_reserved_stock_of_an_unconfirmed_cancelled_order_is_released(shop: Shop) -> None:
    tea = await shop.create_product(stock=10)
    order = ids.new_id()
    await shop.reserve(order, [(tea.id, 3)])
    await asyncio.gather(shop.consume(shop.cancelled(order)), shop.release(order))
    assert await shop.list_movements(tea.id) == [("adjust", 10, 10), ("reserve", -3, 7), ("release", 3, 10)]
    await shop.assert_ledger_matches()


async def test_the_stock_of_food_that_was_begun_is_not_returned(shop: Shop) -> None:
    tea = await shop.create_product(stock=10)
    begun, unconfirmed = ids.new_id(), ids.new_id()
    await shop.reserve(begun, [(tea.id, 3)])
    await shop.reserve(unconfirmed, [(tea.id, 2)])
    await shop.consume(shop.confirmed(begun))
    await shop.consume(shop.cancelled(begun, restock=False), shop.cancelled(unconfirmed, restock=False))
    assert await shop.get_stock(tea.id) == 5
    assert {await status(shop, begun), await status(shop, unconfirmed)} == {"committed"}
    await shop.assert_ledger_matches()


async def test_a_confirmation_that_arrives_after_the_cancellation_changes_nothing(shop: Shop) -> None:
    tea = await shop.create_product(stock=10)
    order = ids.new_id()
    await shop.reserve(order, [(tea.id, 3)])
    await shop.consume(shop.cancelled(order))
    await shop.consume(shop.confirmed(order))
    assert await shop.get_stock(tea.id) == 10
    assert await status(shop, order) == "released"


async def test_a_cancellation_before_the_reservation_rejects_it(shop: Shop) -> None:
    tea = await shop.create_product(stock=10)
    order = ids.new_id()
    await shop.consume(shop.cancelled(order))
    assert (await catch_error(shop.reserve(order, [(tea.id, 3)]))).reason == "RESERVATION_RELEASED"


async def test_many_orders_are_settled_in_one_batch_while_others_reserve(shop: Shop) -> None:
    chosen = [await shop.create_product(stock=500) for _ in range(5)]
    orders = [ids.new_id() for _ in range(60)]
    for place, order in enumerate(orders):
        await shop.reserve(order, [(chosen[(place + step) % 5].id, 1 + step) for step in range(3)])
    events = []
    for place, order in enumerate(orders):
        events.append(shop.confirmed(order))
        if place % 3 == 0:
            events.append(shop.cancelled(order))
    busy = [shop.reserve(ids.new_id(), [(product.id, 1) for product in reversed(chosen)]) for _ in range(40)]
    await asyncio.gather(shop.consume(*events), *busy)
    # 60 orders of 6 units, every third of them back again, and 40 of 5 units.
    assert sum([await shop.get_stock(product.id) for product in chosen]) == 5 * 500 - 40 * 6 - 40 * 5
    assert {await status(shop, order) for order in orders} == {"committed", "returned"}
    await shop.assert_ledger_matches()


# --- recovery ---


class FakeOrders(OrderServiceServicer):
    """The order service, which knows these states."""

    def __init__(self) -> None:
        self.states: dict[UUID, OrderStatus.Value.ValueType] = {}
        self.requested_ids: list[str] = []

    async def BatchGetOrderStates(self, request: Any, context: Any) -> BatchGetOrderStatesResponse:
        self.requested_ids.extend(request.order_ids)
        known = [(id_, self.states[UUID(id_)]) for id_ in request.order_ids if UUID(id_) in self.states]
        return BatchGetOrderStatesResponse(states=[OrderState(order_id=id_, status=state) for id_, state in known])


@pytest.fixture
def order_service() -> FakeOrders:
    return FakeOrders()


@pytest_asyncio.fixture
async def recovering_app(platform: Platform, shop: Shop, order_service: FakeOrders) -> AsyncIterator[Any]:
    """The app of a replica that calls the fake order service."""
    server = grpc.aio.server()
    add_OrderServiceServicer_to_server(order_service, server)
    files = tls.IdentityFiles(platform.certificates / "order")
    port = server.add_secure_port("127.0.0.1:0", tls.server_credentials(files))
    await server.start()
    replica = await platform.launch("inventory", peers={"order": f"127.0.0.1:{port}"})
    yield replica.app
    await replica.stop()
    await server.stop(None)


async def test_a_reservation_is_overdue_after_sixty_minutes(shop: Shop) -> None:
    tea = await shop.create_product(stock=10)
    order = ids.new_id()
    await shop.reserve(order, [(tea.id, 1)])
    wait = await shop.db.one(GET_WAIT, order_id=order)
    assert wait is not None
    assert timedelta(minutes=59) < wait <= timedelta(minutes=60)


async def test_recovery_releases_only_unknown_and_cancelled_orders(
    shop: Shop, recovering_app: Any, order_service: FakeOrders
) -> None:
    tea = await shop.create_product(stock=100)
    unknown, cancelled, pending, preparing, young = [ids.new_id() for _ in range(5)]
    for order in (unknown, cancelled, pending, preparing, young):
        await shop.reserve(order, [(tea.id, 10)])
    order_service.states = {
        cancelled: OrderStatus.CANCELLED,
        pending: OrderStatus.PENDING,
        preparing: OrderStatus.PREPARING,
    }
    await shop.db.run(AGE, order_ids=[unknown, cancelled, pending, preparing])
    await recover_reservations(recovering_app)
    assert await status(shop, unknown) == await status(shop, cancelled) == "released"
    assert await status(shop, pending) == "held"
    assert await status(shop, preparing) == "committed"
    assert str(young) not in order_service.requested_ids
    wait = await shop.db.one(GET_WAIT, order_id=pending)
    assert wait is not None
    assert wait > timedelta(minutes=9)
    assert await shop.get_stock(tea.id) == 70
    await shop.assert_ledger_matches()


async def test_recovery_releases_nothing_while_the_order_service_is_unavailable(shop: Shop) -> None:
    tea = await shop.create_product(stock=10)
    order = ids.new_id()
    await shop.reserve(order, [(tea.id, 10)])
    await shop.db.run(AGE, order_ids=[order])
    isolated = await shop.platform.launch("inventory", peers={"order": "127.0.0.1:1"})
    try:
        with pytest.raises(Unavailable):
            await recover_reservations(isolated.app)
    finally:
        await isolated.stop()
    assert await status(shop, order) == "held"
    await shop.release(order)


async def test_settled_reservations_are_purged_after_their_time(shop: Shop) -> None:
    tea = await shop.create_product(stock=10)
    old, recent = ids.new_id(), ids.new_id()
    for order in (old, recent):
        await shop.reserve(order, [(tea.id, 1)])
        await shop.release(order)
    await shop.db.run(MAKE_OLD, order_id=old)
    await purge_reservations(shop.process.app)  # type: ignore[arg-type]
    assert await status(shop, old) is None
    assert await status(shop, recent) == "released"
