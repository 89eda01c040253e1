"""Settings of payment, prefix `PAYMENT_`."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, model_validator

from chassis import ServiceSettings


class PaymentSettings(ServiceSettings):
    """Without the keys of a gateway only cash is taken."""

    provider: Literal["razorpay", "stripe"] = Field("razorpay", description="gateway of new online payments")
    razorpay_key_id: str | None = Field(None, description="public key; unset: no Razorpay")
    razorpay_key_secret: SecretStr | None = None
    razorpay_webhook_secret: SecretStr | None = Field(None, description="two, comma separated, while one is replaced")
    razorpay_url: str = "https://api.razorpay.com"
    stripe_secret_key: SecretStr | None = Field(None, description="unset: no Stripe")
    stripe_public_key: str | None = None
    stripe_webhook_secret: SecretStr | None = Field(None, description="two, comma separated, while one is replaced")
    stripe_url: str = "https://api.stripe.com"
    gateway_seconds: PositiveFloat = Field(2.5, description="how long a gateway may take to answer")
    gateway_threads: PositiveInt = Field(16, description="calls to gateways at the same time, per replica")
    payment_minutes: PositiveInt = Field(15, description="how long an order waits for the money, when it does not say")
    cashier_refund_limit: Decimal = Field(
        Decimal("500.00"), ge=0, description="rupees that the refunds of one payment may reach by a cashier's hand"
    )
    reconcile_after_seconds: PositiveFloat = Field(
        60.0, description="when the gateway is asked about a payment that no webhook told of; grows with each asking"
    )
    order_check_seconds: PositiveFloat = Field(
        120.0, description="how long after a capture order is asked whether it still wants the money"
    )

    @model_validator(mode="after")
    def _keys_belong_together(self) -> Self:
        if self.razorpay_key_id and not (self.razorpay_key_secret and self.razorpay_webhook_secret):
            raise ValueError("razorpay_key_id needs razorpay_key_secret and razorpay_webhook_secret")
        if self.stripe_secret_key and not (self.stripe_public_key and self.stripe_webhook_secret):
            raise ValueError("stripe_secret_key needs stripe_public_key and stripe_webhook_secret")
        return self
