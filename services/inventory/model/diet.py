"""Diets: a product may claim one unless its tags or ingredients contradict it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

# Onion, garlic and root vegetables, in English, and in Hindi and Marathi words of menus. Turmeric and dried ginger are
# spices, which Jain kitchens use.
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


def find_jain_conflicts(texts: Iterable[str]) -> list[str]:
    """The tags or ingredients that a Jain product must not have, unchanged.

    "no onion, no garlic", "onion-free" and "dry ginger" are allowed.
    """
    return [text for text in texts if any(_find_forbidden(_split(text)))]


def _split(text: str) -> list[str]:
    return [_make_singular(word) for word in _WORD.findall(text.lower())]


def _make_singular(word: str) -> str:
    for plural, singular in (("oes", "o"), ("ishes", "ish"), ("s", "")):
        candidate = word.removesuffix(plural) + singular if word.endswith(plural) else word
        if candidate in _UNDERGROUND or candidate == "vegetable":
            return candidate
    return word


def _find_forbidden(words: list[str]) -> Iterator[str]:
    """The words that name a forbidden ingredient, except negated ones."""
    negated = False
    for at, word in enumerate(words):
        before = words[at - 1] if at else ""
        following = words[at + 1] if at + 1 < len(words) else ""
        if word in _NEGATIONS:
            negated = True
        elif word in _UNDERGROUND or (word, following) in _PHRASES:
            is_spice = word == "ginger" and not _DRIED.isdisjoint({before, following})
            if not (negated or is_spice or following == "free"):
                yield word
        elif word not in _CONNECTIVES:
            negated = False
