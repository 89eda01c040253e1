"""`/v1`: what Razorpay's SDK calls."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devstack.gateway.answers import control, json_body
from devstack.gateway.bank import Bank, whole_amount
from devstack.gateway.books import Json
from devstack.gateway.refusals import Refused
from devstack.gateway.settings import Settings

PAGE = 100


def authenticated(settings: Settings, header: str | None) -> bool:
    scheme, _, encoded = (header or "").partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    expected = f"{settings.key_id}:{settings.key_secret}".encode()
    return scheme.lower() == "basic" and hmac.compare_digest(given, expected)


def api(bank: Bank, work: Callable[[Request], Awaitable[Json]]) -> Callable[[Request], Awaitable[Response]]:
    """A route of Razorpay's API: authentication, faults, errors in Razorpay's shape."""

    async def answer(request: Request) -> Response:
        if not authenticated(bank.settings, request.headers.get("authorization")):
            refusal = Refused("Authentication failed", status=401)
            return JSONResponse({"error": refusal.error}, refusal.status)
        if bank.faults.broken:
            error = {"code": "SERVER_ERROR", "description": "We are facing some trouble completing your request"}
            return JSONResponse({"error": error}, 500)
        response = await control(work)(request)
        if bank.faults.silent:
            await asyncio.Event().wait()
        await asyncio.sleep(bank.faults.delay_ms / 1000)
        return response

    return answer


def collection(items: list[Json]) -> Json:
    return {"entity": "collection", "count": len(items), "items": items}


def razorpay_routes(bank: Bank) -> list[Route]:
    books = bank.books

    async def create_order(request: Request) -> Json:
        return await bank.create_order(await json_body(request))

    async def list_orders(request: Request) -> Json:
        query = request.query_params
        count, skip = min(whole_amount(query.get("count", 10)), PAGE), whole_amount(query.get("skip", 0))
        return collection(books.listed("order", query.get("receipt"), count, skip))

    async def get_order(request: Request) -> Json:
        return books.get("order", request.path_params["id"])

    async def order_payments(request: Request) -> Json:
        order = books.get("order", request.path_params["id"])
        return collection(books.children("payment", order["id"]))

    async def get_payment(request: Request) -> Json:
        return books.get("payment", request.path_params["id"])

    async def capture(request: Request) -> Json:
        return await bank.capture(request.path_params["id"], await json_body(request))

    async def refund(request: Request) -> Json:
        key = request.headers.get("x-refund-idempotency")
        return await bank.refund(request.path_params["id"], await json_body(request), key)

    async def payment_refunds(request: Request) -> Json:
        payment = books.get("payment", request.path_params["id"])
        return collection(books.children("refund", payment["id"]))

    async def get_refund(request: Request) -> Json:
        return books.get("refund", request.path_params["refund_id"])

    return [
        Route("/v1/orders", api(bank, create_order), methods=["POST"]),
        Route("/v1/orders", api(bank, list_orders), methods=["GET"]),
        Route("/v1/orders/{id}", api(bank, get_order), methods=["GET"]),
        Route("/v1/orders/{id}/payments", api(bank, order_payments), methods=["GET"]),
        Route("/v1/payments/{id}", api(bank, get_payment), methods=["GET"]),
        Route("/v1/payments/{id}/capture", api(bank, capture), methods=["POST"]),
        Route("/v1/payments/{id}/refund", api(bank, refund), methods=["POST"]),
        Route("/v1/payments/{id}/refunds", api(bank, payment_refunds), methods=["GET"]),
        Route("/v1/payments/{id}/refunds/{refund_id}", api(bank, get_refund), methods=["GET"]),
        Route("/v1/refunds/{refund_id}", api(bank, get_refund), methods=["GET"]),
    ]
