"""What payment's code works with beside the chassis: accounts at gateways and the wake-up of refunds."""

from __future__ import annotations

import asyncio
from typing import Any

from chassis import App
from services.payment.gateways.accounts import Accounts, open_accounts
from services.payment.gateways.threads import Threads
from services.payment.settings import PaymentSettings


class PaymentApp(App):
    settings: PaymentSettings
    settings_class = PaymentSettings

    def __init__(self, name: str, settings: Any) -> None:
        super().__init__(name, settings)
        self._threads = Threads(self.settings.gateway_threads, self.settings.gateway_seconds)
        self.accounts: Accounts = open_accounts(self.settings, self._threads)
        # Set after a refund was written and when the gateway has to be asked: the loops need not wait for their time.
        self.refunds_due = asyncio.Event()
        self.checks_due = asyncio.Event()

    async def stop(self) -> None:
        self._threads.close()
