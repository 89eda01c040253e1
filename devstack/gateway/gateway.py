"""Operations on orders, payments and refunds."""

from __future__ import annotations

import secrets
import string
import time

from devstack.gateway.errors import RazorpayError
from devstack.gateway.ledger import Json, Ledger, make_id
from devstack.gateway.settings import Settings
from devstack.gateway.webhooks import Webhooks, sign

RECEIPT_LIMIT = 40
MIN_AMOUNT = 100  # one rupee, as at Razorpay
WRONG_AMOUNT_EXCESS = 100


def parse_amount(value: object) -> int:
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise RazorpayError("The amount must be an integer.")
    return value


class Gateway:
    """Each operation is one transaction of the ledger and enqueues its webhooks."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.faults = settings.faults
        self.ledger = Ledger(settings.state)
        self.webhooks = Webhooks(self.ledger, settings)

    async def create_order(self, body: Json) -> Json:
        amount = parse_amount(body.get("amount"))
        receipt = body.get("receipt")
        if amount < MIN_AMOUNT:
            raise RazorpayError("Order amount less than minimum amount allowed")
        if receipt is not None and (not isinstance(receipt, str) or len(receipt) > RECEIPT_LIMIT):
            raise RazorpayError(f"receipt: the length must be no more than {RECEIPT_LIMIT}.")
        order = {
            "id": make_id("order"),
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
        self.ledger.put(order)
        return order

    async def pay(self, order_id: str, outcome: str, *, amount: int | None, method: str, again: bool) -> Json:
        """A payment attempt with the outcome `captured`, `authorized` or `failed`.

        A paid order accepts another attempt only with `again`, like a late authorisation at a real gateway.
        """
        with self.ledger.transaction():
            order = self.ledger.get("order", order_id)
            if order["status"] == "paid" and not again:
                raise RazorpayError("This order has already been paid", reason="order_already_paid")
            wrong = WRONG_AMOUNT_EXCESS if self.faults.wrong_amount else 0
            payment = self._make_payment(order, outcome, (amount or int(order["amount"])) + wrong, method)
            self._update_order(order, payment)
            self.ledger.put(payment, parent=order_id)
            self.ledger.put(order)
            self.webhooks.enqueue(f"payment.{outcome}", payment=payment)
            if outcome == "captured" and order["status"] == "paid":
                self.webhooks.enqueue("order.paid", payment=payment, order=order)
        self.webhooks.wake()
        return payment

    def _make_payment(self, order: Json, outcome: str, amount: int, method: str) -> Json:
        declined = outcome == "failed"
        payment = {
            "id": make_id("pay"),
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
            payment["card_id"] = make_id("card")
            payment["token_id"] = make_id("token")
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

    def _update_order(self, order: Json, payment: Json) -> None:
        order["attempts"] += 1
        if payment["captured"]:
            order["amount_paid"] += payment["amount"]
            order["amount_due"] = max(0, order["amount"] - order["amount_paid"])
        if order["amount_paid"] >= order["amount"]:
            order["status"] = "paid"
        elif order["status"] == "created":
            order["status"] = "attempted"

    async def capture(self, payment_id: str, body: Json) -> Json:
        with self.ledger.transaction():
            payment = self.ledger.get("payment", payment_id)
            if payment["status"] != "authorized":
                raise RazorpayError("This payment has already been captured")
            if parse_amount(body.get("amount")) != payment["amount"]:
                raise RazorpayError("Capture amount must be equal to the amount authorized")
            payment |= {"status": "captured", "captured": True}
            order = self.ledger.get("order", payment["order_id"])
            order["attempts"] -= 1  # the attempt was counted when it was authorised
            self._update_order(order, payment)
            self.ledger.put(payment)
            self.ledger.put(order)
            self.webhooks.enqueue("payment.captured", payment=payment)
        self.webhooks.wake()
        return payment

    async def refund(self, payment_id: str, body: Json, idempotency_key: str | None) -> Json:
        with self.ledger.transaction():
            if idempotency_key and (known := self.ledger.find_by_idempotency_key(idempotency_key)):
                return known
            payment = self.ledger.get("payment", payment_id)
            if not payment["captured"]:
                raise RazorpayError("The payment status should be captured for action to be taken")
            left = payment["amount"] - payment["amount_refunded"]
            amount = parse_amount(body["amount"]) if body.get("amount") is not None else left
            if left == 0:
                raise RazorpayError("The payment has been fully refunded already")
            if not 0 < amount <= left:
                raise RazorpayError("The total refund amount is greater than the refund payment amount")
            pending = self.faults.pending_refunds
            refund = {
                "id": make_id("rfnd"),
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
            self._apply_refund(payment, amount)
            self.ledger.put(payment)
            self.ledger.put(refund, parent=payment_id, idempotency_key=idempotency_key)
            self.webhooks.enqueue("refund.created", payment=payment, refund=refund)
            if not pending:
                self.webhooks.enqueue("refund.processed", payment=payment, refund=refund)
        self.webhooks.wake()
        return refund

    def _apply_refund(self, payment: Json, amount: int) -> None:
        payment["amount_refunded"] += amount
        refunded = payment["amount_refunded"]
        payment["refund_status"] = None if refunded == 0 else "full" if refunded == payment["amount"] else "partial"
        payment["status"] = "refunded" if refunded == payment["amount"] else "captured"

    async def finish_refund(self, refund_id: str, outcome: str) -> Json:
        """Sets a pending refund to `processed` or `failed`."""
        with self.ledger.transaction():
            refund = self.ledger.get("refund", refund_id)
            if refund["status"] != "pending" or outcome not in {"processed", "failed"}:
                raise RazorpayError("Only a pending refund can be processed or failed")
            payment = self.ledger.get("payment", refund["payment_id"])
            refund["status"] = outcome
            if outcome == "failed":
                self._apply_refund(payment, -refund["amount"])
            self.ledger.put(payment)
            self.ledger.put(refund)
            self.webhooks.enqueue(f"refund.{outcome}", payment=payment, refund=refund)
        self.webhooks.wake()
        return refund

    def sign_checkout(self, payment: Json) -> Json:
        """The signed response that the checkout passes to the merchant's page after a successful payment."""
        message = f"{payment['order_id']}|{payment['id']}".encode()
        return {
            "razorpay_order_id": payment["order_id"],
            "razorpay_payment_id": payment["id"],
            "razorpay_signature": sign(self.settings.key_secret, message),
        }
