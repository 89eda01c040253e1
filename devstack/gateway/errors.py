"""Errors in the format of Razorpay's API."""

from __future__ import annotations


class RazorpayError(Exception):
    """A request that Razorpay would reject, with HTTP status and error object."""

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
