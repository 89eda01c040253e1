"""The events that the service consumes: every event of every service, in one batch handler."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any, Final, TypeAlias
from uuid import UUID

from google.protobuf.message import Message
from jainshikanji.customer.v1 import events_pb2 as customer
from jainshikanji.inventory.v1 import events_pb2 as inventory
from jainshikanji.loyalty.v1 import events_pb2 as loyalty
from jainshikanji.notification.v1 import events_pb2 as notification
from jainshikanji.order.v1 import events_pb2 as order
from jainshikanji.payment.v1 import events_pb2 as payment
from jainshikanji.review.v1 import events_pb2 as review
from jainshikanji.store.v1 import events_pb2 as store

from chassis import Handlers, batch
from chassis.database import Transaction
from chassis.events.bus import EventMeta
from services.analytics import wire
from services.analytics.app import AnalyticsApp
from services.analytics.usecases import ingestion

Events: TypeAlias = Sequence[tuple[Any, EventMeta]]
PUBLISHERS: Final = (customer, inventory, loyalty, notification, order, payment, review, store)


def event_types(module: ModuleType) -> Iterator[type[Message]]:
    """The events of a publisher: the messages of its events.proto that are no part of another message."""
    messages = module.DESCRIPTOR.message_types_by_name.values()
    parts = {part.message_type for message in messages for part in message.fields if part.message_type is not None}
    for message in messages:
        if message not in parts:
            yield getattr(module, message.name)


@batch
async def on_event(app: AnalyticsApp, tx: Transaction, events: Events) -> None:
    """Stores the events and updates facts and roll-ups."""
    await ingestion.ingest_events(app, tx, wire.ingest_events_from_events(events))


@batch
async def on_customer_erased(app: AnalyticsApp, tx: Transaction, events: Events) -> None:
    """Removes the account from the events of apps."""
    await ingestion.ingest_events(app, tx, wire.ingest_events_from_events(events))
    for event, _ in events:
        await ingestion.erase_account(app, tx, UUID(event.customer_id))


HANDLERS: Handlers = {
    **{event: on_event for module in PUBLISHERS for event in event_types(module)},
    customer.CustomerErased: on_customer_erased,
}
