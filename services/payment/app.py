"""What lives as long as the process: the configured gateways, and the events that wake periodic jobs."""

from __future__ import annotations

import asyncio
from typing import Any

from chassis import App
from services.payment.gateways.registry import GatewayRegistry, create_registry
from services.payment.gateways.thread_pool import GatewayThreadPool
from services.payment.settings import PaymentSettings


class PaymentApp(App):
    """The chassis with the gateways."""

    settings: PaymentSettings
    settings_class = PaymentSettings

    def __init__(self, name: str, settings: Any) -> None:
        super().__init__(name, settings)
        self._threads = GatewayThreadPool(self.settings.gateway_threads, self.settings.gateway_seconds)
        self.gateways: GatewayRegistry = create_registry(self.settings, self._threads)
        # Set after the commit of a refund or of a check that is due, so that the job runs immediately.
        self.refunds_due = asyncio.Event()
        self.checks_due = asyncio.Event()

    async def stop(self) -> None:
        self._threads.close()
