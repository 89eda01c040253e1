"""What is not kept: old notifications and months of the log, spent secrets, people who leave."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from chassis.database import Transaction
from chassis.database.partitions import keep_months
from services.notification import queries
from services.notification.app import NotificationApp

ORDER_DAYS: Final = 90


async def forget_old(app: NotificationApp) -> None:
    """Drops what is older than the settings say, a bounded number of rows at a time."""
    await keep_months(app.db, "deliveries", app.settings.keep_log_months)
    async with app.db.maintenance() as tx:
        await tx.run(queries.FORGET_SECRETS)
    for what, days in ((queries.FORGET_NOTIFICATIONS, app.settings.keep_days), (queries.FORGET_ORDERS, ORDER_DAYS)):
        while await app.db.run(what, keep=timedelta(days=days)):
            continue


async def erase(tx: Transaction, user_id: UUID) -> None:
    """Removes everything that belongs to the account. The log of deliveries names nobody."""
    await tx.run(queries.ERASE_NOTIFICATIONS, user_id=user_id)
    await tx.run(queries.ERASE_PREFERENCES, user_id=user_id)
    await tx.run(queries.ERASE_EMPLOYMENTS, user_id=user_id)
