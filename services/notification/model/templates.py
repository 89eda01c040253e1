"""Templates: their source texts, the language of a recipient, and the facts that they may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.notification.model.notification_types import NOTIFICATION_TYPES, Channel
from services.notification.model.preferences import DEFAULT_TIME_ZONE
from services.notification.rows import ClaimedDispatchRow, NotificationRow

BRAND: Final = "Jain Shikanji"
DEFAULT_LANGUAGE: Final = "en"
LANGUAGES: Final = ("en", "hi")
_SAMPLE_OCCURRED_AT: Final = "2026-01-14T14:15:00+00:00"
_SAMPLE_NAME: Final = "Asha"
_EMPTY_ORDER: Final = {
    "number": "",
    "lines": [],
    "total": 0,
    "payment_method": "",
    "fulfilment": "",
    "placed_at": None,
    "expected_at": None,
}


@dataclass(frozen=True, slots=True)
class TemplateText:
    """The source of one template in one language for one channel. `html` is for emails only."""

    subject: str
    text: str
    html: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """A template in its current form: the shipped text, or the override of an administrator since `overridden_at`."""

    name: str
    channel: Channel
    language: str
    text: TemplateText
    overridden_at: datetime | None


@dataclass(frozen=True, slots=True)
class RenderedMessage:
    """A message ready to send. `html` is a complete document, or empty."""

    subject: str
    text: str
    html: str = ""


@dataclass(frozen=True, slots=True)
class RenderedNotification:
    """A notification, and its message as apps show it."""

    row: NotificationRow
    message: RenderedMessage


@dataclass(frozen=True, slots=True)
class StoreDetails:
    """What templates may use of a store; the defaults stand for an unknown store."""

    name: str = BRAND
    zone: str = DEFAULT_TIME_ZONE


def choose_language(preferred: str | None, locale: str) -> str:
    """The language of the recipient's preferences, else of the account's locale (`hi-IN`), else English."""
    for candidate in (preferred or "", locale.replace("_", "-").partition("-")[0].lower()):
        if candidate in LANGUAGES:
            return candidate
    return DEFAULT_LANGUAGE


def merge_order_facts(facts: Mapping[str, Any], order_facts: Mapping[str, Any] | None) -> dict[str, Any]:
    """The facts of the order: those of OrderCreated, overridden by those of the notification's own event."""
    return {**_EMPTY_ORDER, **(order_facts or {}), **facts.get("order", {})}


def build_context(row: ClaimedDispatchRow | NotificationRow, store: StoreDetails, **more: Any) -> dict[str, Any]:
    """The variables of a template: facts of the event, the order, the store, the time of the event."""
    return {
        **row.facts,
        "order": merge_order_facts(row.facts, row.order_facts),
        "store": {"name": store.name},
        "zone": store.zone,
        "occurred_at": row.occurred_at.isoformat(),
        **more,
    }


def build_sample_context(name: str) -> dict[str, Any]:
    """The variables with which an override of the notification type is checked."""
    facts = NOTIFICATION_TYPES[name].sample
    return {
        **facts,
        "order": merge_order_facts(facts, None),
        "store": {"name": BRAND},
        "zone": DEFAULT_TIME_ZONE,
        "occurred_at": _SAMPLE_OCCURRED_AT,
        "name": _SAMPLE_NAME,
    }
