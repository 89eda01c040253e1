"""Deletes old events and reports."""

from __future__ import annotations

from datetime import timedelta

from chassis.database.partitions import keep_months
from services.analytics import queries
from services.analytics.app import AnalyticsApp


async def purge_expired(app: AnalyticsApp) -> None:
    """Creates the partitions of the coming months and deletes what is older than the settings say."""
    settings = app.settings
    await keep_months(app.db, "events", settings.keep_event_months)
    await keep_months(app.db, "client_events", settings.keep_client_event_months)
    async with app.db.maintenance() as tx:
        await tx.run(queries.DELETE_OLD_EVENTS, months=settings.keep_event_months)
        await tx.run(queries.DELETE_OLD_REPORTS, keep=timedelta(days=settings.keep_report_days))
