"""Erasure of a customer's personal data."""

from __future__ import annotations

from uuid import UUID

from chassis.database import Transaction
from services.order import queries
from services.order.app import OrderApp
from services.order.model.contacts import encrypt_erased_contact


async def erase_customer(app: OrderApp, tx: Transaction, customer_id: UUID) -> None:
    """Erases the personal data in the customer's orders; amounts stay."""
    changes = queries.changes
    order_ids = await tx.all(changes.ERASE_ORDERS, customer_id=customer_id, **encrypt_erased_contact(app.cipher))
    for statement in (changes.ERASE_ITEMS, changes.ERASE_TIMELINE, changes.DELETE_POSITIONS):
        await tx.run(statement, order_ids=order_ids)
