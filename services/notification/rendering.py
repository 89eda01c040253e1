"""Texts: what the platform ships with (`texts/<language>/<name>.txt`), what replaces it, and how both are rendered.

A shipped file holds the texts of one message, one section a channel: `== subject`, `== text` and `== html` make the
mail, `== sms` the text message, `== push` the push message (first line: its title). HTML is autoescaped; every text
runs in Jinja's sandbox and may name only facts that its message has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
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
from services.notification.model import LANGUAGES, Channel

DIRECTORY: Final = str(files("services.notification") / "texts")
_SECTION = re.compile(r"^== (subject|text|html|sms|push)\n", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n\s*\n\s*\n+")
_SPACE = re.compile(r"\s+")
_KEPT_COMPILED = 500

_MONTHS: Final = {
    "en": ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    "hi": ["जनवरी", "फ़रवरी", "मार्च", "अप्रैल", "मई", "जून", "जुलाई", "अगस्त", "सितंबर", "अक्तूबर", "नवंबर", "दिसंबर"],
}
_WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {"total": "Total", "delivery_fee": "Delivery", "tax": "GST", "discount": "Coupon", "points": "Points"},
    "hi": {"total": "कुल", "delivery_fee": "डिलीवरी", "tax": "जीएसटी", "discount": "कूपन", "points": "पॉइंट"},
}
_FOOTER: Final = {
    "en": "You get this mail because you have an account with Jain Shikanji. What we tell you and when is yours to "
    "choose in the notification settings.",
    "hi": "यह मेल आपको इसलिए मिला है कि जैन शिकंजी में आपका खाता है। हम आपको क्या और कब बताएँ, यह आप सूचना सेटिंग में चुन सकते हैं।",
}
_HELLO: Final = {"en": "Namaste", "hi": "नमस्ते"}

# What a replaced text may do. Administrators write them; a slip there must not stall the service.
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
_REFUSED_NODES: Final = (
    nodes.Mul, nodes.Pow, nodes.Mod, nodes.Import, nodes.FromImport, nodes.Include, nodes.Extends, nodes.Macro,
    nodes.CallBlock, nodes.FilterBlock, nodes.Block,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Text:
    """The sources of one message in one language for one channel. `html` is for mails only."""

    subject: str
    text: str
    html: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message ready to go. `html` is a whole document, or empty."""

    subject: str
    text: str
    html: str = ""


def rupees(paise: int) -> str:
    """₹1,234.50, with Indian grouping: ₹12,34,567.00."""
    sign = "-" if paise < 0 else ""
    whole, fraction = divmod(abs(int(paise)), 100)
    digits = str(whole)
    head, tail = digits[:-3], digits[-3:]
    groups = [tail]
    while head:
        head, group = head[:-2], head[-2:]
        groups.insert(0, group)
    return f"{sign}₹{','.join(groups)}.{fraction:02d}"


def day(when: str, zone: str, *, language: str) -> str:
    """22 Nov 2025, in the zone."""
    local = datetime.fromisoformat(when).astimezone(ZoneInfo(zone))
    return f"{local.day} {_MONTHS[language][local.month - 1]} {local.year}"


def moment(when: str, zone: str, *, language: str) -> str:
    """22 Nov 2025, 7:45 pm, in the zone."""
    local = datetime.fromisoformat(when).astimezone(ZoneInfo(zone))
    half = "am" if local.hour < 12 else "pm"  # noqa: PLR2004
    clock = f"{local:%H:%M}" if language == "hi" else f"{(local.hour % 12) or 12}:{local:%M} {half}"
    return f"{day(when, zone, language=language)}, {clock}"


def parts(order: Mapping[str, Any], words: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """What lies between an order's lines and its total, where it is known and not zero."""
    signs = {"discount": -1, "loyalty_discount": -1, "delivery_fee": 1, "tax": 1}
    for name, sign in signs.items():
        if order.get(name):
            yield words["points" if name == "loyalty_discount" else name], sign * order[name]


class Texts:
    """All texts, compiled once."""

    def __init__(self, directory: str = DIRECTORY) -> None:
        self._plain = {language: _environment(directory, language, escape=False) for language in LANGUAGES}
        self._escaped = {language: _environment(directory, language, escape=True) for language in LANGUAGES}
        self._layout = {language: self._escaped[language].get_template("layout.html") for language in LANGUAGES}
        self._compiled: dict[tuple[str, bool, str], Compiled] = {}
        self.shipped = MappingProxyType(dict(_read(directory)))

    def render(
        self, name: str, channel: Channel, language: str, context: Mapping[str, Any], replaced: Text | None = None
    ) -> Rendered:
        """The message. A replaced text that does not fit these facts gives way to the shipped one.

        KeyError when no shipped text has this name and channel.
        """
        shipped = self.shipped[name, channel, language]
        if replaced is not None:
            try:
                return self._render(replaced, language, context)
            except (TemplateError, SecurityError, ArithmeticError, TypeError, ValueError, LookupError):
                # The message matters more than its wording; the admin saw the text work with the sample facts.
                return self._render(shipped, language, context)
        return self._render(shipped, language, context)

    def check(self, text: Text, language: str, context: Mapping[str, Any]) -> None:
        """Raises TemplateNotRendered when the text is not fit to replace one, tried on sample facts."""
        for field in ("subject", "text", "html"):
            source = getattr(text, field)
            try:
                _refuse_tricks(self._plain[language].parse(source))
                self._render(replace(Text("", ""), **{field: source}), language, context)
            except (TemplateError, SecurityError, ArithmeticError, TypeError, ValueError, LookupError) as error:
                raise TemplateNotRendered(field, str(error)[:200] or type(error).__name__) from None

    def _render(self, text: Text, language: str, context: Mapping[str, Any]) -> Rendered:
        name = context.get("name", "")
        hello = f"{_HELLO[language]} {name}," if name else f"{_HELLO[language]},"
        facts = {**context, "hello": hello, "words": _WORDS[language]}
        subject = _SPACE.sub(" ", self._fill(text.subject, language, facts, escape=False)).strip()
        plain = _BLANK_LINES.sub("\n\n", self._fill(text.text, language, facts, escape=False)).strip()
        if not text.html:
            return Rendered(subject, plain)
        content = Markup(self._fill(text.html, language, facts, escape=True))  # noqa: S704 - rendered with escaping
        html = self._layout[language].render(
            language=language, subject=subject, content=content, footer=_FOOTER[language]
        )
        return Rendered(subject, plain, html)

    def _fill(self, source: str, language: str, facts: Mapping[str, Any], *, escape: bool) -> str:
        environment = (self._escaped if escape else self._plain)[language]
        key = (language, escape, source)
        template = self._compiled.get(key)
        if template is None:
            if len(self._compiled) >= _KEPT_COMPILED:
                self._compiled.clear()
            template = self._compiled[key] = environment.from_string(source)
        return template.render(facts)


def _environment(directory: str, language: str, *, escape: bool) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(directory, encoding="utf-8"), autoescape=escape, undefined=StrictUndefined
    )
    filters: dict[str, Callable[..., Any]] = {
        "rupees": rupees,
        "moment": partial(moment, language=language),
        "day": partial(day, language=language),
        "parts": parts,
    }
    environment.filters.update(filters)
    environment.globals["pieces"] = environment.get_template("macros.jinja").module
    return environment


def _read(directory: str) -> Iterator[tuple[tuple[str, Channel, str], Text]]:
    for path in sorted(Path(directory).glob("*/*.txt")):
        _, *pieces = _SECTION.split(path.read_text(encoding="utf-8"))
        sections = {kind: source.strip() for kind, source in zip(pieces[::2], pieces[1::2], strict=True)}
        name, language = path.stem, path.parent.name
        if "text" in sections:
            yield (
                (name, Channel.EMAIL, language),
                Text(sections["subject"], sections["text"], sections["html"]),
            )
        if "sms" in sections:
            yield (name, Channel.SMS, language), Text("", sections["sms"])
        title, _, body = sections.get("push", "").partition("\n")
        if body:
            yield (name, Channel.PUSH, language), Text(title, body)


def _refuse_tricks(tree: nodes.Template) -> None:
    """Only what a message needs: facts, conditions, one level of loops, the filters and macros of this module."""
    for refused in tree.find_all(_REFUSED_NODES):
        raise SecurityError(f"{type(refused).__name__} is not allowed here")
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
            raise SecurityError("a loop inside a loop is not allowed here")
