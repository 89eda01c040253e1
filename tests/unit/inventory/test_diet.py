"""What a Jain product may not have."""

import pytest

from services.inventory.model.diet import find_jain_conflicts


@pytest.mark.parametrize(
    "text",
    [
        "onion",
        "Onions",
        "Fresh GARLIC paste",
        "spring onion",
        "potatoes",
        "sweet potato",
        "carrots",
        "radishes",
        "beetroot",
        "fresh ginger",
        "root vegetables",
        "lotus root",
        "raw turmeric",
        "aloo tikki",
        "pyaaz",
        "lahsun",
        "आलू",
        "प्याज़",
        "अदरक का रस",
        "no sugar but onion",
        "no chillies, onion",
        "garlic-bread",
    ],
)
def test_onion_garlic_and_root_vegetables_are_conflicts(text: str) -> None:
    assert find_jain_conflicts([text]) == [text]


@pytest.mark.parametrize(
    "text",
    [
        "lemon",
        "black salt",
        "no onion",
        "no onion no garlic",
        "No-Onion-No-Garlic",
        "no onion, garlic",
        "without onion and garlic",
        "non-garlic",
        "onion-free",
        "garlic free",
        "dry ginger",
        "ginger powder",
        "turmeric",
        "root beer",
        "बिना प्याज",
        "carom seeds",
        "",
        "🍋",
    ],
)
def test_similar_words_are_allowed(text: str) -> None:
    assert find_jain_conflicts([text]) == []


def test_conflicts_are_returned_unchanged() -> None:
    assert find_jain_conflicts(["Lemon", "Crushed Garlic", "mint", "Potato"]) == ["Crushed Garlic", "Potato"]
