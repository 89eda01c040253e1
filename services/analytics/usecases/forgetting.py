"""What is not kept: old months of events, old reports."""

from __future__ import annotations

from datetime import timedelta

from chassis.database.partitions import keep_months
from services.analytics import queries
from services.analytics.app import AnalyticsApp


async def forget_old(app: AnalyticsApp) -> None:
    """Makes the coming months and drops what is older than the settings say."""
    settings = app.settings
    await keep_months(app.db, "events", settings.keep_event_months)
    await keep_months(app.db, "client_events", settings.keep_client_event_months)
    async with app.db.maintenance() as tx:
        await tx.run(queries.FORGET_STRAYS, months=settings.keep_event_months)
        await tx.run(queries.FORGET_REPORTS, keep=timedelta(days=settings.keep_report_days))
