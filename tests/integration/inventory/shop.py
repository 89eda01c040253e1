"""A store with its products, its callers, and the orders that reserve its stock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

from google.protobuf.message import Message
from jainshikanji.inventory.v1 import product_pb2, product_service_pb2, stock_pb2, stock_service_pb2
from jainshikanji.inventory.v1.product_service_pb2_grpc import ProductServiceStub
from jainshikanji.inventory.v1.purchasing_service_pb2_grpc import PurchasingServiceStub
from jainshikanji.inventory.v1.stock_service_pb2_grpc import StockServiceStub
from jainshikanji.order.v1.events_pb2 import OrderCancelled, OrderConfirmed
from jainshikanji.type.v1.money_pb2 import Money

from chassis import ids
from chassis.database import sql
from chassis.process.service import Process
from tests.harness import Identity, Platform, admin, anonymous, service, staff


class MismatchRow(NamedTuple):
    product_id: UUID
    current_stock: int
    total: int
    in_batches: int
    held: int


class MovementRow(NamedTuple):
    kind: str
    quantity: int
    balance_after: int


LIST_EVENT_TYPES = sql("SELECT type FROM outbox WHERE key = %(key)s ORDER BY seq", value=str)
# Stock that is not the sum of its movements, and batches that are not the sum of stock and reservations.
LIST_MISMATCHES = sql(
    """
    SELECT i.product_id, i.current_stock, moved.total, batched.total AS in_batches, held.total AS held
    FROM inventory i
    CROSS JOIN LATERAL (SELECT coalesce(sum(quantity), 0) AS total FROM stock_movements m
                        WHERE m.product_id = i.product_id AND m.store_id = i.store_id) moved
    CROSS JOIN LATERAL (SELECT coalesce(sum(remaining_quantity), 0) AS total FROM stock_batches b
                        WHERE b.product_id = i.product_id AND b.store_id = i.store_id) batched
    CROSS JOIN LATERAL (SELECT coalesce(sum(l.quantity), 0) AS total
                        FROM stock_reservations r, unnest(r.product_ids, r.quantities) AS l(product_id, quantity)
                        WHERE r.status = 'held' AND r.store_id = i.store_id AND l.product_id = i.product_id) held
    WHERE i.store_id = %(store_id)s
      AND (i.current_stock <> moved.total OR i.current_stock + held.total <> batched.total)
    """,
    row=MismatchRow,
)
COUNT_HANDLED = sql("SELECT count(*) FROM inbox WHERE event_id = ANY(%(event_ids)s)", value=int)
LIST_MOVEMENTS = sql(
    """
    SELECT kind, quantity, balance_after FROM stock_movements
    WHERE product_id = %(product_id)s AND store_id = %(store_id)s ORDER BY id
    """,
    row=MovementRow,
)


def rupees(amount: int) -> Money:
    return Money(currency_code="INR", minor_units=amount * 100)


class Shop:
    """A store and its callers."""

    def __init__(self, platform: Platform, process: Process) -> None:
        self.platform, self.process, self.db = platform, process, process.app.db
        self.store_id = ids.new_id()
        self.manager = staff(ids.new_id(), self.store_id, "manager")
        self.admin = admin()
        self._stubs: dict[tuple[Any, Identity], Any] = {}

    def _stub(self, stub: Any, caller: Identity) -> Any:
        """One channel for each caller: a connection per call would cost more than the call."""
        if (stub, caller) not in self._stubs:
            self._stubs[stub, caller] = self.platform.stub("inventory", stub, caller)
        return self._stubs[stub, caller]

    def products(self, caller: Identity | None = None) -> Any:
        return self._stub(ProductServiceStub, caller or self.admin)

    def stock(self, caller: Identity | None = None) -> Any:
        return self._stub(StockServiceStub, caller or self.manager)

    def purchasing(self, caller: Identity | None = None) -> Any:
        return self._stub(PurchasingServiceStub, caller or self.manager)

    @property
    def for_orders(self) -> Any:
        return self._stub(StockServiceStub, service("order"))

    @property
    def for_prices(self) -> Any:
        return self._stub(ProductServiceStub, service("order"))

    @property
    def for_guests(self) -> Any:
        return self._stub(ProductServiceStub, anonymous())

    async def create_category(self, name: str = "Shikanji", parent: str = "") -> str:
        """The slug of a new category."""
        slug = f"{name.lower()}-{ids.new_id().hex[-12:]}"
        request = product_service_pb2.CreateCategoryRequest(slug=slug, name=name, parent_slug=parent)
        await self.products().CreateCategory(request)
        return slug

    async def create_product(
        self, *, stock: int | None = None, min_stock: int = 0, **fields: Any
    ) -> product_pb2.Product:
        """A new product, with the given stock in the store."""
        fields.setdefault("name", f"Shikanji {ids.new_id().hex[-8:]}")
        fields.setdefault("price", rupees(60))
        if "category" not in fields:
            fields["category"] = await self.create_category()
        created: product_pb2.Product = await self.products().CreateProduct(
            product_service_pb2.CreateProductRequest(**fields)
        )
        if stock is not None:
            await self.set_stock(created.id, stock, min_stock=min_stock)
        return created

    async def set_stock(self, product_id: str, stock: int | None = None, **more: Any) -> stock_pb2.InventoryItem:
        """Sets a count of the manager."""
        request = stock_service_pb2.SetStockRequest(
            product_id=product_id, store_id=str(self.store_id), reason="counted", current_stock=stock, **more
        )
        item: stock_pb2.InventoryItem = await self.stock().SetStock(request)
        return item

    async def get_item(self, product_id: str) -> stock_pb2.InventoryItem:
        request = stock_service_pb2.GetInventoryItemRequest(product_id=product_id, store_id=str(self.store_id))
        item: stock_pb2.InventoryItem = await self.stock().GetInventoryItem(request)
        return item

    async def get_stock(self, product_id: str) -> int:
        return (await self.get_item(product_id)).current_stock

    def reserve(self, order_id: UUID, lines: Iterable[tuple[str, int]]) -> Any:
        """The call; await it."""
        return self.for_orders.ReserveStock(
            stock_service_pb2.ReserveStockRequest(
                order_id=str(order_id),
                store_id=str(self.store_id),
                lines=[stock_service_pb2.StockLine(product_id=id_, quantity=quantity) for id_, quantity in lines],
            )
        )

    def release(self, order_id: UUID) -> Any:
        """The call; await it."""
        return self.for_orders.ReleaseStock(stock_service_pb2.ReleaseStockRequest(order_id=str(order_id)))

    def confirmed(self, order_id: UUID) -> OrderConfirmed:
        return OrderConfirmed(order_id=str(order_id), store_id=str(self.store_id), customer_id=str(ids.new_id()))

    def cancelled(self, order_id: UUID, *, restock: bool = True) -> OrderCancelled:
        return OrderCancelled(
            order_id=str(order_id), store_id=str(self.store_id), customer_id=str(ids.new_id()), restock=restock
        )

    async def consume(self, *events: Message, event_ids: list[UUID] | None = None) -> None:
        """Publishes events as their services do, and waits until inventory has consumed them."""
        event_ids = event_ids or [ids.new_id() for _ in events]
        await self.platform.publish(*events, event_ids=event_ids)
        async with asyncio.timeout(15):
            while (await self.db.one(COUNT_HANDLED, event_ids=event_ids) or 0) < len(events):
                await asyncio.sleep(0.02)
        await self.platform.settled("inventory")

    async def list_event_names(self, key: object) -> list[str]:
        """The short names of the events of an aggregate, in order."""
        return [name.rsplit(".", 1)[-1] for name in await self.db.all(LIST_EVENT_TYPES, key=str(key))]

    async def list_movements(self, product_id: str) -> list[MovementRow]:
        """Kind, quantity and balance of every movement, oldest first."""
        return await self.db.all(LIST_MOVEMENTS, product_id=UUID(product_id), store_id=self.store_id)

    async def assert_ledger_matches(self) -> None:
        """Stock is the sum of its movements; batches are the sum of stock and reservations."""
        assert await self.db.all(LIST_MISMATCHES, store_id=self.store_id) == []
