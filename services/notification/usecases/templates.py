"""Templates, shipped and overridden."""

from __future__ import annotations

from chassis import Caller
from chassis.database.rows import parameters
from services.notification import queries
from services.notification.app import NotificationApp
from services.notification.commands import ListTemplates, ResetTemplate, UpdateTemplate
from services.notification.errors import TemplateNotRendered, UnknownTemplate
from services.notification.model.notification_types import Channel
from services.notification.model.templates import Template, TemplateText, build_sample_context
from services.notification.rows import NewTemplateOverride


async def list_templates(app: NotificationApp, caller: Caller, command: ListTemplates) -> list[Template]:
    """The current templates, by name, channel and language."""
    rows = await app.db.all(queries.LIST_TEMPLATE_OVERRIDES)
    overrides = {(row.name, row.channel, row.language): row for row in rows}
    templates: list[Template] = []
    for (name, channel, language), shipped in sorted(app.renderer.shipped.items(), key=lambda item: item[0]):
        if command.channel not in (None, channel) or command.language not in ("", language):
            continue
        row = overrides.get((name, channel, language))
        text = TemplateText(row.subject, row.text, row.html) if row else shipped
        templates.append(Template(name, channel, language, text, row.updated_at if row else None))
    return templates


async def update_template(app: NotificationApp, caller: Caller, command: UpdateTemplate) -> Template:
    """Overrides the shipped text. Raises UnknownTemplate, TemplateNotRendered."""
    _require_shipped(app, command)
    text = command.text
    if command.channel is not Channel.SMS and not text.subject:
        raise TemplateNotRendered("subject", "is required for this channel")
    if (command.channel is Channel.EMAIL) != bool(text.html):
        raise TemplateNotRendered("html", "is required for emails and must be empty for other channels")
    app.renderer.check(text, command.language, build_sample_context(command.name))
    override = NewTemplateOverride(
        name=command.name,
        channel=command.channel,
        language=command.language,
        subject=text.subject,
        text=text.text,
        html=text.html,
        updated_by=caller.account,
    )
    overridden_at = await app.db.one(queries.UPSERT_TEMPLATE_OVERRIDE, **parameters(override))
    return Template(command.name, command.channel, command.language, text, overridden_at)


async def reset_template(app: NotificationApp, caller: Caller, command: ResetTemplate) -> None:
    """Deletes the override, so that the shipped text applies again. Raises UnknownTemplate."""
    _require_shipped(app, command)
    await app.db.run(queries.DELETE_TEMPLATE_OVERRIDE, **parameters(command))


def _require_shipped(app: NotificationApp, command: UpdateTemplate | ResetTemplate) -> None:
    if (command.name, command.channel, command.language) not in app.renderer.shipped:
        raise UnknownTemplate
