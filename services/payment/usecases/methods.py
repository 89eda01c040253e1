"""Ways to pay that a gateway remembers for a customer. What can be shown is here, the token stays sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from chassis.database import Row, Transaction
from chassis.errors import NotFound
from services.payment import queries as q

if TYPE_CHECKING:
    from services.payment.app import PaymentApp


async def list_saved(app: PaymentApp, customer_id: UUID) -> list[Row]:
    """Newest first, 50 at most."""
    return await app.db.all(q.SAVED_METHODS, customer_id=customer_id)


async def forget(app: PaymentApp, customer_id: UUID | None, method_id: UUID) -> None:
    """Raises NotFound when it is not the customer's."""
    if await app.db.run(q.FORGET_METHOD, id=method_id, customer_id=customer_id) == 0:
        raise NotFound


async def forget_customer(tx: Transaction, customer_id: UUID) -> None:
    """The account was erased."""
    await tx.run(q.FORGET_METHODS, customer_id=customer_id)
