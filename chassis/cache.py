"""The service's own layer of caching: serialized messages, bounded, dropped by the owner's events."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable


class MessageCache:
    """Up to `entries` serialized messages, least recently used out first.

    A reader that computes a value while its key is dropped must not put the old one back: take a `ticket` before
    reading the database and hand it to `put`, which then ignores what has been overtaken.
    """

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._messages: OrderedDict[Hashable, bytes] = OrderedDict()
        self._drops = 0

    def get(self, key: Hashable) -> bytes | None:
        message = self._messages.get(key)
        if message is not None:
            self._messages.move_to_end(key)
        return message

    def ticket(self) -> int:
        """Taken before the database is read; see `put`."""
        return self._drops

    def put(self, key: Hashable, message: bytes, ticket: int | None = None) -> None:
        """Keeps the message, unless anything was dropped since the ticket was taken."""
        if ticket is not None and ticket != self._drops:
            return
        self._messages[key] = message
        self._messages.move_to_end(key)
        if len(self._messages) > self._entries:
            self._messages.popitem(last=False)

    def drop(self, key: Hashable) -> None:
        self._drops += 1
        self._messages.pop(key, None)

    def clear(self) -> None:
        self._drops += 1
        self._messages.clear()
