"""The real order service on its own servers, with fakes of the services that it calls."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
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
from tests.harness import Identity, Platform, admin, customer, service, staff
from tests.integration.order.fake_services import FakeServices, money


class EventRow(NamedTuple):
    type: str
    payload: bytes


class PlacedOrderRow(NamedTuple):
    id: UUID
    status: str


class SagaStateRow(NamedTuple):
    order_id: UUID
    state: str


LIST_EVENTS = sql("SELECT type, payload FROM outbox WHERE key = %(key)s ORDER BY seq", row=EventRow)
LIST_SAGAS = sql("SELECT order_id, state FROM order_sagas WHERE customer_id = %(id)s", row=SagaStateRow)
LIST_ORDERS = sql("SELECT id, status FROM orders WHERE customer_id = %(id)s ORDER BY id", row=PlacedOrderRow)
EXPIRE_LOCK = sql("UPDATE order_sagas SET locked_until = now() - interval '1 second' WHERE customer_id = %(id)s")


@dataclass
class Guest:
    """A customer."""

    id: UUID = field(default_factory=new_id)

    @property
    def identity(self) -> Identity:
        return customer(self.id)


@dataclass
class World:
    """The service and its fakes, with the operations of the tests."""

    platform: Platform
    process: Process
    fakes: FakeServices
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

    def cart(self, **changes: Any) -> dict[str, Any]:
        """Two drinks for pickup, paid in cash, with changes."""
        cart: dict[str, Any] = {
            "store_id": str(self.store_id),
            "fulfilment_type": FulfilmentType.PICKUP,
            "lines": [{"product_id": self.product_id, "quantity": 2}],
            "payment_method": PaymentMethod.COD,
            **changes,
        }
        if cart["fulfilment_type"] == FulfilmentType.DELIVERY:
            cart.setdefault("address_id", str(UUID(int=1)))
        return cart

    async def place(self, guest: Guest, key: str | None = None, **changes: Any) -> Order:
        """The response, once the work in the background is done."""
        stub = self.stub(guest.identity.sending(idempotency_key=key or str(new_id())))
        order = await stub.CreateOrder(api.CreateOrderRequest(**self.cart(**changes)))
        await self.app.wait_for_background_work(5)
        return order

    async def get(self, guest: Guest, order_id: str) -> Order:
        return await self.stub(guest.identity).GetOrder(api.GetOrderRequest(id=order_id))

    async def move(self, stub: OrderServiceStub, order_id: str, status: Any, **more: Any) -> Order:
        return await stub.UpdateOrderStatus(api.UpdateOrderStatusRequest(id=order_id, status=status, **more))

    async def consume(self, *events: Message) -> None:
        """Passes the events to the service's consumer, as JetStream does."""
        occurred_at = datetime.now(UTC)
        received = [
            (event, EventMeta(new_id(), event.DESCRIPTOR.full_name, "test", "key", 1, occurred_at)) for event in events
        ]
        await self.process.consumer.apply(received)

    async def pay(self, order: Order, **more: Any) -> None:
        """The gateway captured the total of the order."""
        paid: dict[str, Any] = {"order_id": order.id, "amount": order.amounts.total, **more}
        await self.consume(PaymentCompleted(**paid))

    async def refund(self, order: Order, amount: int | None = None) -> None:
        """The payment was refunded in full, or by the amount."""
        total = order.amounts.total.minor_units
        await self.consume(
            RefundProcessed(
                order_id=order.id,
                amount=money(amount or total),
                refunded_total=money(amount or total),
                captured_amount=money(total),
                fully=amount is None,
            )
        )

    async def events(self, order_id: str) -> list[str]:
        """The short names of the order's published events, oldest first."""
        return [row.type.rsplit(".", 1)[1] for row in await self.app.db.all(LIST_EVENTS, key=order_id)]

    async def event(self, order_id: str, kind: type[Message]) -> Any:
        for row in await self.app.db.all(LIST_EVENTS, key=order_id):
            if row.type == kind.DESCRIPTOR.full_name:
                return kind.FromString(row.payload)
        raise AssertionError(f"{kind.__name__} was not published")

    async def orders_of(self, guest: Guest) -> list[PlacedOrderRow]:
        return await self.app.db.all(LIST_ORDERS, id=guest.id)

    async def sagas_of(self, guest: Guest) -> list[SagaStateRow]:
        return await self.app.db.all(LIST_SAGAS, id=guest.id)

    async def expire_lock(self, guest: Guest) -> None:
        """Expires the saga locks, as if the process that places the guest's orders had died."""
        await self.app.db.run(EXPIRE_LOCK, id=guest.id)

    async def states(self, *order_ids: str) -> dict[str, Any]:
        stub = self.stub(service("inventory"))
        response = await stub.BatchGetOrderStates(api.BatchGetOrderStatesRequest(order_ids=order_ids))
        return {state.order_id: state for state in response.states}


@pytest.fixture(scope="package")
def own_platform() -> Iterator[Platform]:
    """Own servers: no other order service uses this database."""
    directory = Path(tempfile.mkdtemp(prefix="jain-shikanji-order-"))
    directory.chmod(0o755)
    platform = Platform(directory)
    platform.start_servers()
    yield platform
    platform.stop_servers()
    shutil.rmtree(directory, ignore_errors=True)


@pytest_asyncio.fixture(scope="package")
async def running(own_platform: Platform) -> AsyncIterator[World]:
    fakes = FakeServices()
    await fakes.serve(own_platform)
    process = await own_platform.start("order", heartbeat_seconds=0.3)
    yield World(own_platform, process, fakes)
    await own_platform.stop()
    await fakes.stop()


@pytest.fixture
def world(running: World) -> Iterator[World]:
    running.store_id = new_id()
    running.product_id = str(new_id())
    yield running
    running.fakes.behave()


@pytest.fixture
def guest() -> Guest:
    return Guest()
