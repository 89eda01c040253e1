"""Rules of the menu: slugs, dates of sale, and the choice of options."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

# Products belong to no store, so their dates are in the time zone of the platform.
ZONE = ZoneInfo("Asia/Kolkata")
ZERO = Decimal("0.00")
CHECKBOX = "checkbox"


def local_date(at: datetime) -> date:
    """The date of a time, for scheduled availability."""
    return at.astimezone(ZONE).date()


def is_on_sale(schedule: dict[str, str] | None, day: date) -> bool:
    """Whether a product with this `{startDate, endDate}` is on sale on that date; both dates are included."""
    if not schedule:
        return True
    iso = day.isoformat()
    return (schedule.get("startDate") or iso) <= iso <= (schedule.get("endDate") or iso)


def make_slug(name: str, limit: int) -> str:
    """ "mango-lassi-large" from "Mango Lassi (large)"; empty when the name has no Latin letter or digit."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:limit].strip("-")


def normalise_tag(text: str) -> str:
    """The stored form of a tag or an ingredient: lower case."""
    return text.strip().lower()


def normalise_tags(texts: Iterable[str]) -> list[str]:
    """The distinct tags in their order, without empty ones."""
    return [tag for tag in dict.fromkeys(map(normalise_tag, texts)) if tag]


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a customization; `price_modifier` is added to the unit price."""

    id: UUID
    name: str
    price_modifier: Decimal
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class Customization:
    """A customization of a product: `radio` and `select` accept one option, `checkbox` several."""

    id: UUID
    name: str
    type: str
    is_required: bool
    options: tuple[Option, ...]

    @property
    def accepts_many(self) -> bool:
        """Whether several options may be chosen."""
        return self.type == CHECKBOX

    @property
    def minimum(self) -> Decimal:
        """The smallest amount that an allowed choice adds."""
        modifiers = [option.price_modifier for option in self.options]
        if self.accepts_many:
            negative = sum((modifier for modifier in modifiers if modifier < 0), ZERO)
            return negative or (min(modifiers) if self.is_required else ZERO)
        return min(modifiers) if self.is_required else min([ZERO, *modifiers])


@dataclass(frozen=True, slots=True)
class Choice:
    """A chosen option and the name of its customization."""

    customization: str
    option: Option


class InvalidChoice(ValueError):
    """The options cannot be chosen; the text says why."""


def choose_options(customizations: Sequence[Customization], option_ids: Sequence[UUID]) -> list[Choice]:
    """The chosen options in display order. Raises InvalidChoice.

    A required customization without a chosen option gets its default options, if it has any.
    """
    unknown = set(option_ids)
    choices: list[Choice] = []
    for customization in customizations:
        chosen = [option for option in customization.options if option.id in unknown]
        unknown.difference_update(option.id for option in chosen)
        if len(chosen) > 1 and not customization.accepts_many:
            raise InvalidChoice(f"only one option of {customization.name!r} may be chosen")
        if not chosen and customization.is_required:
            chosen = [option for option in customization.options if option.is_default]
            if not chosen:
                raise InvalidChoice(f"an option of {customization.name!r} must be chosen")
        choices.extend(Choice(customization.name, option) for option in chosen)
    if unknown:
        raise InvalidChoice("an option does not belong to this product")
    return choices


def compute_unit_price(price: Decimal, choices: Sequence[Choice]) -> Decimal:
    """The price of one unit with its options; never below zero."""
    return max(ZERO, price + sum((choice.option.price_modifier for choice in choices), ZERO))


def check_customizations(price: Decimal, customizations: Sequence[Customization]) -> str | None:
    """The problem of these customizations as a sentence; None when they are valid."""
    for customization in customizations:
        defaults = sum(option.is_default for option in customization.options)
        if defaults > 1 and not customization.accepts_many:
            return f"{customization.name!r} accepts one option and has {defaults} defaults"
    if price + sum((customization.minimum for customization in customizations), ZERO) < 0:
        return "a choice of options would have a negative price"
    return None
