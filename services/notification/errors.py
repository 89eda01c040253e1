"""Errors of the notification service that its callers see."""

from __future__ import annotations

from chassis.errors import InvalidArgument


class UnknownTemplate(InvalidArgument):
    """No template has this name, channel and language."""

    def __init__(self) -> None:
        super().__init__("name", "no template has this name, channel and language")


class TemplateNotRendered(InvalidArgument):
    """A text is not a valid template, or uses a fact that its notification type does not have."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
