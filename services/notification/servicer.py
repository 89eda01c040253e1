"""NotificationService over gRPC: message in, one use case, message out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from google.protobuf.empty_pb2 import Empty
from jainshikanji.notification.v1 import notification_service_pb2 as pb
from jainshikanji.notification.v1.notification_pb2 import Notification
from jainshikanji.notification.v1.notification_service_pb2_grpc import NotificationServiceServicer
from jainshikanji.notification.v1.preferences_pb2 import NotificationPreferences
from jainshikanji.notification.v1.template_pb2 import Template

from chassis import current_call
from chassis.clock import now
from chassis.database import Row
from chassis.errors import InvalidArgument
from chassis.timestamps import datetime_from_proto
from services.notification import wire
from services.notification.app import NotificationApp
from services.notification.messages import CODES
from services.notification.model import Category, Channel
from services.notification.rendering import Text
from services.notification.usecases import preferences, telling, templates

Context = Any


class NotificationServicer(NotificationServiceServicer):
    """One per process."""

    def __init__(self, app: NotificationApp) -> None:
        self._app = app

    async def SendNotification(self, request: pb.SendNotificationRequest, context: Context) -> Notification:
        announcement = telling.Announcement(
            user_id=UUID(request.user_id),
            category=Category(wire.CATEGORIES.from_proto(request.category)),
            title=request.title,
            body=request.body,
            channels=[Channel(wire.CHANNELS.from_proto(channel)) for channel in request.channels] or [Channel.EMAIL],
            reason=request.reason,
        )
        row = await telling.announce(self._app, current_call(), announcement, request)
        return (await self._shown([row]))[0]

    async def ListNotifications(
        self, request: pb.ListNotificationsRequest, context: Context
    ) -> pb.ListNotificationsResponse:
        page = self._app.pages.open(request)
        rows = await telling.notifications(
            self._app,
            UUID(request.user_id),
            unread_only=request.unread_only,
            before=UUID(page.after[0]) if page.after else None,
            limit=page.limit,
        )
        return pb.ListNotificationsResponse(
            notifications=await self._shown(page.trim(rows)),
            next_page_token=page.next_token(rows, lambda row: (str(row.id),)),
        )

    async def MarkNotificationRead(self, request: pb.MarkNotificationReadRequest, context: Context) -> Notification:
        row = await telling.mark_read(self._app, current_call(), UUID(request.id))
        return (await self._shown([row]))[0]

    async def GetPreferences(self, request: pb.GetPreferencesRequest, context: Context) -> NotificationPreferences:
        return wire.preferences(request.user_id, await preferences.preferences(self._app, UUID(request.user_id)))

    async def UpdatePreferences(
        self, request: pb.UpdatePreferencesRequest, context: Context
    ) -> NotificationPreferences:
        if request.HasField("quiet_hours") and request.clear_quiet_hours:
            raise InvalidArgument("clearQuietHours", "contradicts quietHours")
        wanted = request.quiet_hours
        given = {
            name: getattr(request, name)
            for name in ("email", "sms", "push", "marketing", "language")
            if request.HasField(name)
        }
        change = preferences.Change(
            **given,
            change_quiet=request.HasField("quiet_hours") or request.clear_quiet_hours,
            quiet=preferences.quiet_hours(wanted.start, wanted.end, wanted.time_zone)
            if request.HasField("quiet_hours")
            else None,
        )
        row = await preferences.change_preferences(self._app, UUID(request.user_id), change)
        return wire.preferences(request.user_id, row)

    async def ListTemplates(self, request: pb.ListTemplatesRequest, context: Context) -> pb.ListTemplatesResponse:
        channel = Channel(wire.CHANNELS.from_proto(request.channel)) if request.channel else None
        found = await templates.templates(self._app, channel, request.language)
        return pb.ListTemplatesResponse(templates=[_template(view) for view in found])

    async def UpdateTemplate(self, request: pb.UpdateTemplateRequest, context: Context) -> Template:
        caller = current_call().account
        view = await templates.replace_template(
            self._app,
            request.name,
            Channel(wire.CHANNELS.from_proto(request.channel)),
            request.language,
            Text(request.subject, request.text, request.html),
            caller,
        )
        return _template(view)

    async def ResetTemplate(self, request: pb.ResetTemplateRequest, context: Context) -> Empty:
        channel = Channel(wire.CHANNELS.from_proto(request.channel))
        await templates.reset_template(self._app, request.name, channel, request.language)
        return Empty()

    async def SendCode(self, request: pb.SendCodeRequest, context: Context) -> pb.SendCodeResponse:
        expires_at = datetime_from_proto("expiresAt", request.expires_at)
        if expires_at <= now():
            raise InvalidArgument("expiresAt", "lies in the past")
        secret = telling.Secret(
            user_id=UUID(request.customer_id),
            kind=CODES[request.kind],
            email=request.email,
            name=request.name,
            code=request.code,
            locale=request.locale,
            expires_at=expires_at,
        )
        return pb.SendCodeResponse(notification_id=str(await telling.send_code(self._app, secret)))

    async def _shown(self, rows: Sequence[Row]) -> list[Notification]:
        stores = await self._app.stores.get(self._app.channels, [row.store_id for row in rows])
        return [wire.notification(row, telling.shown(self._app, row, stores)) for row in rows]


def _template(view: templates.TemplateView) -> Template:
    return wire.template(view.name, view.channel, view.language, view.text, view.replaced_at)
