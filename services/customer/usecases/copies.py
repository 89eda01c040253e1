"""Copies of other services' data in the profile."""

from __future__ import annotations

from chassis.database import Transaction
from services.customer import queries
from services.customer.app import CustomerApp
from services.customer.commands import CountOrder, UpdatePoints, UpdateTier


async def update_points(app: CustomerApp, tx: Transaction, command: UpdatePoints) -> None:
    """Stores the balance, unless a newer version is stored."""
    await tx.run(
        queries.accounts.UPDATE_POINTS, id=command.customer_id, balance=command.balance, version=command.version
    )


async def update_tier(app: CustomerApp, tx: Transaction, command: UpdateTier) -> None:
    """Stores the tier, unless a newer version is stored."""
    await tx.run(queries.accounts.UPDATE_TIER, id=command.customer_id, tier=command.tier, version=command.version)


async def count_order(app: CustomerApp, tx: Transaction, command: CountOrder) -> None:
    """Adds a delivered order to the customer's counters."""
    await tx.run(queries.accounts.COUNT_ORDER, id=command.customer_id, total=command.total)
