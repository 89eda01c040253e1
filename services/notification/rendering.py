"""Rendering of templates: the shipped ones (`texts/<language>/<name>.txt`) and the overrides of administrators.

A shipped file contains the templates of one notification type in sections: `== subject`, `== text` and `== html` for
the email, `== sms` for the SMS, `== push` for the push message, whose first line is the title. HTML is autoescaped.
Every template runs in Jinja's sandbox and may use only the facts of its notification type.

The filters `rupees`, `moment`, `day` and `parts` and the variables `words` and `pieces` are public: overrides use them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError, nodes
from jinja2 import Template as Compiled
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from services.notification.errors import TemplateNotRendered
from services.notification.model.notification_types import Channel
from services.notification.model.templates import LANGUAGES, RenderedMessage, TemplateText

DIRECTORY: Final = str(files("services.notification") / "texts")
_SECTION = re.compile(r"^== (subject|text|html|sms|push)\n", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n\s*\n\s*\n+")
_SPACE = re.compile(r"\s+")
_MAX_COMPILED = 500

_MONTHS: Final = {
    "en": ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    "hi": ["जनवरी", "फ़रवरी", "मार्च", "अप्रैल", "मई", "जून", "जुलाई", "अगस्त", "सितंबर", "अक्तूबर", "नवंबर", "दिसंबर"],
}
_LABELS: Final[dict[str, dict[str, str]]] = {
    "en": {"total": "Total", "delivery_fee": "Delivery", "tax": "GST", "discount": "Coupon", "points": "Points"},
    "hi": {"total": "कुल", "delivery_fee": "डिलीवरी", "tax": "जीएसटी", "discount": "कूपन", "points": "पॉइंट"},
}
_FOOTER: Final = {
    "en": "You get this mail because you have an account with Jain Shikanji. What we tell you and when is yours to "
    "choose in the notification settings.",
    "hi": "यह मेल आपको इसलिए मिला है कि जैन शिकंजी में आपका खाता है। हम आपको क्या और कब बताएँ, यह आप सूचना सेटिंग में चुन सकते हैं।",
}
_GREETING: Final = {"en": "Namaste", "hi": "नमस्ते"}

# What an override may use. A mistake of an administrator must not stall the service.
_ALLOWED_FILTERS: Final = frozenset(
    {
        "rupees",
        "moment",
        "day",
        "parts",
        "upper",
        "lower",
        "title",
        "capitalize",
        "trim",
        "default",
        "length",
        "first",
        "last",
    }
)
_ALLOWED_MACROS: Final = frozenset({"bill_html", "bill_text", "code_html"})
_FORBIDDEN_NODES: Final = (
    nodes.Mul, nodes.Pow, nodes.Mod, nodes.Import, nodes.FromImport, nodes.Include, nodes.Extends, nodes.Macro,
    nodes.CallBlock, nodes.FilterBlock, nodes.Block,
)  # fmt: skip


def format_rupees(paise: int) -> str:
    """`₹1,234.50`, with Indian grouping: `₹12,34,567.00`."""
    sign = "-" if paise < 0 else ""
    whole, fraction = divmod(abs(int(paise)), 100)
    digits = str(whole)
    head, tail = digits[:-3], digits[-3:]
    groups = [tail]
    while head:
        head, group = head[:-2], head[-2:]
        groups.insert(0, group)
    return f"{sign}₹{','.join(groups)}.{fraction:02d}"


def format_date(timestamp: str, zone: str, *, language: str) -> str:
    """`22 Nov 2025`, in the time zone."""
    local = datetime.fromisoformat(timestamp).astimezone(ZoneInfo(zone))
    return f"{local.day} {_MONTHS[language][local.month - 1]} {local.year}"


def format_timestamp(timestamp: str, zone: str, *, language: str) -> str:
    """`22 Nov 2025, 7:45 pm`, in the time zone."""
    local = datetime.fromisoformat(timestamp).astimezone(ZoneInfo(zone))
    half = "am" if local.hour < 12 else "pm"  # noqa: PLR2004
    clock = f"{local:%H:%M}" if language == "hi" else f"{(local.hour % 12) or 12}:{local:%M} {half}"
    return f"{format_date(timestamp, zone, language=language)}, {clock}"


def list_charges(order: Mapping[str, Any], labels: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Fees, tax and negative discounts that lead from the lines of an order to its total; without zeros."""
    signs = {"discount": -1, "loyalty_discount": -1, "delivery_fee": 1, "tax": 1}
    for name, sign in signs.items():
        if order.get(name):
            yield labels["points" if name == "loyalty_discount" else name], sign * order[name]


class Renderer:
    """Renders templates, each compiled once."""

    def __init__(self, directory: str = DIRECTORY) -> None:
        self._plain = {language: _create_environment(directory, language, escape=False) for language in LANGUAGES}
        self._escaped = {language: _create_environment(directory, language, escape=True) for language in LANGUAGES}
        self._layout = {language: self._escaped[language].get_template("layout.html") for language in LANGUAGES}
        self._compiled: dict[tuple[str, bool, str], Compiled] = {}
        self.shipped = MappingProxyType(dict(_read_shipped(directory)))

    def render(
        self,
        name: str,
        channel: Channel,
        language: str,
        context: Mapping[str, Any],
        override: TemplateText | None = None,
    ) -> RenderedMessage:
        """The message, from the override if that can be rendered, else from the shipped template.

        Raises KeyError when no shipped template has this name, channel and language.
        """
        shipped = self.shipped[name, channel, language]
        if override is not None:
            try:
                return self._render(override, language, context)
            except (TemplateError, SecurityError, ArithmeticError, TypeError, ValueError, LookupError):
                # The override was checked with sample facts only; the message must be sent with all others too.
                return self._render(shipped, language, context)
        return self._render(shipped, language, context)

    def check(self, text: TemplateText, language: str, context: Mapping[str, Any]) -> None:
        """Renders an override with sample facts. Raises TemplateNotRendered."""
        for field in ("subject", "text", "html"):
            source = getattr(text, field)
            try:
                _check_syntax(self._plain[language].parse(source))
                self._render(replace(TemplateText("", ""), **{field: source}), language, context)
            except (TemplateError, SecurityError, ArithmeticError, TypeError, ValueError, LookupError) as error:
                raise TemplateNotRendered(field, str(error)[:200] or type(error).__name__) from None

    def _render(self, text: TemplateText, language: str, context: Mapping[str, Any]) -> RenderedMessage:
        name = context.get("name", "")
        greeting = f"{_GREETING[language]} {name}," if name else f"{_GREETING[language]},"
        facts = {**context, "hello": greeting, "words": _LABELS[language]}
        subject = _SPACE.sub(" ", self._fill(text.subject, language, facts, escape=False)).strip()
        plain = _BLANK_LINES.sub("\n\n", self._fill(text.text, language, facts, escape=False)).strip()
        if not text.html:
            return RenderedMessage(subject, plain)
        content = Markup(self._fill(text.html, language, facts, escape=True))  # noqa: S704 - rendered with escaping
        html = self._layout[language].render(
            language=language, subject=subject, content=content, footer=_FOOTER[language]
        )
        return RenderedMessage(subject, plain, html)

    def _fill(self, source: str, language: str, facts: Mapping[str, Any], *, escape: bool) -> str:
        environment = (self._escaped if escape else self._plain)[language]
        key = (language, escape, source)
        template = self._compiled.get(key)
        if template is None:
            if len(self._compiled) >= _MAX_COMPILED:
                self._compiled.clear()
            template = self._compiled[key] = environment.from_string(source)
        return template.render(facts)


def _create_environment(directory: str, language: str, *, escape: bool) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(directory, encoding="utf-8"), autoescape=escape, undefined=StrictUndefined
    )
    filters: dict[str, Callable[..., Any]] = {
        "rupees": format_rupees,
        "moment": partial(format_timestamp, language=language),
        "day": partial(format_date, language=language),
        "parts": list_charges,
    }
    environment.filters.update(filters)
    environment.globals["pieces"] = environment.get_template("macros.jinja").module
    return environment


def _read_shipped(directory: str) -> Iterator[tuple[tuple[str, Channel, str], TemplateText]]:
    for path in sorted(Path(directory).glob("*/*.txt")):
        _, *split = _SECTION.split(path.read_text(encoding="utf-8"))
        sections = {section: source.strip() for section, source in zip(split[::2], split[1::2], strict=True)}
        name, language = path.stem, path.parent.name
        if "text" in sections:
            yield (
                (name, Channel.EMAIL, language),
                TemplateText(sections["subject"], sections["text"], sections["html"]),
            )
        if "sms" in sections:
            yield (name, Channel.SMS, language), TemplateText("", sections["sms"])
        title, _, body = sections.get("push", "").partition("\n")
        if body:
            yield (name, Channel.PUSH, language), TemplateText(title, body)


def _check_syntax(tree: nodes.Template) -> None:
    """Allows variables, conditions, loops that are not nested, and the filters and macros of this module.

    Raises SecurityError.
    """
    for forbidden in tree.find_all(_FORBIDDEN_NODES):
        raise SecurityError(f"{type(forbidden).__name__} is not allowed here")
    for used in tree.find_all(nodes.Filter):
        if used.name not in _ALLOWED_FILTERS:
            raise SecurityError(f"the filter {used.name} is not allowed here")
    for call in tree.find_all(nodes.Call):
        macro = call.node
        if not (
            isinstance(macro, nodes.Getattr)
            and isinstance(macro.node, nodes.Name)
            and macro.node.name == "pieces"
            and macro.attr in _ALLOWED_MACROS
        ):
            raise SecurityError("calls are not allowed here")
    for loop in tree.find_all(nodes.For):
        if any(inner is not loop for inner in loop.find_all(nodes.For)):
            raise SecurityError("a nested loop is not allowed here")
