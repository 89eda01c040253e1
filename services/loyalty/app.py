"""The application object of the loyalty service."""

from __future__ import annotations

from typing import Any

from chassis import App
from chassis.security.throttle import Throttle
from services.loyalty.errors import TooManyGuesses
from services.loyalty.queries.coupon_limits import COUPON_GUESSES
from services.loyalty.settings import LoyaltySettings


class LoyaltyApp(App):
    """Typed settings, and the throttle for coupon codes."""

    settings: LoyaltySettings
    settings_class = LoyaltySettings

    def __init__(self, name: str, settings: Any) -> None:
        super().__init__(name, settings)
        self.guesses = Throttle(self.db, self.cipher, COUPON_GUESSES, TooManyGuesses)
