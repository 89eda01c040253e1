"""Mapping between an enum of the contracts and the values that the database stores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class EnumMapping:
    """`EnumMapping(OrderType, exceptions={"DINE_IN": "dine-in"})` maps DELIVERY to "delivery" and DINE_IN to "dine-in".

    `enum` is a wrapper message that holds `Value`. UNSPECIFIED is not stored.
    """

    def __init__(
        self, enum: Any, exceptions: Mapping[str, str] | None = None, style: Callable[[str], str] = str.lower
    ) -> None:
        names = [name for name, _ in enum.Value.items()]
        named = {**{name: style(name) for name in names}, **(exceptions or {})}
        self._stored = {enum.Value.Value(name): stored for name, stored in named.items() if name != "UNSPECIFIED"}
        self._values = {stored: value for value, stored in self._stored.items()}
        self.name = enum.DESCRIPTOR.full_name
        if len(self._values) != len(self._stored):
            raise ValueError(f"two values of {self.name} map to the same stored value")

    def from_proto(self, value: int) -> str:
        """The stored value. Raises KeyError for UNSPECIFIED and unknown numbers, which validation rejects earlier."""
        return self._stored[value]

    def to_proto(self, stored: str) -> Any:
        """The number of the enum. Raises KeyError for a value that the enum does not have."""
        return self._values[stored]

    def names(self) -> list[str]:
        """All stored values, in the order of the contract."""
        return list(self._values)
