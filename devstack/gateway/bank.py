"""The bank behind the counter: what happens to orders, payments and refunds."""

from __future__ import annotations

import secrets
import string
import time

from devstack.gateway.books import Books, Json, new_id
from devstack.gateway.refusals import Refused
from devstack.gateway.settings import Settings
from devstack.gateway.webhooks import Webhooks, signature

RECEIPT_LIMIT = 40
SMALLEST_AMOUNT = 100  # one rupee, as at Razorpay
WRONG_AMOUNT_EXCESS = 100


def whole_amount(value: object) -> int:
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused("The amount must be an integer.")
    return value


class Bank:
    """One act of a merchant, a payer or the bank itself, one transaction."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.faults = settings.faults
        self.books = Books(settings.state)
        self.webhooks = Webhooks(self.books, settings)

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
            self.webhooks.announce(f"payment.{outcome}", payment=payment)
            if outcome == "captured" and order["status"] == "paid":
                self.webhooks.announce("order.paid", payment=payment, order=order)
        self.webhooks.wake()
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
            self.webhooks.announce("payment.captured", payment=payment)
        self.webhooks.wake()
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
            self.webhooks.announce("refund.created", payment=payment, refund=refund)
            if not pending:
                self.webhooks.announce("refund.processed", payment=payment, refund=refund)
        self.webhooks.wake()
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
            self.webhooks.announce(f"refund.{outcome}", payment=payment, refund=refund)
        self.webhooks.wake()
        return refund

    def checkout_answer(self, payment: Json) -> Json:
        """What the checkout hands to the merchant's page after a payment that succeeded."""
        message = f"{payment['order_id']}|{payment['id']}".encode()
        return {
            "razorpay_order_id": payment["order_id"],
            "razorpay_payment_id": payment["id"],
            "razorpay_signature": signature(self.settings.key_secret, message),
        }
