"""Paying without a page, and the switches that make the gateway fail."""

from __future__ import annotations

from dataclasses import asdict

from starlette.requests import Request
from starlette.routing import Route

from devstack.gateway.answers import control, json_body
from devstack.gateway.bank import Bank, whole_amount
from devstack.gateway.books import Json
from devstack.gateway.refusals import Refused


def control_routes(bank: Bank) -> list[Route]:
    async def pay(request: Request) -> Json:
        body = await json_body(request)
        outcome = body.get("outcome", "captured")
        if outcome not in {"captured", "authorized", "failed"}:
            raise Refused("outcome is captured, authorized or failed")
        amount = None if body.get("amount") is None else whole_amount(body["amount"])
        payment = await bank.pay(
            str(body.get("order_id")),
            outcome,
            amount=amount,
            method=str(body.get("method", "upi")),
            again=body.get("again") is True,
        )
        answer = bank.checkout_answer(payment) if outcome != "failed" else {"razorpay_order_id": payment["order_id"]}
        return {**answer, "payment": payment}

    async def finish_refund(request: Request) -> Json:
        body = await json_body(request)
        return await bank.finish_refund(request.path_params["id"], str(body.get("outcome", "processed")))

    async def show_faults(_: Request) -> Json:
        return asdict(bank.faults)

    async def set_faults(request: Request) -> Json:
        """Sets the switches that are named and leaves the others."""
        body = await json_body(request)
        wanted = asdict(bank.faults)
        for name, value in body.items():
            if name not in wanted or type(value) is not type(wanted[name]):
                raise Refused(f"{name} is no switch, or not of this type")
            setattr(bank.faults, name, value)
        return asdict(bank.faults)

    async def health(_: Request) -> Json:
        return {"status": "ok", "undeliveredWebhooks": bank.webhooks.undelivered()}

    return [
        Route("/pay", control(pay), methods=["POST"]),
        Route("/refunds/{id}/finish", control(finish_refund), methods=["POST"]),
        Route("/faults", control(show_faults), methods=["GET"]),
        Route("/faults", control(set_faults), methods=["PUT"]),
        Route("/health", control(health), methods=["GET"]),
    ]
