"""Deletion of old notifications, expired secrets, months of the delivery log, and data of erased accounts."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from chassis.database import Transaction
from chassis.database.partitions import keep_months
from services.notification import queries
from services.notification.app import NotificationApp

ORDER_FACTS_DAYS: Final = 90


async def purge_expired(app: NotificationApp) -> None:
    """Deletes what is older than the settings allow, in batches of limited size."""
    await keep_months(app.db, "deliveries", app.settings.keep_log_months)
    async with app.db.maintenance() as tx:
        await tx.run(queries.DELETE_EXPIRED_FACTS)
    for what, days in (
        (queries.DELETE_OLD_NOTIFICATIONS, app.settings.keep_days),
        (queries.DELETE_OLD_ORDER_FACTS, ORDER_FACTS_DAYS),
    ):
        while await app.db.run(what, keep=timedelta(days=days)):
            pass


async def erase_user(app: NotificationApp, tx: Transaction, user_id: UUID) -> None:
    """Deletes everything that belongs to the account. The delivery log does not contain accounts."""
    await tx.run(queries.DELETE_NOTIFICATIONS_OF_USER, user_id=user_id)
    await tx.run(queries.DELETE_PREFERENCES_OF_USER, user_id=user_id)
    await tx.run(queries.DELETE_EMPLOYMENTS_OF_USER, user_id=user_id)
