"""The rpcs of the notification service: request to command, one use case, result to response."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from google.protobuf.empty_pb2 import Empty
from jainshikanji.notification.v1 import notification_service_pb2 as pb
from jainshikanji.notification.v1.notification_pb2 import Notification
from jainshikanji.notification.v1.notification_service_pb2_grpc import NotificationServiceServicer
from jainshikanji.notification.v1.preferences_pb2 import NotificationPreferences
from jainshikanji.notification.v1.template_pb2 import Template

from chassis import current_call, current_caller
from chassis.rpc.idempotency import Claim
from services.notification import usecases, wire
from services.notification.app import NotificationApp
from services.notification.rows import NotificationRow


class NotificationServicer(NotificationServiceServicer):
    """Notifications, preferences, templates and codes."""

    def __init__(self, app: NotificationApp) -> None:
        self._app = app

    async def SendNotification(self, request: pb.SendNotificationRequest, context: Any) -> Notification:
        call = current_call()
        claim = Claim.of(call) if call.idempotency_key else None
        command = wire.resources.create_announcement_from_proto(request, claim)
        return await self._to_proto(await usecases.notifications.create_announcement(self._app, call.caller, command))

    async def ListNotifications(
        self, request: pb.ListNotificationsRequest, context: Any
    ) -> pb.ListNotificationsResponse:
        page, command = self._app.pages.open(request), wire.resources.list_notifications_from_proto(request)
        rows = await usecases.notifications.list_notifications(self._app, current_caller(), command, page)
        rendered = await usecases.notifications.render_notifications(self._app, page.trim(rows))
        return pb.ListNotificationsResponse(
            notifications=map(wire.resources.notification_to_proto, rendered),
            next_page_token=page.next_token(rows, lambda row: (str(row.id),)),
        )

    async def MarkNotificationRead(self, request: pb.MarkNotificationReadRequest, context: Any) -> Notification:
        notification_id = UUID(request.id)
        return await self._to_proto(
            await usecases.notifications.mark_notification_read(self._app, current_caller(), notification_id)
        )

    async def GetPreferences(self, request: pb.GetPreferencesRequest, context: Any) -> NotificationPreferences:
        user_id = UUID(request.user_id)
        row = await usecases.preferences.get_preferences(self._app, current_caller(), user_id)
        return wire.resources.preferences_to_proto(user_id, row)

    async def UpdatePreferences(self, request: pb.UpdatePreferencesRequest, context: Any) -> NotificationPreferences:
        command = wire.resources.update_preferences_from_proto(request)
        row = await usecases.preferences.update_preferences(self._app, current_caller(), command)
        return wire.resources.preferences_to_proto(row.user_id, row)

    async def ListTemplates(self, request: pb.ListTemplatesRequest, context: Any) -> pb.ListTemplatesResponse:
        command = wire.resources.list_templates_from_proto(request)
        templates = await usecases.templates.list_templates(self._app, current_caller(), command)
        return pb.ListTemplatesResponse(templates=map(wire.resources.template_to_proto, templates))

    async def UpdateTemplate(self, request: pb.UpdateTemplateRequest, context: Any) -> Template:
        command = wire.resources.update_template_from_proto(request)
        template = await usecases.templates.update_template(self._app, current_caller(), command)
        return wire.resources.template_to_proto(template)

    async def ResetTemplate(self, request: pb.ResetTemplateRequest, context: Any) -> Empty:
        command = wire.resources.reset_template_from_proto(request)
        await usecases.templates.reset_template(self._app, current_caller(), command)
        return Empty()

    async def SendCode(self, request: pb.SendCodeRequest, context: Any) -> pb.SendCodeResponse:
        command = wire.resources.create_code_notification_from_proto(request)
        notification_id = await usecases.notifications.create_code_notification(self._app, current_caller(), command)
        return pb.SendCodeResponse(notification_id=str(notification_id))

    async def _to_proto(self, row: NotificationRow) -> Notification:
        (rendered,) = await usecases.notifications.render_notifications(self._app, [row])
        return wire.resources.notification_to_proto(rendered)
