"""The routes `/v1` of Razorpay's API."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devstack.gateway.errors import RazorpayError
from devstack.gateway.gateway import Gateway, parse_amount
from devstack.gateway.ledger import Json
from devstack.gateway.responses import handle_errors, parse_json_body
from devstack.gateway.settings import Settings

PAGE = 100


def is_authenticated(settings: Settings, header: str | None) -> bool:
    scheme, _, encoded = (header or "").partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    expected = f"{settings.key_id}:{settings.key_secret}".encode()
    return scheme.lower() == "basic" and hmac.compare_digest(given, expected)


def wrap_route(
    gateway: Gateway, work: Callable[[Request], Awaitable[Json]]
) -> Callable[[Request], Awaitable[Response]]:
    """Wraps a route of Razorpay's API: authentication, injected faults, errors in Razorpay's format."""

    async def answer(request: Request) -> Response:
        if not is_authenticated(gateway.settings, request.headers.get("authorization")):
            rejected = RazorpayError("Authentication failed", status=401)
            return JSONResponse({"error": rejected.error}, rejected.status)
        if gateway.faults.broken:
            error = {"code": "SERVER_ERROR", "description": "We are facing some trouble completing your request"}
            return JSONResponse({"error": error}, 500)
        response = await handle_errors(work)(request)
        if gateway.faults.silent:
            await asyncio.Event().wait()
        await asyncio.sleep(gateway.faults.delay_ms / 1000)
        return response

    return answer


def make_collection(items: list[Json]) -> Json:
    return {"entity": "collection", "count": len(items), "items": items}


def make_razorpay_routes(gateway: Gateway) -> list[Route]:
    ledger = gateway.ledger

    async def create_order(request: Request) -> Json:
        return await gateway.create_order(await parse_json_body(request))

    async def list_orders(request: Request) -> Json:
        query = request.query_params
        count, skip = min(parse_amount(query.get("count", 10)), PAGE), parse_amount(query.get("skip", 0))
        return make_collection(ledger.list_by_kind("order", query.get("receipt"), count, skip))

    async def get_order(request: Request) -> Json:
        return ledger.get("order", request.path_params["id"])

    async def list_order_payments(request: Request) -> Json:
        order = ledger.get("order", request.path_params["id"])
        return make_collection(ledger.list_children("payment", order["id"]))

    async def get_payment(request: Request) -> Json:
        return ledger.get("payment", request.path_params["id"])

    async def capture(request: Request) -> Json:
        return await gateway.capture(request.path_params["id"], await parse_json_body(request))

    async def refund(request: Request) -> Json:
        key = request.headers.get("x-refund-idempotency")
        return await gateway.refund(request.path_params["id"], await parse_json_body(request), key)

    async def list_payment_refunds(request: Request) -> Json:
        payment = ledger.get("payment", request.path_params["id"])
        return make_collection(ledger.list_children("refund", payment["id"]))

    async def get_refund(request: Request) -> Json:
        return ledger.get("refund", request.path_params["refund_id"])

    return [
        Route("/v1/orders", wrap_route(gateway, create_order), methods=["POST"]),
        Route("/v1/orders", wrap_route(gateway, list_orders), methods=["GET"]),
        Route("/v1/orders/{id}", wrap_route(gateway, get_order), methods=["GET"]),
        Route("/v1/orders/{id}/payments", wrap_route(gateway, list_order_payments), methods=["GET"]),
        Route("/v1/payments/{id}", wrap_route(gateway, get_payment), methods=["GET"]),
        Route("/v1/payments/{id}/capture", wrap_route(gateway, capture), methods=["POST"]),
        Route("/v1/payments/{id}/refund", wrap_route(gateway, refund), methods=["POST"]),
        Route("/v1/payments/{id}/refunds", wrap_route(gateway, list_payment_refunds), methods=["GET"]),
        Route("/v1/payments/{id}/refunds/{refund_id}", wrap_route(gateway, get_refund), methods=["GET"]),
        Route("/v1/refunds/{refund_id}", wrap_route(gateway, get_refund), methods=["GET"]),
    ]
