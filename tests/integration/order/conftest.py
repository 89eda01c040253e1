"""The real order service on servers of its own, among peers that do as they are told."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from google.protobuf.message import Message
from jainshikanji.order.v1 import order_service_pb2 as api
from jainshikanji.order.v1.order_pb2 import Order
from jainshikanji.order.v1.order_service_pb2_grpc import OrderServiceStub
from jainshikanji.payment.v1.events_pb2 import PaymentCompleted, RefundProcessed
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod
from jainshikanji.type.v1.fulfilment_type_pb2 import FulfilmentType

from chassis.database import sql
from chassis.events.bus import EventMeta
from chassis.ids import new_id
from chassis.process.service import Process
from services.order.app import OrderApp
from services.order.wire.words import money
from tests.harness import Identity, Platform, admin, customer, service, staff
from tests.integration.order.peers import Channels

EVENTS = sql("SELECT type, version, payload FROM outbox WHERE key = %(key)s ORDER BY seq")
SAGA = sql("SELECT * FROM order_sagas WHERE order_id = %(id)s")
SAGAS_OF = sql("SELECT * FROM order_sagas WHERE customer_id = %(id)s")
ROW = sql("SELECT * FROM orders WHERE id = %(id)s")
ORDERS_OF = sql("SELECT id, status FROM orders WHERE customer_id = %(id)s ORDER BY id")
EXPIRE_LOCK = sql("UPDATE order_sagas SET locked_until = now() - interval '1 second' WHERE customer_id = %(id)s")


@dataclass
class Guest:
    """A customer with a key of their own for each order."""

    id: UUID = field(default_factory=new_id)

    @property
    def identity(self) -> Identity:
        return customer(self.id)


@dataclass
class World:
    """What tests do with the service."""

    platform: Platform
    process: Process
    peers: Channels
    store_id: UUID = field(default_factory=new_id)
    product_id: str = field(default_factory=lambda: str(new_id()))

    @property
    def app(self) -> OrderApp:
        app = self.process.app
        assert isinstance(app, OrderApp)
        return app

    def stub(self, identity: Identity) -> OrderServiceStub:
        return self.platform.stub("order", OrderServiceStub, identity)

    def staff(self, job: str, account_id: UUID | None = None, store_id: UUID | None = None) -> OrderServiceStub:
        return self.stub(staff(account_id or new_id(), store_id or self.store_id, job))

    def admin(self) -> OrderServiceStub:
        return self.stub(admin())

    def cart(self, **wish: Any) -> dict[str, Any]:
        """Two glasses, collected, paid in cash, unless the wish says otherwise."""
        cart: dict[str, Any] = {
            "store_id": str(self.store_id),
            "fulfilment_type": FulfilmentType.PICKUP,
            "lines": [{"product_id": self.product_id, "quantity": 2}],
            "payment_method": PaymentMethod.COD,
            **wish,
        }
        if cart["fulfilment_type"] == FulfilmentType.DELIVERY:
            cart.setdefault("address_id", str(UUID(int=1)))
        return cart

    async def place(self, guest: Guest, key: str | None = None, **wish: Any) -> Order:
        """The answer, when what was left for after it is done too."""
        stub = self.stub(guest.identity.sending(idempotency_key=key or str(new_id())))
        order = await stub.CreateOrder(api.CreateOrderRequest(**self.cart(**wish)))
        await self.app.finish(5)
        return order

    async def get(self, guest: Guest, order_id: str) -> Order:
        return await self.stub(guest.identity).GetOrder(api.GetOrderRequest(id=order_id))

    async def move(self, stub: OrderServiceStub, order_id: str, status: Any, **more: Any) -> Order:
        return await stub.UpdateOrderStatus(api.UpdateOrderStatusRequest(id=order_id, status=status, **more))

    async def hear(self, *events: Message) -> None:
        """The service's consumer gets these events, as from JetStream."""
        moment = datetime.now(UTC)
        received = [
            (event, EventMeta(new_id(), event.DESCRIPTOR.full_name, "test", "key", 1, moment)) for event in events
        ]
        await self.process.consumer.apply(received)

    async def pay(self, order: Order, **more: Any) -> None:
        """The gateway captured what the order costs."""
        paid: dict[str, Any] = {"order_id": order.id, "amount": order.amounts.total, **more}
        await self.hear(PaymentCompleted(**paid))

    async def refund(self, order: Order, amount: int | None = None) -> None:
        """Money went back: everything, or a part."""
        total = order.amounts.total.minor_units
        await self.hear(
            RefundProcessed(
                order_id=order.id,
                amount=money(amount or total),
                refunded_total=money(amount or total),
                captured_amount=money(total),
                fully=amount is None,
            )
        )

    async def events(self, order_id: str) -> list[str]:
        """Short names of what was announced of an order, in order."""
        return [row.type.rsplit(".", 1)[1] for row in await self.app.db.all(EVENTS, key=order_id)]

    async def event(self, order_id: str, kind: type[Message]) -> Any:
        for row in await self.app.db.all(EVENTS, key=order_id):
            if row.type == kind.DESCRIPTOR.full_name:
                return kind.FromString(row.payload)
        raise AssertionError(f"{kind.__name__} was not announced")

    async def row(self, order_id: str) -> Any:
        return await self.app.db.one(ROW, id=UUID(order_id))

    async def orders_of(self, guest: Guest) -> list[Any]:
        return await self.app.db.all(ORDERS_OF, id=guest.id)

    async def sagas_of(self, guest: Guest) -> list[Any]:
        return await self.app.db.all(SAGAS_OF, id=guest.id)

    async def expire_lock(self, guest: Guest) -> None:
        """As if the process that places the guest's order had died half a minute ago."""
        await self.app.db.run(EXPIRE_LOCK, id=guest.id)

    async def states(self, *order_ids: str) -> dict[str, Any]:
        stub = self.stub(service("inventory"))
        answer = await stub.BatchGetOrderStates(api.BatchGetOrderStatesRequest(order_ids=order_ids))
        return {state.order_id: state for state in answer.states}


@pytest.fixture(scope="package")
def kitchen() -> Iterator[Platform]:
    """Servers of their own: nobody else's order service works on this database."""
    directory = Path(tempfile.mkdtemp(prefix="jain-shikanji-order-"))
    directory.chmod(0o755)
    platform = Platform(directory)
    platform.start_servers()
    yield platform
    platform.stop_servers()
    shutil.rmtree(directory, ignore_errors=True)


@pytest_asyncio.fixture(scope="package")
async def running(kitchen: Platform) -> AsyncIterator[World]:
    peers = Channels()
    await peers.serve(kitchen)
    process = await kitchen.start("order", heartbeat_seconds=0.3)
    yield World(kitchen, process, peers)
    await kitchen.stop()
    await peers.stop()


@pytest.fixture
def world(running: World) -> Iterator[World]:
    running.store_id = new_id()
    running.product_id = str(new_id())
    yield running
    running.peers.behave()


@pytest.fixture
def guest() -> Guest:
    return Guest()
