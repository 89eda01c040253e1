"""Events that apps report about their own use. They count towards no figure of orders or money."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from chassis import Caller
from chassis.database import Jsonb
from chassis.database.rows import parameters
from chassis.errors import InvalidArgument
from chassis.ids import new_id
from services.analytics import queries
from services.analytics.app import AnalyticsApp
from services.analytics.commands import RecordClientEvent
from services.analytics.rows import NewClientEvent

MAX_BYTES: Final = 1024


async def record_client_event(app: AnalyticsApp, caller: Caller, command: RecordClientEvent) -> tuple[UUID, datetime]:
    """Stores the event; returns its id and the time of its receipt. Raises InvalidArgument above 1 kB."""
    if command.size > MAX_BYTES:
        raise InvalidArgument("properties", "the event must not exceed 1 kB")
    new = NewClientEvent(
        id=new_id(),
        name=command.name,
        visit_id=command.visit_id,
        account_id=caller.account_id,
        store_id=command.store_id,
        product_id=command.product_id,
        properties=Jsonb(dict(command.properties)),
    )
    received_at = await app.db.one(queries.INSERT_CLIENT_EVENT, **parameters(new))
    assert received_at is not None
    return new.id, received_at
