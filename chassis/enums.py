"""The one mapping between an enum of the contracts and the words that the database keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class EnumMapping:
    """`EnumMapping(OrderType, exceptions={"DINE_IN": "dine-in"})` maps DELIVERY to "delivery" and DINE_IN to "dine-in".

    `enum` is a wrapper message that holds `Value`. UNSPECIFIED has no word.
    """

    def __init__(
        self, enum: Any, exceptions: Mapping[str, str] | None = None, style: Callable[[str], str] = str.lower
    ) -> None:
        names = [name for name, _ in enum.Value.items()]
        named = {**{name: style(name) for name in names}, **(exceptions or {})}
        self._words = {enum.Value.Value(name): word for name, word in named.items() if name != "UNSPECIFIED"}
        self._values = {word: value for value, word in self._words.items()}
        self.name = enum.DESCRIPTOR.full_name
        if len(self._values) != len(self._words):
            raise ValueError(f"two values of {self.name} share a word")

    def from_proto(self, value: int) -> str:
        """The database's word. KeyError for UNSPECIFIED and unknown numbers, which validation refuses earlier."""
        return self._words[value]

    def to_proto(self, word: str) -> Any:
        """The enum's number. KeyError for a word that the enum does not have."""
        return self._values[word]

    def names(self) -> list[str]:
        """Every word, in the order of the contract."""
        return list(self._values)
