"""JSON in, JSON out, refusals in Razorpay's shape."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from devstack.gateway.books import Json
from devstack.gateway.refusals import Refused


async def json_body(request: Request) -> Json:
    raw = await request.body()
    try:
        body = json.loads(raw or b"{}")
    except ValueError:
        raise Refused("The request body is not JSON") from None
    if not isinstance(body, dict):
        raise Refused("The request body is not a JSON object")
    return body


def control(work: Callable[[Request], Awaitable[Json]]) -> Callable[[Request], Awaitable[Response]]:
    """A route for people and tests: no authentication, no faults."""

    async def answer(request: Request) -> Response:
        try:
            return JSONResponse(await work(request))
        except Refused as refusal:
            return JSONResponse({"error": refusal.error}, refusal.status)

    return answer
