"""Settings of the payment service; their variables start with `PAYMENT_`."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, model_validator

from chassis import ServiceSettings


class PaymentSettings(ServiceSettings):
    """Without the keys of a gateway only cash is accepted."""

    provider: Literal["razorpay", "stripe"] = Field("razorpay", description="gateway of new online payments")
    razorpay_key_id: str | None = Field(None, description="public key of the Razorpay account; unset: Razorpay is off")
    razorpay_key_secret: SecretStr | None = Field(None, description="secret key of the Razorpay account")
    razorpay_webhook_secret: SecretStr | None = Field(
        None, description="secret of the Razorpay webhook; two, separated by a comma, during a rotation"
    )
    razorpay_url: str = Field("https://api.razorpay.com", description="base URL of Razorpay's API")
    stripe_secret_key: SecretStr | None = Field(
        None, description="secret key of the Stripe account; unset: Stripe is off"
    )
    stripe_public_key: str | None = Field(None, description="public key of the Stripe account")
    stripe_webhook_secret: SecretStr | None = Field(
        None, description="secret of the Stripe webhook; two, separated by a comma, during a rotation"
    )
    stripe_url: str = Field("https://api.stripe.com", description="base URL of Stripe's API")
    gateway_seconds: PositiveFloat = Field(2.5, description="timeout of a call to a gateway, in seconds")
    gateway_threads: PositiveInt = Field(16, description="maximum concurrent calls to gateways per replica")
    payment_minutes: PositiveInt = Field(
        15, description="minutes in which an online payment must be made when its order names no time"
    )
    cashier_refund_limit: Decimal = Field(
        Decimal("500.00"),
        ge=0,
        description="total of the refunds of one payment, in rupees, that a cashier may not exceed",
    )
    reconcile_after_seconds: PositiveFloat = Field(
        60.0, description="seconds until the gateway is queried about an open payment; the interval grows each time"
    )
    order_check_seconds: PositiveFloat = Field(
        120.0, description="seconds after a capture until the order service is queried about the order's state"
    )

    @model_validator(mode="after")
    def _check_that_keys_are_complete(self) -> Self:
        if self.razorpay_key_id and not (self.razorpay_key_secret and self.razorpay_webhook_secret):
            raise ValueError("razorpay_key_id needs razorpay_key_secret and razorpay_webhook_secret")
        if self.stripe_secret_key and not (self.stripe_public_key and self.stripe_webhook_secret):
            raise ValueError("stripe_secret_key needs stripe_public_key and stripe_webhook_secret")
        return self
