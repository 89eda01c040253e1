"""Settings of the analytics service: how long data is kept. Facts of orders and roll-ups are kept for ever."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from chassis import ServiceSettings


class AnalyticsSettings(ServiceSettings):
    """Retention times."""

    keep_event_months: PositiveInt = Field(25, description="months for which events of services are kept")
    keep_client_event_months: PositiveInt = Field(13, description="months for which events of apps are kept")
    keep_report_days: PositiveInt = Field(400, description="days for which reports are kept")
