"""Settings of the order service, beside those of every service."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr

from chassis.process.settings import ServiceSettings


class OrderSettings(ServiceSettings):
    delivery_tax_basis_points: int = Field(1800, ge=0, le=10_000, description="GST on the delivery fee; 1800 is 18 %")
    payment_minutes: PositiveInt = Field(15, description="minutes until an order that is not paid online is cancelled")
    old_quote_key: SecretStr | None = Field(
        None, description="base64 signing key that was in use before; its quotes hold until they expire"
    )
    saga_lock_seconds: PositiveFloat = Field(
        30.0, description="seconds after which a saga that nobody moved counts as dead; longer than a request can take"
    )
    watchers: PositiveInt = Field(2000, description="streams of watched orders at most, per replica")
    watch_seconds: PositiveFloat = Field(900.0, description="life of one stream; clients resume with a fresh token")
    heartbeat_seconds: PositiveFloat = Field(15.0, description="seconds between comments in a silent stream")
