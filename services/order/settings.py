"""Settings of the order service, in addition to those of every service."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr

from chassis.process.settings import ServiceSettings


class OrderSettings(ServiceSettings):
    delivery_tax_basis_points: int = Field(1800, ge=0, le=10_000, description="GST on the delivery fee; 1800 is 18 %")
    payment_minutes: PositiveInt = Field(15, description="minutes until an unpaid online order is cancelled")
    old_quote_key: SecretStr | None = Field(
        None, description="previous signing key in base64; quotes signed with it stay valid until they expire"
    )
    saga_lock_seconds: PositiveFloat = Field(
        30.0, description="seconds until another process takes over a saga; longer than the longest request"
    )
    watchers: PositiveInt = Field(2000, description="maximum number of streams of watched orders per replica")
    watch_seconds: PositiveFloat = Field(
        900.0, description="maximum duration of a stream; clients reconnect with a new access token"
    )
    heartbeat_seconds: PositiveFloat = Field(15.0, description="seconds between the comments of an idle stream")
