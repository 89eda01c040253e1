"""What analytics' code works with beside the chassis's: how long things are kept."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from chassis import App, ServiceSettings


class AnalyticsSettings(ServiceSettings):
    """How long things are kept. Facts of orders and roll-ups stay."""

    keep_event_months: PositiveInt = Field(25, description="months the services' events are kept")
    keep_client_event_months: PositiveInt = Field(13, description="months the events of apps are kept")
    keep_report_days: PositiveInt = Field(400, description="days a report is kept")


class AnalyticsApp(App):
    """One per process."""

    settings_class = AnalyticsSettings
    settings: AnalyticsSettings
