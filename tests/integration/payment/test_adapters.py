"""The adapters with their SDKs over HTTP: Razorpay's with the local gateway, Stripe's with a small server that answers
as Stripe's documentation says and records the requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest
import pytest_asyncio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chassis import ids
from devstack.ports import free_port
from services.payment.gateways.port import GatewayUnavailable, RefundRequest, RequestRejected
from services.payment.gateways.razorpay import RazorpayGateway
from services.payment.gateways.stripe import StripeGateway
from services.payment.gateways.thread_pool import GatewayThreadPool
from tests.integration.payment.world import World, eventually

AMOUNT = Decimal("249.00")


def razorpay(
    world: World, *, secret: str = "", url: str = "", threads: int = 4, seconds: float = 2.0
) -> RazorpayGateway:
    gateway = world.gateway
    return RazorpayGateway(
        gateway.key_id,
        secret or gateway.key_secret,
        [gateway.webhook_secret],
        url or gateway.url,
        GatewayThreadPool(threads, seconds),
    )


async def test_razorpay_captures_and_refunds(world: World) -> None:
    gateway, reference = razorpay(world), str(ids.new_id())
    order_id = await gateway.create_order(reference, AMOUNT, "INR", "JS-1")
    assert await gateway.list_attempts(order_id) == []
    await world.gateway.pay(order_id, "failed")
    await world.gateway.pay(order_id, "authorized")
    authorized, failed = await gateway.list_attempts(order_id)
    assert (failed.status, failed.failure_reason) == ("failed", "payment_declined")
    assert (authorized.status, authorized.amount, authorized.method) == ("authorized", AMOUNT, "upi")
    captured = await gateway.capture_attempt(authorized)
    assert (captured.status, captured.transaction_id) == ("captured", authorized.transaction_id)
    request = RefundRequest(str(ids.new_id()), captured.transaction_id, Decimal("49.50"), "INR")
    assert await gateway.find_refund(request) is None
    refund = await gateway.create_refund(request)
    assert (refund.reference, refund.status, refund.amount) == (request.reference, "processed", Decimal("49.50"))
    assert await gateway.find_refund(request) == refund


async def test_razorpay_refunds_once_for_one_reference(world: World) -> None:
    gateway = razorpay(world)
    paid = await world.gateway.pay(await gateway.create_order(str(ids.new_id()), AMOUNT, "INR", "JS-1"))
    request = RefundRequest(str(ids.new_id()), paid["razorpay_payment_id"], Decimal("100.00"), "INR")
    refunds = await asyncio.gather(*(gateway.create_refund(request) for _ in range(4)))
    assert len({refund.gateway_refund_id for refund in refunds}) == 1


async def test_rejections_of_razorpay_are_distinguished_from_unknown_outcomes(world: World) -> None:
    gateway = razorpay(world)
    with pytest.raises(RequestRejected):
        await gateway.create_order("r", Decimal("0.50"), "INR", "JS-1")
    with pytest.raises(RequestRejected):
        await gateway.list_attempts("order_DoesNotExist00")
    wrong_key = razorpay(world, secret="not the secret")
    with pytest.raises(GatewayUnavailable, match="401"):
        await wrong_key.create_order("r", AMOUNT, "INR", "JS-1")
    unreachable = razorpay(world, url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(GatewayUnavailable):
        await unreachable.create_order("r", AMOUNT, "INR", "JS-1")
    await world.gateway.faults(broken=True)
    with pytest.raises(GatewayUnavailable):
        await gateway.create_order("r", AMOUNT, "INR", "JS-1")


async def test_calls_to_a_silent_gateway_end_at_the_timeout(world: World) -> None:
    await world.gateway.faults(silent=True)
    gateway = razorpay(world, threads=2, seconds=0.4)
    started = asyncio.get_running_loop().time()
    calls = (gateway.create_order(str(ids.new_id()), AMOUNT, "INR", "JS-1") for _ in range(10))
    responses = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(response, GatewayUnavailable) for response in responses)
    assert asyncio.get_running_loop().time() - started < 1.5


@dataclass
class StripeServer:
    """PaymentIntents, charges and refunds in the format of Stripe's API."""

    port: int = field(default_factory=free_port)
    requests: list[tuple[str, str, dict[str, str], str]] = field(default_factory=list)
    charges: list[dict[str, Any]] = field(default_factory=list)
    refunds: dict[str, dict[str, Any]] = field(default_factory=dict)
    fails_with: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def record(self, request: Request) -> dict[str, str]:
        body = dict(parse_qsl((await request.body()).decode())) or dict(request.query_params)
        key = request.headers.get("idempotency-key", "")
        self.requests.append((request.method, request.url.path, body, key))
        assert request.headers["authorization"] == "Bearer sk_test_1"
        return body

    async def create_intent(self, request: Request) -> Response:
        await self.record(request)
        if self.fails_with:
            error = {"type": "invalid_request_error", "code": "amount_too_small", "message": "too small"}
            return JSONResponse({"error": error}, self.fails_with)
        return JSONResponse({"id": "pi_1", "object": "payment_intent", "client_secret": "pi_1_secret_x"})

    async def get_intent(self, request: Request) -> Response:
        await self.record(request)
        return JSONResponse({"id": "pi_1", "object": "payment_intent", "client_secret": "pi_1_secret_x"})

    async def list_charges(self, request: Request) -> Response:
        await self.record(request)
        return JSONResponse({"object": "list", "has_more": False, "url": "/v1/charges", "data": self.charges})

    async def capture(self, request: Request) -> Response:
        await self.record(request)
        return JSONResponse(charge(request.path_params["id"]))

    async def refund(self, request: Request) -> Response:
        body = await self.record(request)
        refund = {
            "id": "re_1",
            "object": "refund",
            "charge": body["charge"],
            "payment_intent": "pi_1",
            "amount": int(body["amount"]),
            "currency": "inr",
            "status": "succeeded",
            "metadata": {"refund_id": body["metadata[refund_id]"]},
        }
        return JSONResponse(self.refunds.setdefault(request.headers["idempotency-key"], refund))

    async def list_refunds(self, request: Request) -> Response:
        await self.record(request)
        data = list(self.refunds.values())
        return JSONResponse({"object": "list", "has_more": False, "url": "/v1/refunds", "data": data})

    def routes(self) -> list[Route]:
        return [
            Route("/v1/payment_intents", self.create_intent, methods=["POST"]),
            Route("/v1/payment_intents/{id}", self.get_intent, methods=["GET"]),
            Route("/v1/charges", self.list_charges, methods=["GET"]),
            Route("/v1/charges/{id}/capture", self.capture, methods=["POST"]),
            Route("/v1/refunds", self.refund, methods=["POST"]),
            Route("/v1/refunds", self.list_refunds, methods=["GET"]),
        ]


def charge(charge_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": charge_id,
        "object": "charge",
        "payment_intent": "pi_1",
        "status": "succeeded",
        "captured": True,
        "amount": 24900,
        "amount_captured": 24900,
        "currency": "inr",
        "payment_method_details": {"type": "card", "card": {"brand": "visa", "last4": "4242"}},
        **changes,
    }


@pytest_asyncio.fixture
async def stripe_server() -> AsyncIterator[StripeServer]:
    server = StripeServer()
    config = uvicorn.Config(Starlette(routes=server.routes()), port=server.port, log_level="error", lifespan="off")
    running = uvicorn.Server(config)
    serving = asyncio.create_task(running._serve())

    async def started() -> bool:
        return running.started

    await eventually(started)
    yield server
    running.should_exit = True
    await serving


@pytest.fixture
def stripe(stripe_server: StripeServer) -> StripeGateway:
    return StripeGateway("sk_test_1", "pk_test_1", ["whsec_1"], stripe_server.url, GatewayThreadPool(2, 2.0))


async def test_stripe_creates_one_payment_intent_for_one_reference(
    stripe: StripeGateway, stripe_server: StripeServer
) -> None:
    reference = str(ids.new_id())
    assert await stripe.create_order(reference, AMOUNT, "INR", "JS-1") == "pi_1"
    assert await stripe.get_client_secret("pi_1") == "pi_1_secret_x"
    method, path, body, key = stripe_server.requests[0]
    assert (method, path, key) == ("POST", "/v1/payment_intents", reference)
    assert (body["amount"], body["currency"], body["metadata[payment_id]"]) == ("24900", "inr", reference)


async def test_charges_of_stripe_are_attempts(stripe: StripeGateway, stripe_server: StripeServer) -> None:
    stripe_server.charges = [
        charge("ch_3", status="pending"),
        charge("ch_2", captured=False, amount_captured=0),
        charge("ch_1", status="failed", failure_code="card_declined", captured=False, amount_captured=0),
    ]
    authorized, failed = await stripe.list_attempts("pi_1")
    assert (failed.status, failed.failure_reason, failed.amount) == ("failed", "card_declined", AMOUNT)
    assert (authorized.status, authorized.amount, authorized.method) == ("authorized", AMOUNT, "card")
    assert (await stripe.capture_attempt(authorized)).status == "captured"
    assert stripe_server.requests[0][2] == {"payment_intent": "pi_1", "limit": "100"}


async def test_stripe_refunds_once_for_one_reference(stripe: StripeGateway, stripe_server: StripeServer) -> None:
    request = RefundRequest(str(ids.new_id()), "ch_1", Decimal("49.50"), "INR")
    assert await stripe.find_refund(request) is None
    refund = await stripe.create_refund(request)
    assert (refund.reference, refund.status, refund.amount) == (request.reference, "processed", Decimal("49.50"))
    assert await stripe.create_refund(request) == await stripe.find_refund(request) == refund


@pytest.mark.parametrize(
    ("status", "raised"),
    [(400, RequestRejected), (500, GatewayUnavailable), (401, GatewayUnavailable), (429, GatewayUnavailable)],
)
async def test_rejections_of_stripe_are_distinguished_from_unknown_outcomes(
    stripe: StripeGateway, stripe_server: StripeServer, status: int, raised: type[Exception]
) -> None:
    stripe_server.fails_with = status
    with pytest.raises(raised):
        await stripe.create_order(str(ids.new_id()), AMOUNT, "INR", "JS-1")
