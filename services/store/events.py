"""The events that the service consumes (HANDLERS) and subscribes to (LISTENERS)."""

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


async def on_customer_erased(app: StoreApp, tx: Transaction, event: CustomerErased, meta: EventMeta) -> None:
    """Removes the personal data from the employments of an erased account."""
    await staff.erase_account(app, tx, UUID(event.customer_id))


def on_store_updated(app: StoreApp, event: StoreUpdated) -> None:
    """Drops the cached store, which another replica may have changed."""
    app.stores.drop(UUID(event.store_id))


HANDLERS: Handlers = {CustomerErased: on_customer_erased}
LISTENERS: Listeners = {StoreUpdated: on_store_updated}
