"""A payment gateway for development and tests: Razorpay's HTTP API and webhooks, on this machine, with invented money.

    python -m devstack.gateway --port 9100 --webhook-url http://127.0.0.1:8080/api/payments/webhook \
        --key-id rzp_test_local --key-secret ... --webhook-secret ... --state .run/gateway.sqlite3

The platform talks to it with Razorpay's own SDK, so the adapter that runs here is the one that runs in production.
Three faces:

- `/v1/...`       what the SDK calls: orders, payments, captures, refunds; basic authentication is checked.
- `/checkout/ID`  a page on which a person pays or declines; `POST /pay` does the same for programs.
- `/faults`       switches that make it slow, silent, forgetful or wrong. GET shows them, PUT sets them.

Webhooks are signed over their bytes and repeated with growing pauses until they are answered with 2xx. Everything is
kept in one SQLite file, so a restart forgets nothing. It listens on loopback only: nothing here is a secret.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import binascii
import hashlib
import hmac
import html
import json
import secrets
import sqlite3
import string
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

Json = dict[str, Any]

ALPHABET = string.ascii_letters + string.digits
ID_LENGTH = 14
RECEIPT_LIMIT = 40
SMALLEST_AMOUNT = 100  # one rupee, as at Razorpay
WRONG_AMOUNT_EXCESS = 100
FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 30.0
DELIVERY_TIMEOUT_SECONDS = 10.0
GIVE_UP_AFTER_SECONDS = 24 * 3600.0
PARALLEL_DELIVERIES = 16
PAGE = 100


@dataclass
class Faults:
    """What may go wrong on purpose. All off by default."""

    delay_ms: int = 0
    """Each answer of `/v1` comes this late."""
    silent: bool = False
    """`/v1` does its work and never answers."""
    broken: bool = False
    """`/v1` answers 500 and does nothing."""
    duplicate_webhooks: bool = False
    """Every webhook is sent twice at the same time."""
    drop_webhooks: bool = False
    """No webhook is sent, now or later."""
    wrong_amount: bool = False
    """The next payments capture one rupee more than the order's amount."""
    pending_refunds: bool = False
    """Refunds stay pending until `POST /refunds/ID/finish`."""


@dataclass
class Settings:
    """Who the merchant is and where its webhook listens."""

    webhook_url: str
    key_id: str
    key_secret: str
    webhook_secret: str
    state: str = ":memory:"
    faults: Faults = field(default_factory=Faults)


class Refused(Exception):
    """A request that Razorpay would refuse, with its status and error object."""

    def __init__(self, description: str, *, status: int = 400, reason: str = "input_validation_failed") -> None:
        super().__init__(description)
        self.status = status
        self.error = {
            "code": "BAD_REQUEST_ERROR",
            "description": description,
            "source": "business",
            "step": "payment_initiation",
            "reason": reason,
            "metadata": {},
        }


class Books:
    """Orders, payments, refunds and webhooks that are still to be delivered, in SQLite."""

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript(
            """
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = NORMAL;
            CREATE TABLE IF NOT EXISTS entities (
                id TEXT PRIMARY KEY, kind TEXT NOT NULL, parent TEXT, receipt TEXT, idempotency_key TEXT UNIQUE,
                body TEXT NOT NULL
            );
            CREATE INDEX IF NOT EXISTS entities_parent ON entities (kind, parent);
            CREATE INDEX IF NOT EXISTS entities_receipt ON entities (kind, receipt);
            CREATE TABLE IF NOT EXISTS webhooks (
                event_id TEXT PRIMARY KEY, body BLOB NOT NULL, created REAL NOT NULL, due REAL NOT NULL,
                tries INTEGER NOT NULL DEFAULT 0, delivered REAL
            );
            CREATE INDEX IF NOT EXISTS webhooks_due ON webhooks (due) WHERE delivered IS NULL;
            """
        )

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written inside is written wholly or not at all. Nothing inside may await."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def put(self, entity: Json, *, parent: str | None = None, idempotency_key: str | None = None) -> None:
        self._db.execute(
            "INSERT INTO entities VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            (entity["id"], entity["entity"], parent, entity.get("receipt"), idempotency_key, json.dumps(entity)),
        )

    def get(self, kind: str, entity_id: str) -> Json:
        row = self._db.execute("SELECT body FROM entities WHERE kind = ? AND id = ?", (kind, entity_id)).fetchone()
        if row is None:
            raise Refused("The id provided does not exist")
        entity: Json = json.loads(row[0])
        return entity

    def by_idempotency_key(self, key: str) -> Json | None:
        row = self._db.execute("SELECT body FROM entities WHERE idempotency_key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else None

    def children(self, kind: str, parent: str) -> list[Json]:
        rows = self._db.execute(
            "SELECT body FROM entities WHERE kind = ? AND parent = ? ORDER BY rowid DESC", (kind, parent)
        )
        return [json.loads(row[0]) for row in rows]

    def listed(self, kind: str, receipt: str | None, count: int, skip: int) -> list[Json]:
        rows = self._db.execute(
            "SELECT body FROM entities WHERE kind = ?1 AND (?2 IS NULL OR receipt = ?2) "
            "ORDER BY rowid DESC LIMIT ?3 OFFSET ?4",
            (kind, receipt, count, skip),
        )
        return [json.loads(row[0]) for row in rows]

    def queue_webhook(self, event_id: str, body: bytes) -> None:
        now = time.time()
        self._db.execute(
            "INSERT INTO webhooks (event_id, body, created, due) VALUES (?, ?, ?, ?)", (event_id, body, now, now)
        )

    def due_webhooks(self) -> list[tuple[str, bytes, int]]:
        return self._db.execute(
            "SELECT event_id, body, tries FROM webhooks WHERE delivered IS NULL AND due <= ? AND created > ? "
            "ORDER BY due LIMIT ?",
            (time.time(), time.time() - GIVE_UP_AFTER_SECONDS, PARALLEL_DELIVERIES),
        ).fetchall()

    def seconds_to_next_webhook(self) -> float:
        (due,) = self._db.execute(
            "SELECT min(due) FROM webhooks WHERE delivered IS NULL AND created > ?",
            (time.time() - GIVE_UP_AFTER_SECONDS,),
        ).fetchone()
        return LONGEST_RETRY_SECONDS if due is None else max(0.0, float(due) - time.time())

    def webhook_delivered(self, event_id: str) -> None:
        self._db.execute("UPDATE webhooks SET delivered = ? WHERE event_id = ?", (time.time(), event_id))

    def webhook_failed(self, event_id: str, tries: int) -> None:
        pause = min(FIRST_RETRY_SECONDS * 2**tries, LONGEST_RETRY_SECONDS)
        self._db.execute(
            "UPDATE webhooks SET tries = tries + 1, due = ? WHERE event_id = ?", (time.time() + pause, event_id)
        )

    def undelivered(self) -> int:
        (count,) = self._db.execute("SELECT count(*) FROM webhooks WHERE delivered IS NULL").fetchone()
        return int(count)


def new_id(prefix: str) -> str:
    return f"{prefix}_" + "".join(secrets.choice(ALPHABET) for _ in range(ID_LENGTH))


def signature(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def whole_amount(value: object) -> int:
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused("The amount must be an integer.")
    return value


class Gateway:
    """The bank behind the counter: what happens to orders, payments and refunds."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.faults = settings.faults
        self.books = Books(settings.state)
        self.wake = asyncio.Event()

    async def create_order(self, body: Json) -> Json:
        amount = whole_amount(body.get("amount"))
        receipt = body.get("receipt")
        if amount < SMALLEST_AMOUNT:
            raise Refused("Order amount less than minimum amount allowed")
        if receipt is not None and (not isinstance(receipt, str) or len(receipt) > RECEIPT_LIMIT):
            raise Refused(f"receipt: the length must be no more than {RECEIPT_LIMIT}.")
        order = {
            "id": new_id("order"),
            "entity": "order",
            "amount": amount,
            "amount_paid": 0,
            "amount_due": amount,
            "currency": str(body.get("currency", "INR")),
            "receipt": receipt,
            "offer_id": None,
            "status": "created",
            "attempts": 0,
            "notes": body.get("notes") or [],
            "created_at": int(time.time()),
        }
        self.books.put(order)
        return order

    async def pay(self, order_id: str, outcome: str, *, amount: int | None, method: str, again: bool) -> Json:
        """An attempt of the customer: `captured`, `authorized` or `failed`. A paid order takes no second one unless
        `again`, which is what a late authorisation does at a real gateway."""
        with self.books.together():
            order = self.books.get("order", order_id)
            if order["status"] == "paid" and not again:
                raise Refused("This order has already been paid", reason="order_already_paid")
            wrong = WRONG_AMOUNT_EXCESS if self.faults.wrong_amount else 0
            payment = self._attempt(order, outcome, (amount or int(order["amount"])) + wrong, method)
            self._account(order, payment)
            self.books.put(payment, parent=order_id)
            self.books.put(order)
            self._announce(f"payment.{outcome}", payment=payment)
            if outcome == "captured" and order["status"] == "paid":
                self._announce("order.paid", payment=payment, order=order)
        self.wake.set()
        return payment

    def _attempt(self, order: Json, outcome: str, amount: int, method: str) -> Json:
        declined = outcome == "failed"
        payment = {
            "id": new_id("pay"),
            "entity": "payment",
            "amount": amount,
            "currency": order["currency"],
            "status": outcome,
            "order_id": order["id"],
            "invoice_id": None,
            "international": False,
            "method": method,
            "amount_refunded": 0,
            "refund_status": None,
            "captured": outcome == "captured",
            "description": "Local payment",
            "card_id": None,
            "bank": None,
            "wallet": None,
            "vpa": "payer@localbank" if method == "upi" else None,
            "email": "payer@example.com",
            "contact": "+919000000000",
            "notes": [],
            "fee": None if declined else amount // 50,
            "tax": None if declined else 0,
            "error_code": "BAD_REQUEST_ERROR" if declined else None,
            "error_description": "Your payment was declined by the bank." if declined else None,
            "error_source": "bank" if declined else None,
            "error_step": "payment_authorization" if declined else None,
            "error_reason": "payment_declined" if declined else None,
            "acquirer_data": {"rrn": "".join(secrets.choice(string.digits) for _ in range(12))},
            "created_at": int(time.time()),
        }
        if method == "card":
            payment["card_id"] = new_id("card")
            payment["token_id"] = new_id("token")
            payment["card"] = {
                "id": payment["card_id"],
                "entity": "card",
                "name": "Local Payer",
                "last4": "1111",
                "network": "Visa",
                "type": "debit",
                "issuer": "LOCL",
            }
        return payment

    def _account(self, order: Json, payment: Json) -> None:
        order["attempts"] += 1
        if payment["captured"]:
            order["amount_paid"] += payment["amount"]
            order["amount_due"] = max(0, order["amount"] - order["amount_paid"])
        if order["amount_paid"] >= order["amount"]:
            order["status"] = "paid"
        elif order["status"] == "created":
            order["status"] = "attempted"

    async def capture(self, payment_id: str, body: Json) -> Json:
        with self.books.together():
            payment = self.books.get("payment", payment_id)
            if payment["status"] != "authorized":
                raise Refused("This payment has already been captured")
            if whole_amount(body.get("amount")) != payment["amount"]:
                raise Refused("Capture amount must be equal to the amount authorized")
            payment |= {"status": "captured", "captured": True}
            order = self.books.get("order", payment["order_id"])
            order["attempts"] -= 1  # the attempt was counted when it was authorised
            self._account(order, payment)
            self.books.put(payment)
            self.books.put(order)
            self._announce("payment.captured", payment=payment)
        self.wake.set()
        return payment

    async def refund(self, payment_id: str, body: Json, idempotency_key: str | None) -> Json:
        with self.books.together():
            if idempotency_key and (known := self.books.by_idempotency_key(idempotency_key)):
                return known
            payment = self.books.get("payment", payment_id)
            if not payment["captured"]:
                raise Refused("The payment status should be captured for action to be taken")
            left = payment["amount"] - payment["amount_refunded"]
            amount = whole_amount(body["amount"]) if body.get("amount") is not None else left
            if left == 0:
                raise Refused("The payment has been fully refunded already")
            if not 0 < amount <= left:
                raise Refused("The total refund amount is greater than the refund payment amount")
            pending = self.faults.pending_refunds
            refund = {
                "id": new_id("rfnd"),
                "entity": "refund",
                "amount": amount,
                "currency": payment["currency"],
                "payment_id": payment_id,
                "notes": body.get("notes") or [],
                "receipt": body.get("receipt"),
                "acquirer_data": {"arn": None},
                "created_at": int(time.time()),
                "batch_id": None,
                "status": "pending" if pending else "processed",
                "speed_processed": "normal",
                "speed_requested": "normal",
            }
            self._return_money(payment, amount)
            self.books.put(payment)
            self.books.put(refund, parent=payment_id, idempotency_key=idempotency_key)
            self._announce("refund.created", payment=payment, refund=refund)
            if not pending:
                self._announce("refund.processed", payment=payment, refund=refund)
        self.wake.set()
        return refund

    def _return_money(self, payment: Json, amount: int) -> None:
        payment["amount_refunded"] += amount
        refunded = payment["amount_refunded"]
        payment["refund_status"] = None if refunded == 0 else "full" if refunded == payment["amount"] else "partial"
        payment["status"] = "refunded" if refunded == payment["amount"] else "captured"

    async def finish_refund(self, refund_id: str, outcome: str) -> Json:
        """Lets a pending refund be `processed` or `failed`."""
        with self.books.together():
            refund = self.books.get("refund", refund_id)
            if refund["status"] != "pending" or outcome not in {"processed", "failed"}:
                raise Refused("Only a pending refund can be processed or failed")
            payment = self.books.get("payment", refund["payment_id"])
            refund["status"] = outcome
            if outcome == "failed":
                self._return_money(payment, -refund["amount"])
            self.books.put(payment)
            self.books.put(refund)
            self._announce(f"refund.{outcome}", payment=payment, refund=refund)
        self.wake.set()
        return refund

    def _announce(self, event: str, **entities: Json) -> None:
        if self.faults.drop_webhooks:
            return
        message = {
            "entity": "event",
            "account_id": "acc_LocalMerchant0",
            "event": event,
            "contains": list(entities),
            "payload": {name: {"entity": entity} for name, entity in entities.items()},
            "created_at": int(time.time()),
        }
        self.books.queue_webhook(new_id("evt"), json.dumps(message, separators=(",", ":")).encode())

    def checkout_answer(self, payment: Json) -> Json:
        """What the checkout hands to the merchant's page after a payment that succeeded."""
        message = f"{payment['order_id']}|{payment['id']}".encode()
        return {
            "razorpay_order_id": payment["order_id"],
            "razorpay_payment_id": payment["id"],
            "razorpay_signature": signature(self.settings.key_secret, message),
        }

    async def deliver_webhooks(self) -> None:
        """Runs until cancelled. Deliveries of one round run side by side, so their order is not kept."""
        async with httpx.AsyncClient(timeout=DELIVERY_TIMEOUT_SECONDS, trust_env=False) as client:
            while True:
                self.wake.clear()
                due = self.books.due_webhooks()
                await asyncio.gather(*(self._deliver(client, *webhook) for webhook in due))
                if due:
                    continue
                try:
                    await asyncio.wait_for(self.wake.wait(), self.books.seconds_to_next_webhook())
                except TimeoutError:
                    continue

    async def _deliver(self, client: httpx.AsyncClient, event_id: str, body: bytes, tries: int) -> None:
        headers = {
            "content-type": "application/json",
            "user-agent": "Razorpay-Webhook/v1",
            "x-razorpay-event-id": event_id,
            "x-razorpay-signature": signature(self.settings.webhook_secret, body),
        }
        copies = 2 if self.faults.duplicate_webhooks else 1
        try:
            answers = await asyncio.gather(
                *(client.post(self.settings.webhook_url, content=body, headers=headers) for _ in range(copies))
            )
        except httpx.HTTPError:
            self.books.webhook_failed(event_id, tries)
            return
        if all(answer.is_success for answer in answers):
            self.books.webhook_delivered(event_id)
        else:
            self.books.webhook_failed(event_id, tries)


def authenticated(settings: Settings, header: str | None) -> bool:
    scheme, _, encoded = (header or "").partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    expected = f"{settings.key_id}:{settings.key_secret}".encode()
    return scheme.lower() == "basic" and hmac.compare_digest(given, expected)


async def json_body(request: Request) -> Json:
    raw = await request.body()
    try:
        body = json.loads(raw or b"{}")
    except ValueError:
        raise Refused("The request body is not JSON") from None
    if not isinstance(body, dict):
        raise Refused("The request body is not a JSON object")
    return body


def api(gateway: Gateway, work: Callable[[Request], Awaitable[Json]]) -> Callable[[Request], Awaitable[Response]]:
    """A route of Razorpay's API: authentication, faults, errors in Razorpay's shape."""

    async def answer(request: Request) -> Response:
        if not authenticated(gateway.settings, request.headers.get("authorization")):
            refusal = Refused("Authentication failed", status=401)
            return JSONResponse({"error": refusal.error}, refusal.status)
        if gateway.faults.broken:
            error = {"code": "SERVER_ERROR", "description": "We are facing some trouble completing your request"}
            return JSONResponse({"error": error}, 500)
        response = await control(work)(request)
        if gateway.faults.silent:
            await asyncio.Event().wait()
        await asyncio.sleep(gateway.faults.delay_ms / 1000)
        return response

    return answer


def control(work: Callable[[Request], Awaitable[Json]]) -> Callable[[Request], Awaitable[Response]]:
    """A route for people and tests: no authentication, no faults."""

    async def answer(request: Request) -> Response:
        try:
            return JSONResponse(await work(request))
        except Refused as refusal:
            return JSONResponse({"error": refusal.error}, refusal.status)

    return answer


def collection(items: list[Json]) -> Json:
    return {"entity": "collection", "count": len(items), "items": items}


def razorpay_routes(gateway: Gateway) -> list[Route]:
    books = gateway.books

    async def create_order(request: Request) -> Json:
        return await gateway.create_order(await json_body(request))

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
        return await gateway.capture(request.path_params["id"], await json_body(request))

    async def refund(request: Request) -> Json:
        key = request.headers.get("x-refund-idempotency")
        return await gateway.refund(request.path_params["id"], await json_body(request), key)

    async def payment_refunds(request: Request) -> Json:
        payment = books.get("payment", request.path_params["id"])
        return collection(books.children("refund", payment["id"]))

    async def get_refund(request: Request) -> Json:
        return books.get("refund", request.path_params["refund_id"])

    return [
        Route("/v1/orders", api(gateway, create_order), methods=["POST"]),
        Route("/v1/orders", api(gateway, list_orders), methods=["GET"]),
        Route("/v1/orders/{id}", api(gateway, get_order), methods=["GET"]),
        Route("/v1/orders/{id}/payments", api(gateway, order_payments), methods=["GET"]),
        Route("/v1/payments/{id}", api(gateway, get_payment), methods=["GET"]),
        Route("/v1/payments/{id}/capture", api(gateway, capture), methods=["POST"]),
        Route("/v1/payments/{id}/refund", api(gateway, refund), methods=["POST"]),
        Route("/v1/payments/{id}/refunds", api(gateway, payment_refunds), methods=["GET"]),
        Route("/v1/payments/{id}/refunds/{refund_id}", api(gateway, get_refund), methods=["GET"]),
        Route("/v1/refunds/{refund_id}", api(gateway, get_refund), methods=["GET"]),
    ]


def control_routes(gateway: Gateway) -> list[Route]:
    async def pay(request: Request) -> Json:
        body = await json_body(request)
        outcome = body.get("outcome", "captured")
        if outcome not in {"captured", "authorized", "failed"}:
            raise Refused("outcome is captured, authorized or failed")
        amount = None if body.get("amount") is None else whole_amount(body["amount"])
        payment = await gateway.pay(
            str(body.get("order_id")),
            outcome,
            amount=amount,
            method=str(body.get("method", "upi")),
            again=body.get("again") is True,
        )
        answer = gateway.checkout_answer(payment) if outcome != "failed" else {"razorpay_order_id": payment["order_id"]}
        return {**answer, "payment": payment}

    async def finish_refund(request: Request) -> Json:
        body = await json_body(request)
        return await gateway.finish_refund(request.path_params["id"], str(body.get("outcome", "processed")))

    async def show_faults(_: Request) -> Json:
        return asdict(gateway.faults)

    async def set_faults(request: Request) -> Json:
        """Sets the switches that are named and leaves the others."""
        body = await json_body(request)
        wanted = asdict(gateway.faults)
        for name, value in body.items():
            if name not in wanted or type(value) is not type(wanted[name]):
                raise Refused(f"{name} is no switch, or not of this type")
            setattr(gateway.faults, name, value)
        return asdict(gateway.faults)

    async def health(_: Request) -> Json:
        return {"status": "ok", "undeliveredWebhooks": gateway.books.undelivered()}

    return [
        Route("/pay", control(pay), methods=["POST"]),
        Route("/refunds/{id}/finish", control(finish_refund), methods=["POST"]),
        Route("/faults", control(show_faults), methods=["GET"]),
        Route("/faults", control(set_faults), methods=["PUT"]),
        Route("/health", control(health), methods=["GET"]),
    ]


PAGE_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Local checkout</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 3rem auto; padding: 0 1rem; }}
button {{ font: inherit; padding: .6rem 1.4rem; margin-right: .6rem; border-radius: .4rem; border: 1px solid #555; }}
.pay {{ background: #16794c; color: #fff; border-color: #16794c; }}
code {{ overflow-wrap: anywhere; }} table {{ border-spacing: .8rem .2rem; margin-left: -.8rem; }}
</style></head><body><h1>Local checkout</h1>{body}<p><small>Invented money: nothing leaves this machine.</small></p>
</body></html>"""


def checkout_routes(gateway: Gateway) -> list[Route]:
    async def show(request: Request) -> Response:
        try:
            order = gateway.books.get("order", request.path_params["id"])
        except Refused:
            return page("<p>There is no such order.</p>", status=404)
        attempts = gateway.books.children("payment", order["id"])
        rows = "".join(f"<tr><td><code>{text(p['id'])}</code></td><td>{text(p['status'])}</td></tr>" for p in attempts)
        amount = f"{order['amount'] // 100:,}.{order['amount'] % 100:02d} {text(order['currency'])}"
        buttons = (
            '<form method="post"><button class="pay" name="outcome" value="captured">Pay</button>'
            '<button name="outcome" value="failed">Decline</button></form>'
        )
        state = "<p><strong>Paid.</strong></p>" if order["status"] == "paid" else buttons
        receipt = f"<p>For <code>{text(order['id'])}</code>: <strong>{amount}</strong></p>"
        return page(f"{receipt}{state}<table>{rows}</table>{signed_answers(attempts)}")

    def signed_answers(attempts: list[Json]) -> str:
        captured = [payment for payment in attempts if payment["captured"]]
        if not captured:
            return ""
        answer = json.dumps(gateway.checkout_answer(captured[0]), indent=2)
        return f"<p>The merchant's page was handed:</p><pre><code>{text(answer)}</code></pre>"

    async def decide(request: Request) -> Response:
        order_id = request.path_params["id"]
        outcome = "failed" if b"outcome=failed" in await request.body() else "captured"
        try:
            await gateway.pay(order_id, outcome, amount=None, method="upi", again=False)
        except Refused as refusal:
            return page(f"<p>{text(refusal)}</p>", status=refusal.status)
        return RedirectResponse(f"/checkout/{order_id}", status_code=303)

    return [
        Route("/checkout/{id}", show, methods=["GET"]),
        Route("/checkout/{id}", decide, methods=["POST"]),
    ]


def text(value: object) -> str:
    return html.escape(str(value))


def page(body: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(PAGE_TEMPLATE.format(body=body), status)


def application(settings: Settings) -> Starlette:
    """The ASGI application. Its lifespan delivers webhooks and closes the books."""
    gateway = Gateway(settings)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        courier = asyncio.create_task(gateway.deliver_webhooks())
        yield
        courier.cancel()
        await asyncio.gather(courier, return_exceptions=True)
        gateway.books.close()

    routes = [*razorpay_routes(gateway), *control_routes(gateway), *checkout_routes(gateway)]
    return Starlette(routes=routes, lifespan=lifespan)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--webhook-url", required=True)
    parser.add_argument("--key-id", required=True)
    parser.add_argument("--key-secret", required=True)
    parser.add_argument("--webhook-secret", required=True)
    parser.add_argument("--state", type=Path, help="SQLite file; without it a restart forgets everything")
    for switch in fields(Faults):
        name = "--" + switch.name.replace("_", "-")
        if isinstance(switch.default, bool):
            parser.add_argument(name, action="store_true")
        else:
            parser.add_argument(name, type=int, default=switch.default)
    options = parser.parse_args()
    faults = Faults(**{switch.name: getattr(options, switch.name) for switch in fields(Faults)})
    if options.state:
        options.state.parent.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        webhook_url=options.webhook_url,
        key_id=options.key_id,
        key_secret=options.key_secret,
        webhook_secret=options.webhook_secret,
        state=str(options.state) if options.state else ":memory:",
        faults=faults,
    )
    uvicorn.run(
        application(settings),
        host=options.host,
        port=options.port,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=1,  # a silent gateway has callers that nobody will ever answer
    )


if __name__ == "__main__":
    main()
