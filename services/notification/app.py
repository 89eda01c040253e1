"""What notification's code works with beside the chassis's: the texts, the channels, the wake-up of the sender."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, model_validator

from chassis import App, ServiceSettings
from services.notification.clients import StoreNames
from services.notification.model import Channel, Retries
from services.notification.providers import HttpGateway, Mailer, Provider
from services.notification.rendering import Texts


class NotificationSettings(ServiceSettings):
    """Where messages go out. SMS and push are off until their URL is set."""

    smtp_host: str = Field("smtp", description="mail relay")
    smtp_port: int = Field(587, ge=1, le=65535)
    smtp_tls: Literal["starttls", "implicit", "none"] = Field(
        "starttls", description="none only where nobody can listen: the code in a mail is a secret"
    )
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    smtp_connections: PositiveInt = Field(8, description="mails handed over at a time, per replica")
    mail_from: str = Field("Jain Shikanji <no-reply@jainshikanji.local>", description="sender of every mail")
    sms_url: str | None = Field(None, description="HTTP gateway that takes text messages; unset: SMS is off")
    sms_token: SecretStr | None = None
    push_url: str | None = Field(None, description="HTTP gateway that takes push messages by account id; unset: off")
    push_token: SecretStr | None = None
    retry_seconds: PositiveFloat = Field(30.0, description="pause after the first failed attempt; then four times each")
    attempts: PositiveInt = Field(8, description="attempts at most")
    interrupted_after_seconds: PositiveFloat = Field(
        120.0, description="a hand-over that began so long ago and has not ended was cut off: UNKNOWN"
    )
    keep_days: PositiveInt = Field(400, description="days a notification is kept")
    keep_log_months: PositiveInt = Field(13, description="months the log of deliveries is kept")

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> Self:
        if self.smtp_password is not None and self.smtp_tls == "none":
            raise ValueError("smtp_password needs smtp_tls starttls or implicit")
        return self


class NotificationApp(App):
    """One per process."""

    settings_class = NotificationSettings
    settings: NotificationSettings

    def __init__(self, name: str, settings: Any) -> None:
        super().__init__(name, settings)
        self.texts = Texts()
        self.stores = StoreNames()
        self.retries = Retries(timedelta(seconds=self.settings.retry_seconds), self.settings.attempts)
        self.providers: dict[Channel, Provider] = _providers(self.settings)
        # Set when this replica has written something to send; the sender also looks by itself.
        self.woken = asyncio.Event()

    def wake_sender(self) -> None:
        """Something is due now."""
        self.woken.set()

    async def stop(self) -> None:
        """Lets hand-overs that have begun come to their end, then closes the connections."""
        await self.wait_for_background_work(self.settings.drain_seconds)
        for provider in self.providers.values():
            await provider.close()


def _providers(settings: NotificationSettings) -> dict[Channel, Provider]:
    providers: dict[Channel, Provider] = {
        Channel.EMAIL: Mailer(
            host=settings.smtp_host,
            port=settings.smtp_port,
            tls=settings.smtp_tls,
            user=settings.smtp_user,
            password=_revealed(settings.smtp_password),
            sender=settings.mail_from,
        )
    }
    for channel, url, token in (
        (Channel.SMS, settings.sms_url, settings.sms_token),
        (Channel.PUSH, settings.push_url, settings.push_token),
    ):
        if url:
            providers[channel] = HttpGateway(url, _revealed(token), by_account=channel is Channel.PUSH)
    return providers


def _revealed(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None
