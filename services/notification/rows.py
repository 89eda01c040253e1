"""Row types: what the statements return, and what they insert or update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import UUID


class DispatchRow(NamedTuple):
    """A row of `dispatches`, as `NotificationRow.dispatches` has it."""

    channel: str
    state: str
    reason: str | None
    attempts: int
    sent_at: datetime | None

    @classmethod
    def from_json(cls, dispatch: Mapping[str, Any]) -> DispatchRow:
        """The row from its JSON object."""
        sent_at = dispatch["sent_at"]
        return cls(
            channel=dispatch["channel"],
            state=dispatch["state"],
            reason=dispatch["reason"],
            attempts=dispatch["attempts"],
            sent_at=datetime.fromisoformat(sent_at) if sent_at else None,
        )


class NotificationRow(NamedTuple):
    """A row of `notifications` with its dispatches, the facts of its order, and the language of its recipient."""

    id: UUID
    user_id: UUID
    template: str
    category: str
    facts: dict[str, Any]
    order_id: UUID | None
    store_id: UUID | None
    occurred_at: datetime
    read_at: datetime | None
    order_facts: dict[str, Any] | None
    language: str | None
    # JSON objects with the fields of DispatchRow.
    dispatches: list[dict[str, Any]] | None


class ClaimedDispatchRow(NamedTuple):
    """A claimed dispatch with all that its message needs. Columns from `email` on are None for the defaults."""

    notification_id: UUID
    channel: str
    expires_at: datetime
    user_id: UUID
    template: str
    category: str
    facts: dict[str, Any]
    store_id: UUID | None
    occurred_at: datetime
    order_facts: dict[str, Any] | None
    sealed: bytes | None
    email: bool | None
    sms: bool | None
    push: bool | None
    marketing: bool | None
    quiet_start: time | None
    quiet_end: time | None
    quiet_zone: str | None
    language: str | None
    # By language: JSON objects with the fields of TemplateText.
    overrides: dict[str, dict[str, str]] | None


class StartedAttemptRow(NamedTuple):
    """A dispatch in state SENDING, and the number of its attempts including this one."""

    notification_id: UUID
    attempts: int


class StoreManagerRow(NamedTuple):
    """A manager of a store."""

    store_id: UUID
    account_id: UUID


class PreferencesRow(NamedTuple):
    """A row of `preferences`."""

    user_id: UUID
    email: bool
    sms: bool
    push: bool
    marketing: bool
    quiet_start: time | None
    quiet_end: time | None
    quiet_zone: str | None
    language: str | None
    version: int
    updated_at: datetime


class TemplateOverrideRow(NamedTuple):
    """A row of `templates`."""

    name: str
    channel: str
    language: str
    subject: str
    text: str
    html: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class NewNotification:
    """A row to insert into `notifications`."""

    id: UUID
    event_id: UUID
    user_id: UUID
    template: str
    category: str
    facts: dict[str, Any]
    order_id: UUID | None
    store_id: UUID | None
    sent_by: UUID | None
    sent_because: str | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class NewDispatch:
    """A row to insert into `dispatches`, if its notification is inserted."""

    notification_id: UUID
    channel: str
    state: str
    reason: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewOrderFacts:
    """A row to insert into `order_facts`."""

    order_id: UUID
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NewEncryptedFacts:
    """A row to insert into `sealed_facts`."""

    notification_id: UUID
    sealed: bytes
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewEmployment:
    """A row to insert into `employments`, or to update there if the version is newer."""

    staff_id: UUID
    account_id: UUID
    store_id: UUID
    job: str
    active: bool
    version: int


@dataclass(frozen=True, slots=True)
class NewTemplateOverride:
    """A row to insert or to replace in `templates`."""

    name: str
    channel: str
    language: str
    subject: str
    text: str
    html: str
    updated_by: UUID


@dataclass(frozen=True, slots=True)
class FinishedAttempt:
    """The end of an attempt: the new state of its dispatch, and its row of `deliveries`."""

    notification_id: UUID
    state: str
    reason: str | None
    retry_delay: timedelta
    outcome: str
    reply: str | None


@dataclass(frozen=True, slots=True)
class DiscardedDispatch:
    """A dispatch that ends without an attempt."""

    notification_id: UUID
    channel: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class DeferredDispatch:
    """A dispatch that is claimed again at a later time."""

    notification_id: UUID
    channel: str
    due_at: datetime
