"""What one process of loyalty holds."""

from __future__ import annotations

from chassis import App
from services.loyalty.settings import LoyaltySettings


class LoyaltyApp(App):
    """The chassis's app with the programme's settings."""

    settings: LoyaltySettings
    settings_class = LoyaltySettings
