"""What a person wants to be told: reading and changing it. This service is the owner of consent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jainshikanji.notification.v1.events_pb2 import NotificationPreferencesChanged

from chassis.database import Row
from chassis.errors import InvalidArgument
from services.notification import queries
from services.notification.app import NotificationApp
from services.notification.model import DEFAULT_ZONE, QuietHours


@dataclass(frozen=True, slots=True)
class Change:
    """New preferences; None stays as it is. `change_quiet` with no `quiet` takes the quiet hours away."""

    email: bool | None = None
    sms: bool | None = None
    push: bool | None = None
    marketing: bool | None = None
    language: str | None = None
    change_quiet: bool = False
    quiet: QuietHours | None = None


def quiet_hours(start: str, end: str, zone: str) -> QuietHours:
    """Quiet hours from "HH:MM" texts. InvalidArgument for a zone that does not exist."""
    zone = zone or DEFAULT_ZONE
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidArgument("quietHours.timeZone", "is not an IANA time zone") from None
    return QuietHours(time.fromisoformat(start), time.fromisoformat(end), zone)


async def preferences(app: NotificationApp, user_id: UUID) -> Row | None:
    """The account's preferences; None when it never changed any."""
    return await app.db.one(queries.PREFERENCES, user_id=user_id)


async def change_preferences(app: NotificationApp, user_id: UUID, change: Change) -> Row:
    """Changes what is given and announces the result."""
    parameters: dict[str, Any] = {
        name: getattr(change, name) for name in ("email", "sms", "push", "marketing", "language", "change_quiet")
    }
    async with app.db.transaction() as tx:
        row = await tx.one(
            queries.CHANGE_PREFERENCES,
            user_id=user_id,
            quiet_start=change.quiet and change.quiet.start,
            quiet_end=change.quiet and change.quiet.end,
            quiet_zone=change.quiet and change.quiet.zone,
            **parameters,
        )
        assert row is not None
        event = NotificationPreferencesChanged(
            customer_id=str(user_id),
            version=row.version,
            email=row.email,
            sms=row.sms,
            push=row.push,
            marketing=row.marketing,
        )
        event.occurred_at.FromDatetime(row.updated_at)
        tx.publish(event, key=user_id, version=row.version)
    return row
