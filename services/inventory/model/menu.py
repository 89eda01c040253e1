"""Rules of the menu: names for addresses, days of sale, and how options are chosen."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

# Products belong to no store, so their days are the house's.
ZONE = ZoneInfo("Asia/Kolkata")
ZERO = Decimal("0.00")
CHECKBOX = "checkbox"


def today(moment: datetime) -> date:
    """The day that a moment is in, for scheduled availability."""
    return moment.astimezone(ZONE).date()


def on_schedule(schedule: dict[str, str] | None, day: date) -> bool:
    """Whether a product with this `{startDate, endDate}` is on sale that day; both days are included."""
    if not schedule:
        return True
    iso = day.isoformat()
    return (schedule.get("startDate") or iso) <= iso <= (schedule.get("endDate") or iso)


def slugify(name: str, limit: int) -> str:
    """ "Mango Lassi (large)" becomes "mango-lassi-large"; empty when the name has no Latin letter or digit."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:limit].strip("-")


def word(text: str) -> str:
    """A tag or an ingredient as it is kept: in small letters."""
    return text.strip().lower()


def words(texts: Iterable[str]) -> list[str]:
    """Each once, in the order given."""
    return [kept for kept in dict.fromkeys(map(word, texts)) if kept]


@dataclass(frozen=True, slots=True)
class Option:
    """One choice and what it adds to the unit price."""

    id: UUID
    name: str
    price_modifier: Decimal
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class Customization:
    """Something to choose: `radio` and `select` take one option, `checkbox` many."""

    id: UUID
    name: str
    type: str
    is_required: bool
    options: tuple[Option, ...]

    @property
    def takes_many(self) -> bool:
        return self.type == CHECKBOX

    @property
    def least(self) -> Decimal:
        """The least that any allowed choice adds."""
        modifiers = [option.price_modifier for option in self.options]
        if self.takes_many:
            below = sum((modifier for modifier in modifiers if modifier < 0), ZERO)
            return below or (min(modifiers) if self.is_required else ZERO)
        return min(modifiers) if self.is_required else min([ZERO, *modifiers])


@dataclass(frozen=True, slots=True)
class Choice:
    """An option that was taken, and of which customization."""

    customization: str
    option: Option


class ChoiceRefused(ValueError):
    """The options may not be chosen like this; the text says why."""


def choose(customizations: Sequence[Customization], wanted: Sequence[UUID]) -> list[Choice]:
    """What is taken when `wanted` is asked for, in display order. Raises ChoiceRefused.

    A required customization that is left open takes its defaults, where it has any.
    """
    unknown = set(wanted)
    choices: list[Choice] = []
    for customization in customizations:
        taken = [option for option in customization.options if option.id in unknown]
        unknown.difference_update(option.id for option in taken)
        if len(taken) > 1 and not customization.takes_many:
            raise ChoiceRefused(f"only one option of {customization.name!r} may be chosen")
        if not taken and customization.is_required:
            taken = [option for option in customization.options if option.is_default]
            if not taken:
                raise ChoiceRefused(f"an option of {customization.name!r} must be chosen")
        choices.extend(Choice(customization.name, option) for option in taken)
    if unknown:
        raise ChoiceRefused("an option is not one of this product")
    return choices


def unit_price(price: Decimal, choices: Sequence[Choice]) -> Decimal:
    """The price of one with its options; never below zero."""
    return max(ZERO, price + sum((choice.option.price_modifier for choice in choices), ZERO))


def check_customizations(price: Decimal, customizations: Sequence[Customization]) -> str | None:
    """Why these customizations cannot be, in one sentence; None when they can."""
    for customization in customizations:
        defaults = sum(option.is_default for option in customization.options)
        if defaults > 1 and not customization.takes_many:
            return f"{customization.name!r} takes one option and has {defaults} defaults"
    if price + sum((customization.least for customization in customizations), ZERO) < 0:
        return "some choice of options would cost less than nothing"
    return None
