"""What notification's code works with beside the chassis's: the texts, the channels, the wake-up of the sender."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from pydantic import SecretStr

from chassis import App
from services.notification.clients import StoreNames
from services.notification.model import Channel, Retries
from services.notification.providers import HttpGateway, Mailer, Provider
from services.notification.rendering import Texts
from services.notification.settings import NotificationSettings


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
