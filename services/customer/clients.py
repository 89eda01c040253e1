"""Calls to other services."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from jainshikanji.notification.v1.notification_service_pb2 import CodeKind, SendCodeRequest
from jainshikanji.notification.v1.notification_service_pb2_grpc import NotificationServiceStub

from chassis.rpc.channels import Channels
from chassis.timestamps import timestamp_to_proto
from services.customer.model import codes

_SEND_SECONDS = 5.0
_KINDS = {
    codes.EMAIL_VERIFICATION: CodeKind.EMAIL_VERIFICATION,
    codes.PASSWORD_RESET: CodeKind.PASSWORD_RESET,
    codes.STAFF_INVITATION: CodeKind.STAFF_INVITATION,
}


@dataclass(frozen=True, slots=True)
class OutgoingCode:
    """A code and its recipient, in plain text."""

    customer_id: UUID
    kind: str
    email: str
    name: str
    code: str
    expires_at: datetime
    locale: str


async def send_code(channels: Channels, code: OutgoingCode) -> None:
    """Passes the code to the notification service, which sends it. Raises RemoteError, Unavailable."""
    request = SendCodeRequest(
        customer_id=str(code.customer_id),
        kind=_KINDS[code.kind],
        email=code.email,
        name=code.name,
        code=code.code,
        expires_at=timestamp_to_proto(code.expires_at),
        locale=code.locale,
    )
    await channels.stub("notification", NotificationServiceStub).SendCode(request, timeout=_SEND_SECONDS)
