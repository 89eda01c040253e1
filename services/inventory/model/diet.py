"""What a product may claim: a diet must not be contradicted by the product's own words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

# Onion, garlic and what grows below the ground, in English and in the Hindi and Marathi words of menus. Turmeric, and
# ginger that is dried, are spices: Jain kitchens use them.
_UNDERGROUND = frozenset(
    {
        "onion",
        "shallot",
        "scallion",
        "leek",
        "chive",
        "garlic",
        "potato",
        "carrot",
        "radish",
        "beet",
        "beetroot",
        "turnip",
        "parsnip",
        "rutabaga",
        "yam",
        "taro",
        "cassava",
        "celeriac",
        "ginger",
        "pyaz",
        "pyaaz",
        "pyaj",
        "kanda",
        "lahsun",
        "lehsun",
        "lasun",
        "lasan",
        "aloo",
        "alu",
        "batata",
        "gajar",
        "mooli",
        "mula",
        "chukandar",
        "shalgam",
        "arbi",
        "arvi",
        "suran",
        "jimikand",
        "shakarkand",
        "ratalu",
        "adrak",
        "प्याज",
        "प्याज़",
        "कांदा",
        "लहसुन",
        "लसूण",
        "आलू",
        "बटाटा",
        "गाजर",
        "मूली",
        "चुकंदर",
        "शलजम",
        "अरबी",
        "सूरन",
        "जिमीकंद",
        "शकरकंद",
        "अदरक",
    }
)
_PHRASES = (("root", "vegetable"), ("lotus", "root"), ("fresh", "turmeric"), ("raw", "turmeric"))
_NEGATIONS = frozenset({"no", "non", "without", "zero", "minus", "बिना"})
_CONNECTIVES = frozenset({"and", "or", "nor", "n"})
_DRIED = frozenset({"dry", "dried", "powder", "powdered", "ground"})
# Letters with the marks that belong to them: Devanagari vowels are marks.
_WORD = re.compile(r"[^\W\d_](?:[^\W_]|[\u0300-\u036f\u0900-\u0903\u093a-\u094f\u200c\u200d])*")


def jain_conflicts(texts: Iterable[str]) -> list[str]:
    """The tags or ingredients that no Jain product may have, as written.

    "no onion, no garlic", "onion-free" and "dry ginger" are none.
    """
    return [text for text in texts if any(_forbidden(_words(text)))]


def _words(text: str) -> list[str]:
    return [_singular(word) for word in _WORD.findall(text.lower())]


def _singular(word: str) -> str:
    for plural, singular in (("oes", "o"), ("ishes", "ish"), ("s", "")):
        candidate = word.removesuffix(plural) + singular if word.endswith(plural) else word
        if candidate in _UNDERGROUND or candidate == "vegetable":
            return candidate
    return word


def _forbidden(words: list[str]) -> Iterator[str]:
    """The words that name something forbidden, those that are denied left out."""
    denied = False
    for at, word in enumerate(words):
        before = words[at - 1] if at else ""
        following = words[at + 1] if at + 1 < len(words) else ""
        if word in _NEGATIONS:
            denied = True
        elif word in _UNDERGROUND or (word, following) in _PHRASES:
            is_spice = word == "ginger" and not _DRIED.isdisjoint({before, following})
            if not (denied or is_spice or following == "free"):
                yield word
        elif word not in _CONNECTIVES:
            denied = False
