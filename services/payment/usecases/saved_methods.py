"""Payment methods that a gateway has saved for a customer."""

from __future__ import annotations

from uuid import UUID

from chassis import Caller
from chassis.database import Transaction
from chassis.errors import NotFound
from services.payment import queries
from services.payment.app import PaymentApp
from services.payment.rows import SavedMethodRow


async def list_saved_methods(app: PaymentApp, caller: Caller, customer_id: UUID) -> list[SavedMethodRow]:
    """The customer's saved methods, newest first; at most 50."""
    return await app.db.all(queries.LIST_SAVED_METHODS, customer_id=customer_id)


async def delete_saved_method(app: PaymentApp, caller: Caller, method_id: UUID) -> None:
    """Deletes an own saved method. Raises NotFound for one of another customer."""
    if await app.db.run(queries.DELETE_SAVED_METHOD, method_id=method_id, customer_id=caller.account) == 0:
        raise NotFound


async def delete_saved_methods(app: PaymentApp, tx: Transaction, customer_id: UUID) -> None:
    """Deletes all saved methods of an erased customer."""
    await tx.run(queries.DELETE_SAVED_METHODS, customer_id=customer_id)
