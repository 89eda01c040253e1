"""Texts in place of the shipped ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.notification import queries
from services.notification.app import NotificationApp
from services.notification.clients import BRAND
from services.notification.errors import TemplateNotRendered, UnknownTemplate
from services.notification.messages import KINDS
from services.notification.model import DEFAULT_ZONE, Channel, merge_order
from services.notification.rendering import Text

SAMPLE_TIME = "2026-01-14T14:15:00+00:00"


@dataclass(frozen=True, slots=True)
class TemplateView:
    """One text as it is used now."""

    name: str
    channel: Channel
    language: str
    text: Text
    replaced_at: datetime | None


async def templates(app: NotificationApp, channel: Channel | None, language: str) -> list[TemplateView]:
    """Every text, by name, channel and language."""
    rows = await app.db.all(queries.REPLACED)
    replaced = {
        (row.name, row.channel, row.language): (Text(row.subject, row.text, row.html), row.updated_at) for row in rows
    }
    return list(_view(app, replaced, channel, language))


def _view(
    app: NotificationApp,
    replaced: dict[tuple[str, str, str], tuple[Text, datetime]],
    channel: Channel | None,
    language: str,
) -> Iterator[TemplateView]:
    for key in sorted(app.texts.shipped):
        name, of_channel, of_language = key
        if (channel is None or of_channel is channel) and language in ("", of_language):
            text, replaced_at = replaced.get(key, (app.texts.shipped[key], None))
            yield TemplateView(name, of_channel, of_language, text, replaced_at)


async def replace_template(
    app: NotificationApp, name: str, channel: Channel, language: str, text: Text, by: UUID
) -> TemplateView:
    """Uses the text from now on. UnknownTemplate, TemplateNotRendered."""
    _require_known(app, name, channel, language)
    if channel is not Channel.SMS and not text.subject:
        raise TemplateNotRendered("subject", "is required for this channel")
    if (channel is Channel.EMAIL) != bool(text.html):
        raise TemplateNotRendered("html", "is required for mails and empty otherwise")
    app.texts.check(text, language, _sample(name))
    replaced_at = await app.db.value(
        queries.REPLACE,
        name=name,
        channel=channel,
        language=language,
        subject=text.subject,
        text=text.text,
        html=text.html,
        updated_by=by,
    )
    return TemplateView(name, channel, language, text, replaced_at)


async def reset_template(app: NotificationApp, name: str, channel: Channel, language: str) -> None:
    """Uses the shipped text again. UnknownTemplate."""
    _require_known(app, name, channel, language)
    await app.db.run(queries.TAKE_BACK, name=name, channel=channel, language=language)


def _require_known(app: NotificationApp, name: str, channel: Channel, language: str) -> None:
    if (name, channel, language) not in app.texts.shipped:
        raise UnknownTemplate


def _sample(name: str) -> dict[str, object]:
    facts = KINDS[name].sample
    return {
        **facts,
        "order": merge_order(facts, None),
        "store": {"name": BRAND},
        "zone": DEFAULT_ZONE,
        "occurred_at": SAMPLE_TIME,
        "name": "Asha",
    }
