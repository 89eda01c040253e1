"""What one process of loyalty holds."""

from __future__ import annotations

from typing import Any

from chassis import App
from chassis.security.throttle import Throttle
from services.loyalty.model.refusals import TooManyGuesses
from services.loyalty.queries.guesses import ON_COUPON_GUESSES
from services.loyalty.settings import LoyaltySettings


class LoyaltyApp(App):
    """The chassis's app with the programme's settings and the counts of wrong codes."""

    settings: LoyaltySettings
    settings_class = LoyaltySettings

    def __init__(self, name: str, settings: Any) -> None:
        super().__init__(name, settings)
        self.guesses = Throttle(self.db, self.cipher, ON_COUPON_GUESSES, TooManyGuesses)
