"""The checkout page, on which a person pays or declines an order."""

from __future__ import annotations

import html
import json

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from devstack.gateway.errors import RazorpayError
from devstack.gateway.gateway import Gateway
from devstack.gateway.ledger import Json

PAGE_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Local checkout</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 3rem auto; padding: 0 1rem; }}
button {{ font: inherit; padding: .6rem 1.4rem; margin-right: .6rem; border-radius: .4rem; border: 1px solid #555; }}
.pay {{ background: #16794c; color: #fff; border-color: #16794c; }}
code {{ overflow-wrap: anywhere; }} table {{ border-spacing: .8rem .2rem; margin-left: -.8rem; }}
</style></head><body><h1>Local checkout</h1>{body}<p><small>No real money: nothing leaves this machine.</small></p>
</body></html>"""


def make_checkout_routes(gateway: Gateway) -> list[Route]:
    async def show(request: Request) -> Response:
        try:
            order = gateway.ledger.get("order", request.path_params["id"])
        except RazorpayError:
            return render_page("<p>Order not found.</p>", status=404)
        attempts = gateway.ledger.list_children("payment", order["id"])
        rows = "".join(
            f"<tr><td><code>{escape(p['id'])}</code></td><td>{escape(p['status'])}</td></tr>" for p in attempts
        )
        amount = f"{order['amount'] // 100:,}.{order['amount'] % 100:02d} {escape(order['currency'])}"
        buttons = (
            '<form method="post"><button class="pay" name="outcome" value="captured">Pay</button>'
            '<button name="outcome" value="failed">Decline</button></form>'
        )
        state = "<p><strong>Paid.</strong></p>" if order["status"] == "paid" else buttons
        receipt = f"<p>For <code>{escape(order['id'])}</code>: <strong>{amount}</strong></p>"
        return render_page(f"{receipt}{state}<table>{rows}</table>{render_signed_response(attempts)}")

    def render_signed_response(attempts: list[Json]) -> str:
        captured = [payment for payment in attempts if payment["captured"]]
        if not captured:
            return ""
        signed = json.dumps(gateway.sign_checkout(captured[0]), indent=2)
        return f"<p>The merchant's page received:</p><pre><code>{escape(signed)}</code></pre>"

    async def decide(request: Request) -> Response:
        order_id = request.path_params["id"]
        outcome = "failed" if b"outcome=failed" in await request.body() else "captured"
        try:
            await gateway.pay(order_id, outcome, amount=None, method="upi", again=False)
        except RazorpayError as error:
            return render_page(f"<p>{escape(error)}</p>", status=error.status)
        return RedirectResponse(f"/checkout/{order_id}", status_code=303)

    return [
        Route("/checkout/{id}", show, methods=["GET"]),
        Route("/checkout/{id}", decide, methods=["POST"]),
    ]


def escape(value: object) -> str:
    return html.escape(str(value))


def render_page(body: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(PAGE_TEMPLATE.format(body=body), status)
