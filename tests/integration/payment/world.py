"""What the tests of the payment service use: customers, staff, the gateway, the order service, the database."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import grpc
import httpx
import uvicorn
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.message import Message
from jainshikanji.order.v1.events_pb2 import OrderCancelled, OrderDelivered
from jainshikanji.order.v1.order_pb2 import OrderStatus
from jainshikanji.order.v1.order_service_pb2 import BatchGetOrderStatesResponse, OrderState
from jainshikanji.order.v1.order_service_pb2_grpc import OrderServiceServicer, add_OrderServiceServicer_to_server
from jainshikanji.payment.v1 import events_pb2, payment_pb2
from jainshikanji.payment.v1 import payment_service_pb2 as pb
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod
from jainshikanji.payment.v1.payment_service_pb2_grpc import PaymentServiceStub
from jainshikanji.type.v1.money_pb2 import Money
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chassis import ids
from chassis.clock import now
from chassis.database import sql
from chassis.events.bus import Bus
from chassis.events.outbox import OutboxRow
from chassis.process.service import Process
from chassis.security import tls
from devstack.daemons import Daemon
from devstack.ports import accepts, free_port
from tests import harness
from tests.harness import Identity, Platform

T = TypeVar("T")

WAIT_SECONDS = 12.0
EVENT_TYPES = {
    message.DESCRIPTOR.full_name: message
    for message in (
        events_pb2.PaymentCompleted,
        events_pb2.PaymentFailed,
        events_pb2.RefundProcessed,
        events_pb2.SurplusRefunded,
    )
}
ANONYMOUS = Identity("edge")


class EventRow(NamedTuple):
    type: str
    payload: bytes


EVENTS_OF_ORDER = sql("SELECT type, payload FROM outbox WHERE key = %(order_id)s ORDER BY seq", row=EventRow)


async def eventually(read: Callable[[], Awaitable[T | None]], seconds: float = WAIT_SECONDS) -> T:
    """Repeats `read` until its result is true, and returns that."""
    async with asyncio.timeout(seconds):
        while not (found := await read()):
            await asyncio.sleep(0.03)
    return found


class LocalGateway:
    """`python -m devstack.gateway`, as `make up` runs it."""

    key_id = "rzp_test_integration"
    key_secret = "integration-key-secret"
    webhook_secret = "integration-webhook-secret"

    def __init__(self, directory: Path, webhook_url: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        options = {
            "--port": str(self.port),
            "--webhook-url": webhook_url,
            "--key-id": self.key_id,
            "--key-secret": self.key_secret,
            "--webhook-secret": self.webhook_secret,
            "--state": str(directory / "gateway.sqlite3"),
        }
        self._daemon = Daemon(
            "gateway",
            [sys.executable, "-m", "devstack.gateway", *(part for option in options.items() for part in option)],
            log=directory / "gateway.log",
            pid_file=directory / "gateway.pid",
            environment=dict(os.environ),
            directory=Path(__file__).parents[3],
        )
        self._client = httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=5.0)

    def start(self) -> None:
        self._daemon.start()
        self._daemon.wait_ready(lambda: accepts(self.port), 20.0)

    def stop(self) -> None:
        self._daemon.stop(5.0)

    async def faults(self, **switches: Any) -> None:
        response = await self._client.put("/faults", json=switches)
        response.raise_for_status()

    async def pay(self, order_id: str, outcome: str = "captured", **more: Any) -> dict[str, Any]:
        """The customer pays or declines; returns what the checkout returns to the browser."""
        response = await self._client.post("/pay", json={"order_id": order_id, "outcome": outcome, **more})
        response.raise_for_status()
        return dict(response.json())

    async def finish_refund(self, refund_id: str, outcome: str) -> None:
        response = await self._client.post(f"/refunds/{refund_id}/finish", json={"outcome": outcome})
        response.raise_for_status()

    async def refund_in_dashboard(self, transaction_id: str, amount: int) -> None:
        """A person refunds in the gateway's dashboard."""
        response = await self._client.post(
            f"/v1/payments/{transaction_id}/refund", json={"amount": amount}, auth=(self.key_id, self.key_secret)
        )
        response.raise_for_status()

    async def refunds(self, transaction_id: str) -> list[dict[str, Any]]:
        response = await self._client.get(f"/v1/payments/{transaction_id}/refunds", auth=(self.key_id, self.key_secret))
        response.raise_for_status()
        return list(response.json()["items"])

    async def orders(self, receipt: str) -> list[dict[str, Any]]:
        response = await self._client.get(
            "/v1/orders", params={"receipt": receipt}, auth=(self.key_id, self.key_secret)
        )
        return list(response.json()["items"])

    def sign(self, body: bytes) -> str:
        return hmac.new(self.webhook_secret.encode(), body, hashlib.sha256).hexdigest()


class WebhookEdge:
    """Forwards POST requests to ReceiveWebhook with the same bytes and headers, as the edge does."""

    def __init__(self, platform: Platform, port: int) -> None:
        self._platform, self._stub = platform, None
        self.url = f"http://127.0.0.1:{port}/api/payments/webhook"
        app = Starlette(routes=[Route("/api/payments/webhook", self._forward, methods=["POST"])])
        config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off")
        self._server = uvicorn.Server(config)
        self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]

    async def open(self) -> None:
        self._serving = asyncio.create_task(self._server._serve())
        await eventually(lambda: _true(self._server.started))

    async def close(self) -> None:
        self._server.should_exit = True
        await self._serving

    def _payment(self) -> Any:
        if self._stub is None:
            self._stub = self._platform.stub("payment", PaymentServiceStub, ANONYMOUS)
        return self._stub

    async def _forward(self, request: Request) -> Response:
        headers = tuple((name, value) for name, value in request.headers.items() if name.startswith("x-razorpay"))
        body = HttpBody(content_type=request.headers.get("content-type", ""), data=await request.body())
        try:
            await self._payment().ReceiveWebhook(body, metadata=headers)
        except grpc.aio.AioRpcError as error:
            codes = {grpc.StatusCode.UNAUTHENTICATED: 401, grpc.StatusCode.INVALID_ARGUMENT: 400}
            return Response(status_code=codes.get(error.code(), 500))
        return Response(status_code=200)


async def _true(value: bool) -> bool:
    return value


class Orders(OrderServiceServicer):
    """The order service, as the payment service sees it: its states and its events."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.port = free_port()
        self.states: dict[str, OrderStatus.Value.ValueType] = {}

    async def open(self) -> None:
        files = tls.IdentityFiles(self._platform.certificates / "order")
        self._server = grpc.aio.server()
        add_OrderServiceServicer_to_server(self, self._server)
        self._server.add_secure_port(f"127.0.0.1:{self.port}", tls.server_credentials(files))
        await self._server.start()

    async def connect(self, nats_url: str) -> None:
        self._bus = Bus("order", nats_url, listen_url="")
        await self._bus.connect()

    async def close(self) -> None:
        await self._bus.close()
        await self._server.stop(None)

    async def BatchGetOrderStates(self, request: Any, context: Any) -> BatchGetOrderStatesResponse:
        known = [order_id for order_id in request.order_ids if order_id in self.states]
        return BatchGetOrderStatesResponse(
            states=[OrderState(order_id=order_id, status=self.states[order_id]) for order_id in known]
        )

    async def publish(self, event: Message, key: str) -> None:
        row = OutboxRow(
            seq=0,
            event_id=ids.new_id(),
            type=event.DESCRIPTOR.full_name,
            payload=event.SerializeToString(),
            key=key,
            version=2,
            occurred_at=now(),
            trace_parent=None,
        )
        await self._bus.publish([row])


@dataclass(eq=False)
class Sale:
    """One order with its payment, its customer and the staff of its store."""

    world: World
    method: payment_pb2.PaymentMethod.Value.ValueType = payment_pb2.PaymentMethod.UPI
    amount: int = 24900
    order_id: str = field(default_factory=lambda: str(ids.new_id()))
    payment_id: str = field(default_factory=lambda: str(ids.new_id()))
    customer_id: UUID = field(default_factory=ids.new_id)
    store_id: UUID = field(default_factory=ids.new_id)
    payment: payment_pb2.Payment = field(default_factory=payment_pb2.Payment)

    def request(self, **changes: Any) -> pb.StartPaymentRequest:
        values: dict[str, Any] = {
            "order_id": self.order_id,
            "payment_id": self.payment_id,
            "customer_id": str(self.customer_id),
            "store_id": str(self.store_id),
            "amount": Money(currency_code="INR", minor_units=self.amount),
            "method": self.method,
            "order_number": "JS-7K2M-94QX",
        }
        return pb.StartPaymentRequest(**{**values, **changes})

    async def start(self) -> payment_pb2.Payment:
        self.payment = await self.world.as_order().StartPayment(self.request())
        return self.payment

    @cached_property
    def customer(self) -> Any:
        return self.world.stub(harness.customer(self.customer_id))

    def staff(self, job: str) -> Any:
        return self.world.stub(harness.staff(ids.new_id(), self.store_id, job))

    async def now(self) -> payment_pb2.Payment:
        """The payment as its customer sees it."""
        payment: payment_pb2.Payment = await self.customer.GetPayment(pb.GetPaymentRequest(id=self.payment_id))
        return payment

    async def reaches(self, status: payment_pb2.PaymentStatus.Value.ValueType) -> payment_pb2.Payment:
        async def read() -> payment_pb2.Payment | None:
            payment = await self.now()
            return payment if payment.status == status else None

        try:
            return await eventually(read)
        except TimeoutError:
            name = payment_pb2.PaymentStatus.Value.Name
            raise AssertionError(f"still {name((await self.now()).status)}, not {name(status)}") from None

    async def paid(self, method: str = "upi") -> payment_pb2.Payment:
        """Starts the payment, pays at the gateway, and waits for the webhook."""
        if not self.payment.id:
            await self.start()
        await self.world.gateway.pay(self.payment.provider_order_id, method=method)
        return await self.reaches(payment_pb2.PaymentStatus.COMPLETED)

    async def refunds(self) -> Sequence[payment_pb2.Refund]:
        listed = await self.customer.ListRefunds(pb.ListRefundsRequest(id=self.payment_id))
        return list(listed.refunds)

    async def refunds_reach(
        self, status: payment_pb2.RefundStatus.Value.ValueType, count: int = 1
    ) -> Sequence[payment_pb2.Refund]:
        async def read() -> Sequence[payment_pb2.Refund] | None:
            refunds = await self.refunds()
            return refunds if len(refunds) == count and all(refund.status == status for refund in refunds) else None

        try:
            return await eventually(read)
        except TimeoutError:
            raise AssertionError(f"not {count} refunds in that state: {await self.refunds()}") from None

    async def refund(self, job: str = "manager", amount: int | None = None, key: str = "") -> payment_pb2.Refund:
        request = pb.RefundPaymentRequest(id=self.payment_id, reason="cold food")
        if amount is not None:
            request.amount.CopyFrom(Money(currency_code="INR", minor_units=amount))
        caller = harness.staff(ids.new_id(), self.store_id, job).sending(idempotency_key=key or str(ids.new_id()))
        refund: payment_pb2.Refund = await self.world.stub(caller).RefundPayment(request)
        return refund

    async def cancelled(self) -> None:
        """The order service publishes OrderCancelled."""
        await self.world.orders.publish(OrderCancelled(order_id=self.order_id), self.order_id)

    async def delivered(self, actor: UUID | None = None) -> None:
        """The order service publishes OrderDelivered."""
        event = OrderDelivered(
            order_id=self.order_id,
            payment_method=PaymentMethod.COD,
            total=Money(currency_code="INR", minor_units=self.amount),
            delivered_by=str(actor or ids.new_id()),
        )
        await self.world.orders.publish(event, self.order_id)

    async def events(self) -> list[Any]:
        """The events of this order's payment, in their order."""
        rows = await self.world.db.all(EVENTS_OF_ORDER, order_id=self.order_id)
        return [EVENT_TYPES[row.type].FromString(row.payload) for row in rows]


@dataclass
class World:
    """Everything a test needs."""

    platform: Platform
    process: Process
    gateway: LocalGateway
    orders: Orders
    _stubs: dict[Identity, Any] = field(default_factory=dict)

    @property
    def app(self) -> Any:
        return self.process.app

    @property
    def db(self) -> Any:
        return self.process.app.db

    def stub(self, caller: Identity) -> Any:
        if caller not in self._stubs:
            self._stubs[caller] = self.platform.stub("payment", PaymentServiceStub, caller)
        return self._stubs[caller]

    def as_order(self) -> Any:
        return self.stub(harness.service("order"))

    def sale(self, **facts: Any) -> Sale:
        return Sale(self, **facts)

    async def webhook(self, body: bytes, **headers: str) -> None:
        """An anonymous client posts these bytes. Raises AioRpcError."""
        caller = ANONYMOUS.sending(**headers)
        await self.stub(caller).ReceiveWebhook(HttpBody(content_type="application/json", data=body))

    async def signed_webhook(self, message: dict[str, Any], event_id: str = "") -> bytes:
        """The gateway posts this message with its signature; returns the bytes."""
        body = json.dumps(message).encode()
        headers = {"x_razorpay_signature": self.gateway.sign(body)}
        if event_id:
            headers["x_razorpay_event_id"] = event_id
        await self.webhook(body, **headers)
        return body


def capture_message(sale: Sale, transaction_id: str, **changes: Any) -> dict[str, Any]:
    """A payment.captured event of the gateway."""
    entity = {
        "id": transaction_id,
        "order_id": sale.payment.provider_order_id,
        "status": "captured",
        "captured": True,
        "amount": sale.amount,
        "currency": "INR",
        "method": "upi",
        "email": "guest@example.com",
        "contact": "+919812345678",
        "vpa": "guest@bank",
        **changes,
    }
    return {"event": "payment.captured", "payload": {"payment": {"entity": entity}}}


__all__ = ["LocalGateway", "Orders", "Sale", "WebhookEdge", "World", "capture_message", "eventually"]
