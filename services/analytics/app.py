"""The application object of the analytics service."""

from __future__ import annotations

from chassis import App
from services.analytics.settings import AnalyticsSettings


class AnalyticsApp(App):
    """Typed settings."""

    settings_class = AnalyticsSettings
    settings: AnalyticsSettings
