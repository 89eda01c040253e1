"""What this service hears: with a guarantee in HANDLERS, as it passes in LISTENERS."""

from __future__ import annotations

from uuid import UUID

from jainshikanji.customer.v1.events_pb2 import CustomerErased
from jainshikanji.store.v1.events_pb2 import StoreUpdated

from chassis import Handlers
from chassis.database import Transaction
from chassis.events.bus import EventMeta
from chassis.process.service import Listeners
from services.store.app import StoreApp
from services.store.usecases import staff


async def erase_staff(app: StoreApp, tx: Transaction, event: CustomerErased, meta: EventMeta) -> None:
    """An erased account leaves no personal data in its employments."""
    await staff.erase_account(app, tx, UUID(event.customer_id))


def drop_cached_store(app: StoreApp, event: StoreUpdated) -> None:
    """Another replica changed the store."""
    app.stores.drop(UUID(event.store_id))


HANDLERS: Handlers = {CustomerErased: erase_staff}
LISTENERS: Listeners = {StoreUpdated: drop_cached_store}
