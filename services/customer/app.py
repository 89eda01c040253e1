"""What lives as long as the process: signing keys, password threads, throttle, batched reads."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from chassis import App
from chassis.database.batched_reads import BatchedRead
from chassis.security.throttle import Throttle
from services.customer.cookies import Cookies
from services.customer.errors import TooManyAttempts
from services.customer.keys import Keyring
from services.customer.passwords import Passwords
from services.customer.queries import ordering_customers
from services.customer.queries.throttles import THROTTLE_STATEMENTS
from services.customer.settings import CustomerSettings
from services.customer.tokens import RefreshTokens


class CustomerApp(App):
    settings: CustomerSettings
    settings_class = CustomerSettings

    def __init__(self, name: str, settings: Any) -> None:
        super().__init__(name, settings)
        self.passwords = Passwords(self.settings.password_threads, self.settings.password_queue)
        self.refresh_tokens = RefreshTokens(self.signing_key)
        self.throttle = Throttle(self.db, self.cipher, THROTTLE_STATEMENTS, TooManyAttempts)
        self.keyring = Keyring(
            self.db,
            self.cipher,
            life=timedelta(seconds=self.settings.signing_key_seconds),
            lead=timedelta(seconds=self.settings.signing_key_lead_seconds),
            token=timedelta(seconds=self.settings.access_token_seconds),
        )
        self.cookies = Cookies(
            secure=self.settings.has_secure_cookies,
            access_seconds=self.settings.access_token_seconds,
            refresh_seconds=self.settings.refresh_token_seconds,
        )
        self.ordering_customers = BatchedRead(
            self.db, ordering_customers.LIST_ORDERING_CUSTOMERS, "customer_ids", "address_ids"
        )
        # Set when a code waits for its delivery.
        self.codes_waiting = asyncio.Event()

    async def stop(self) -> None:
        self.passwords.close()
