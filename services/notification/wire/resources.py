"""Requests to commands, rows to resources and published events."""

from __future__ import annotations

from datetime import time
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jainshikanji.notification.v1 import notification_pb2, preferences_pb2, template_pb2
from jainshikanji.notification.v1 import notification_service_pb2 as pb
from jainshikanji.notification.v1.events_pb2 import NotificationPreferencesChanged

from chassis.clock import now
from chassis.enums import EnumMapping
from chassis.errors import InvalidArgument
from chassis.rpc.idempotency import Claim
from chassis.timestamps import datetime_from_proto, timestamp_to_proto
from services.notification.commands import (
    CreateAnnouncement,
    CreateCodeNotification,
    ListNotifications,
    ListTemplates,
    ResetTemplate,
    UpdatePreferences,
    UpdateTemplate,
)
from services.notification.model.notification_types import (
    EMAIL_VERIFICATION,
    PASSWORD_RESET,
    STAFF_INVITATION,
    Category,
    Channel,
)
from services.notification.model.preferences import DEFAULT_TIME_ZONE, QuietHours
from services.notification.model.templates import RenderedNotification, Template, TemplateText
from services.notification.rows import DispatchRow, PreferencesRow

CHANNELS: Final = EnumMapping(notification_pb2.Channel)
CATEGORIES: Final = EnumMapping(notification_pb2.Category)
STATES: Final = EnumMapping(notification_pb2.DispatchState)

TYPES_OF_CODES: Final = {
    pb.CodeKind.EMAIL_VERIFICATION: EMAIL_VERIFICATION,
    pb.CodeKind.PASSWORD_RESET: PASSWORD_RESET,
    pb.CodeKind.STAFF_INVITATION: STAFF_INVITATION,
}


def create_announcement_from_proto(request: pb.SendNotificationRequest, claim: Claim | None) -> CreateAnnouncement:
    return CreateAnnouncement(
        user_id=UUID(request.user_id),
        category=Category(CATEGORIES.from_proto(request.category)),
        title=request.title,
        body=request.body,
        channels=[_channel_from_proto(channel) for channel in request.channels] or [Channel.EMAIL],
        reason=request.reason,
        claim=claim,
    )


def create_code_notification_from_proto(request: pb.SendCodeRequest) -> CreateCodeNotification:
    """The code and its recipient. Raises InvalidArgument when the code has expired."""
    expires_at = datetime_from_proto("expiresAt", request.expires_at)
    if expires_at <= now():
        raise InvalidArgument("expiresAt", "is in the past")
    return CreateCodeNotification(
        user_id=UUID(request.customer_id),
        type=TYPES_OF_CODES[request.kind],
        email=request.email,
        name=request.name,
        code=request.code,
        locale=request.locale,
        expires_at=expires_at,
    )


def list_notifications_from_proto(request: pb.ListNotificationsRequest) -> ListNotifications:
    return ListNotifications(UUID(request.user_id), request.unread_only)


def update_preferences_from_proto(request: pb.UpdatePreferencesRequest) -> UpdatePreferences:
    """The new values. Raises InvalidArgument for contradicting quiet hours and for an unknown time zone."""
    has_quiet_hours = request.HasField("quiet_hours")
    if has_quiet_hours and request.clear_quiet_hours:
        raise InvalidArgument("clearQuietHours", "must not be set together with quietHours")
    return UpdatePreferences(
        user_id=UUID(request.user_id),
        email=request.email if request.HasField("email") else None,
        sms=request.sms if request.HasField("sms") else None,
        push=request.push if request.HasField("push") else None,
        marketing=request.marketing if request.HasField("marketing") else None,
        language=request.language if request.HasField("language") else None,
        changes_quiet_hours=has_quiet_hours or request.clear_quiet_hours,
        quiet_hours=_quiet_hours_from_proto(request.quiet_hours) if has_quiet_hours else None,
    )


def _quiet_hours_from_proto(message: preferences_pb2.QuietHours) -> QuietHours:
    zone = message.time_zone or DEFAULT_TIME_ZONE
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidArgument("quietHours.timeZone", "is not an IANA time zone") from None
    return QuietHours(time.fromisoformat(message.start), time.fromisoformat(message.end), zone)


def list_templates_from_proto(request: pb.ListTemplatesRequest) -> ListTemplates:
    return ListTemplates(_channel_from_proto(request.channel) if request.channel else None, request.language)


def update_template_from_proto(request: pb.UpdateTemplateRequest) -> UpdateTemplate:
    return UpdateTemplate(
        name=request.name,
        channel=_channel_from_proto(request.channel),
        language=request.language,
        text=TemplateText(request.subject, request.text, request.html),
    )


def reset_template_from_proto(request: pb.ResetTemplateRequest) -> ResetTemplate:
    return ResetTemplate(request.name, _channel_from_proto(request.channel), request.language)


def _channel_from_proto(channel: int) -> Channel:
    return Channel(CHANNELS.from_proto(channel))


def notification_to_proto(notification: RenderedNotification) -> notification_pb2.Notification:
    row = notification.row
    return notification_pb2.Notification(
        id=str(row.id),
        user_id=str(row.user_id),
        template=row.template,
        category=CATEGORIES.to_proto(row.category),
        title=notification.message.subject,
        body=notification.message.text,
        order_id=str(row.order_id or ""),
        store_id=str(row.store_id or ""),
        dispatches=[_dispatch_to_proto(DispatchRow.from_json(dispatch)) for dispatch in row.dispatches or ()],
        read=row.read_at is not None,
        read_at=timestamp_to_proto(row.read_at),
        created_at=timestamp_to_proto(row.occurred_at),
    )


def _dispatch_to_proto(row: DispatchRow) -> notification_pb2.Dispatch:
    return notification_pb2.Dispatch(
        channel=CHANNELS.to_proto(row.channel),
        state=STATES.to_proto(row.state),
        reason=row.reason or "",
        attempts=row.attempts,
        sent_at=timestamp_to_proto(row.sent_at),
    )


def preferences_to_proto(user_id: UUID, row: PreferencesRow | None) -> preferences_pb2.NotificationPreferences:
    """The preferences of the account; the defaults without a row."""
    if row is None:
        return preferences_pb2.NotificationPreferences(user_id=str(user_id), email=True, sms=True, push=True)
    message = preferences_pb2.NotificationPreferences(
        user_id=str(user_id),
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


def preferences_changed_to_proto(row: PreferencesRow) -> NotificationPreferencesChanged:
    return NotificationPreferencesChanged(
        customer_id=str(row.user_id),
        version=row.version,
        email=row.email,
        sms=row.sms,
        push=row.push,
        marketing=row.marketing,
        occurred_at=timestamp_to_proto(row.updated_at),
    )


def template_to_proto(template: Template) -> template_pb2.Template:
    return template_pb2.Template(
        name=template.name,
        channel=CHANNELS.to_proto(template.channel),
        language=template.language,
        subject=template.text.subject,
        text=template.text.text,
        html=template.text.html,
        overridden=template.overridden_at is not None,
        updated_at=timestamp_to_proto(template.overridden_at),
    )
