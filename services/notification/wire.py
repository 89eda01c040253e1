"""Rows to messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jainshikanji.notification.v1 import notification_pb2 as pb
from jainshikanji.notification.v1.preferences_pb2 import NotificationPreferences
from jainshikanji.notification.v1.template_pb2 import Template

from chassis.database import Row
from chassis.enums import EnumMapping
from chassis.timestamps import timestamp_to_proto
from services.notification.model import Channel
from services.notification.rendering import Rendered, Text

CHANNELS = EnumMapping(pb.Channel)
CATEGORIES = EnumMapping(pb.Category)
STATES = EnumMapping(pb.DispatchState)


def notification(row: Row, shown: Rendered) -> pb.Notification:
    """A notification with its dispatches and its words."""
    return pb.Notification(
        id=str(row.id),
        user_id=str(row.user_id),
        template=row.template,
        category=CATEGORIES.to_proto(row.category),
        title=shown.subject,
        body=shown.text,
        order_id=str(row.order_id or ""),
        store_id=str(row.store_id or ""),
        dispatches=[_dispatch(facts) for facts in row.dispatches or ()],
        read=row.read_at is not None,
        read_at=timestamp_to_proto(row.read_at),
        created_at=timestamp_to_proto(row.occurred_at),
    )


def _dispatch(facts: dict[str, Any]) -> pb.Dispatch:
    sent_at = facts["sent_at"]
    return pb.Dispatch(
        channel=CHANNELS.to_proto(facts["channel"]),
        state=STATES.to_proto(facts["state"]),
        reason=facts["reason"] or "",
        attempts=facts["attempts"],
        sent_at=timestamp_to_proto(datetime.fromisoformat(sent_at)) if sent_at else None,
    )


def preferences(user_id: str, row: Row | None) -> NotificationPreferences:
    """The account's preferences; the defaults without a row."""
    if row is None:
        return NotificationPreferences(user_id=user_id, email=True, sms=True, push=True)
    message = NotificationPreferences(
        user_id=user_id,
        email=row.email,
        sms=row.sms,
        push=row.push,
        marketing=row.marketing,
        language=row.language or "",
        updated_at=timestamp_to_proto(row.updated_at),
    )
    if row.quiet_zone:
        message.quiet_hours.start = f"{row.quiet_start:%H:%M}"
        message.quiet_hours.end = f"{row.quiet_end:%H:%M}"
        message.quiet_hours.time_zone = row.quiet_zone
    return message


def template(name: str, channel: Channel, language: str, text: Text, replaced_at: datetime | None) -> Template:
    """A text as it is used now."""
    return Template(
        name=name,
        channel=CHANNELS.to_proto(channel),
        language=language,
        subject=text.subject,
        text=text.text,
        html=text.html,
        overridden=replaced_at is not None,
        updated_at=timestamp_to_proto(replaced_at),
    )
