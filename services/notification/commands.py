"""Inputs of the use cases, as the servicer reads them from requests and the event handlers from events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.rpc.idempotency import Claim
from services.notification.model.notification_types import Category, Channel, NotificationType
from services.notification.model.preferences import QuietHours
from services.notification.model.templates import TemplateText


@dataclass(frozen=True, slots=True)
class StoreManagers:
    """All managers of the store."""

    store_id: UUID


@dataclass(frozen=True, slots=True)
class CreateNotification:
    """A notification for an account, or for each manager of a store. `category` None means that of the type."""

    event_id: UUID
    recipient: UUID | StoreManagers
    type: NotificationType
    facts: dict[str, Any]
    occurred_at: datetime
    expires_at: datetime
    channels: Sequence[Channel]
    order_id: UUID | None = None
    store_id: UUID | None = None
    category: Category | None = None
    sent_by: UUID | None = None
    sent_because: str | None = None


@dataclass(frozen=True, slots=True)
class CreateAnnouncement:
    """A message of an administrator to one account. Without a claim it is not protected against repetition."""

    user_id: UUID
    category: Category
    title: str
    body: str
    channels: Sequence[Channel]
    reason: str
    claim: Claim | None


@dataclass(frozen=True, slots=True)
class CreateCodeNotification:
    """An email with a secret code, and its recipient."""

    user_id: UUID
    type: NotificationType
    email: str
    name: str
    code: str
    locale: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ListNotifications:
    """The notifications of an account, or only those that are not read."""

    user_id: UUID
    unread_only: bool


@dataclass(frozen=True, slots=True)
class UpdatePreferences:
    """New preferences; None keeps the present value.

    `quiet_hours` is used if `changes_quiet_hours` is set; None then removes the quiet hours.
    """

    user_id: UUID
    email: bool | None
    sms: bool | None
    push: bool | None
    marketing: bool | None
    language: str | None
    changes_quiet_hours: bool
    quiet_hours: QuietHours | None


@dataclass(frozen=True, slots=True)
class ListTemplates:
    """Which templates; None means all channels, an empty language all languages."""

    channel: Channel | None
    language: str


@dataclass(frozen=True, slots=True)
class UpdateTemplate:
    """A text that overrides the shipped one."""

    name: str
    channel: Channel
    language: str
    text: TemplateText


@dataclass(frozen=True, slots=True)
class ResetTemplate:
    """A template whose override is deleted."""

    name: str
    channel: Channel
    language: str
