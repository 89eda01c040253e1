"""Routes for tests and programs: payments without the checkout page, refunds, fault injection."""

from __future__ import annotations

from dataclasses import asdict

from starlette.requests import Request
from starlette.routing import Route

from devstack.gateway.errors import RazorpayError
from devstack.gateway.gateway import Gateway, parse_amount
from devstack.gateway.ledger import Json
from devstack.gateway.responses import handle_errors, parse_json_body


def make_control_routes(gateway: Gateway) -> list[Route]:
    async def pay(request: Request) -> Json:
        body = await parse_json_body(request)
        outcome = body.get("outcome", "captured")
        if outcome not in {"captured", "authorized", "failed"}:
            raise RazorpayError("outcome must be captured, authorized or failed")
        amount = None if body.get("amount") is None else parse_amount(body["amount"])
        payment = await gateway.pay(
            str(body.get("order_id")),
            outcome,
            amount=amount,
            method=str(body.get("method", "upi")),
            again=body.get("again") is True,
        )
        answer = gateway.sign_checkout(payment) if outcome != "failed" else {"razorpay_order_id": payment["order_id"]}
        return {**answer, "payment": payment}

    async def finish_refund(request: Request) -> Json:
        body = await parse_json_body(request)
        return await gateway.finish_refund(request.path_params["id"], str(body.get("outcome", "processed")))

    async def show_faults(_: Request) -> Json:
        return asdict(gateway.faults)

    async def set_faults(request: Request) -> Json:
        """Sets the given faults; others keep their value."""
        body = await parse_json_body(request)
        wanted = asdict(gateway.faults)
        for name, value in body.items():
            if name not in wanted or type(value) is not type(wanted[name]):
                raise RazorpayError(f"{name} is not a fault, or its value has the wrong type")
            setattr(gateway.faults, name, value)
        return asdict(gateway.faults)

    async def health(_: Request) -> Json:
        return {"status": "ok", "undeliveredWebhooks": gateway.webhooks.count_undelivered()}

    return [
        Route("/pay", handle_errors(pay), methods=["POST"]),
        Route("/refunds/{id}/finish", handle_errors(finish_refund), methods=["POST"]),
        Route("/faults", handle_errors(show_faults), methods=["GET"]),
        Route("/faults", handle_errors(set_faults), methods=["PUT"]),
        Route("/health", handle_errors(health), methods=["GET"]),
    ]
