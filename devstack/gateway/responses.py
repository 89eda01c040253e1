"""JSON requests and responses, with errors in Razorpay's format."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from devstack.gateway.errors import RazorpayError
from devstack.gateway.ledger import Json


async def parse_json_body(request: Request) -> Json:
    raw = await request.body()
    try:
        body = json.loads(raw or b"{}")
    except ValueError:
        raise RazorpayError("The request body is not JSON") from None
    if not isinstance(body, dict):
        raise RazorpayError("The request body is not a JSON object")
    return body


def handle_errors(work: Callable[[Request], Awaitable[Json]]) -> Callable[[Request], Awaitable[Response]]:
    """Wraps a route: its result as JSON, errors in Razorpay's format."""

    async def answer(request: Request) -> Response:
        try:
            return JSONResponse(await work(request))
        except RazorpayError as error:
            return JSONResponse({"error": error.error}, error.status)

    return answer
