"""What lives as long as the process: compiled templates, providers, the cache of stores, the wake-up of the sender."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from pydantic import SecretStr

from chassis import App
from services.notification.clients import StoreCache
from services.notification.model.dispatches import RetryPolicy
from services.notification.model.notification_types import Channel
from services.notification.providers import HttpProvider, Provider, SmtpProvider
from services.notification.rendering import Renderer
from services.notification.settings import NotificationSettings


class NotificationApp(App):
    """Typed settings, the renderer, the providers and the cache of stores."""

    settings_class = NotificationSettings
    settings: NotificationSettings

    def __init__(self, name: str, settings: Any) -> None:
        super().__init__(name, settings)
        self.renderer = Renderer()
        self.stores = StoreCache()
        self.retries = RetryPolicy(timedelta(seconds=self.settings.retry_seconds), self.settings.attempts)
        self.providers: dict[Channel, Provider] = _create_providers(self.settings)
        # Set when this replica has created dispatches; the sender also polls.
        self.woken = asyncio.Event()

    def wake_sender(self) -> None:
        """Starts the next run of the sender immediately."""
        self.woken.set()

    async def stop(self) -> None:
        """Waits for attempts in progress, then closes the connections to the providers."""
        await self.wait_for_background_work(self.settings.drain_seconds)
        for provider in self.providers.values():
            await provider.close()


def _create_providers(settings: NotificationSettings) -> dict[Channel, Provider]:
    providers: dict[Channel, Provider] = {
        Channel.EMAIL: SmtpProvider(
            host=settings.smtp_host,
            port=settings.smtp_port,
            tls=settings.smtp_tls,
            user=settings.smtp_user,
            password=_get_secret_value(settings.smtp_password),
            sender=settings.mail_from,
        )
    }
    for channel, url, token in (
        (Channel.SMS, settings.sms_url, settings.sms_token),
        (Channel.PUSH, settings.push_url, settings.push_token),
    ):
        if url:
            providers[channel] = HttpProvider(url, _get_secret_value(token), uses_account_id=channel is Channel.PUSH)
    return providers


def _get_secret_value(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None
