"""Cache of serialized response messages in one replica, invalidated by events."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable


class MessageCache:
    """Up to `entries` serialized messages; evicts the least recently used.

    A reader must not cache a value that was invalidated while it read the database: take a `ticket` before the read and
    pass it to `put`, which ignores the message when any key was dropped since.
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
        """Take it before reading the database; see `put`."""
        return self._drops

    def put(self, key: Hashable, message: bytes, ticket: int | None = None) -> None:
        """Caches the message, unless a key was dropped since the ticket was taken."""
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
