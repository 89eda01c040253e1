"""Settings of the notification service."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, model_validator

from chassis.process.settings import ServiceSettings


class NotificationSettings(ServiceSettings):
    """The providers of each channel, retries and retention. SMS and push are off until their URL is set."""

    smtp_host: str = Field("smtp", description="SMTP relay for emails")
    smtp_port: int = Field(587, ge=1, le=65535, description="port of the SMTP relay")
    smtp_tls: Literal["starttls", "implicit", "none"] = Field(
        "starttls", description="none only on a trusted network: emails contain secret codes"
    )
    smtp_user: str | None = Field(None, description="login at the SMTP server; none without it")
    smtp_password: SecretStr | None = Field(None, description="password of the login")
    smtp_connections: PositiveInt = Field(8, description="emails sent in parallel by each replica")
    mail_from: str = Field("Jain Shikanji <no-reply@jainshikanji.local>", description="From address of every email")
    sms_url: str | None = Field(None, description="URL of the SMS provider's HTTP API; SMS is off without it")
    sms_token: SecretStr | None = Field(None, description="bearer token for the SMS provider")
    push_url: str | None = Field(
        None,
        description="URL of the push provider's HTTP API (recipients are account ids); push is off without it",
    )
    push_token: SecretStr | None = Field(None, description="bearer token for the push provider")
    retry_seconds: PositiveFloat = Field(
        30.0, description="delay after the first failed attempt; each further delay is four times as long"
    )
    attempts: PositiveInt = Field(8, description="maximum number of attempts per message and channel")
    interrupted_after_seconds: PositiveFloat = Field(
        120.0, description="seconds after which an unfinished attempt counts as interrupted, with outcome UNKNOWN"
    )
    keep_days: PositiveInt = Field(400, description="days for which notifications are kept")
    keep_log_months: PositiveInt = Field(13, description="months for which the delivery log is kept")

    @model_validator(mode="after")
    def _require_tls_for_password(self) -> Self:
        if self.smtp_password is not None and self.smtp_tls == "none":
            raise ValueError("smtp_password requires smtp_tls starttls or implicit")
        return self
