"""The copy of the staff of stores."""

from __future__ import annotations

from chassis.database import Transaction
from chassis.database.rows import parameters
from services.notification import queries
from services.notification.app import NotificationApp
from services.notification.rows import NewEmployment


async def upsert_employment(app: NotificationApp, tx: Transaction, employment: NewEmployment) -> None:
    """Inserts or updates the copy; ignores a version that is not newer."""
    await tx.run(queries.UPSERT_EMPLOYMENT, **parameters(employment))
