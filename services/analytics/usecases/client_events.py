"""What apps report about their own use. It counts towards no figure of orders or money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from chassis.database import Jsonb
from chassis.errors import InvalidArgument
from chassis.ids import new_id
from services.analytics import queries
from services.analytics.app import AnalyticsApp

MOST_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class Reported:
    """One event of an app."""

    name: str
    visit_id: UUID | None
    account_id: UUID | None
    store_id: UUID | None
    product_id: UUID | None
    properties: Mapping[str, str]
    size: int
    """Bytes of the whole event as it came."""


async def record_client_event(app: AnalyticsApp, reported: Reported) -> tuple[UUID, datetime]:
    """Keeps it; returns its id and when it was received. InvalidArgument for more than 1 kB."""
    if reported.size > MOST_BYTES:
        raise InvalidArgument("properties", "the event has more than 1 kB")
    event_id = new_id()
    received_at: datetime = await app.db.value(
        queries.RECORD_CLIENT_EVENT,
        id=event_id,
        name=reported.name,
        visit_id=reported.visit_id,
        account_id=reported.account_id,
        store_id=reported.store_id,
        product_id=reported.product_id,
        properties=Jsonb(dict(reported.properties)),
    )
    return event_id, received_at
