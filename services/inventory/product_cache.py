"""A cache of serialized products, which a change of the product invalidates."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from chassis.cache import MessageCache


class ProductCache:
    """One message for each product and store. Valid for one day, since scheduled availability changes at midnight."""

    def __init__(self, entries: int) -> None:
        self._messages = MessageCache(entries)
        self._stores: dict[UUID, set[UUID | None]] = {}
        self._day: date | None = None

    def get(self, product_id: UUID, store_id: UUID | None, day: date) -> bytes | None:
        """The cached message, or None."""
        return self._messages.get((product_id, store_id)) if day == self._day else None

    def ticket(self) -> int:
        """A ticket for `put`; request it before reading the database."""
        return self._messages.ticket()

    def put(self, product_id: UUID, store_id: UUID | None, day: date, message: bytes, ticket: int) -> None:
        """Stores the message, unless an entry was dropped after the ticket was issued."""
        if ticket != self._messages.ticket():
            return
        if day != self._day:
            self.clear()
            self._day = day
        self._stores.setdefault(product_id, set()).add(store_id)
        self._messages.put((product_id, store_id), message)

    def drop(self, product_id: UUID) -> None:
        """Drops the product in every store."""
        for store_id in self._stores.pop(product_id, {None}):
            self._messages.drop((product_id, store_id))

    def clear(self) -> None:
        """Drops all products."""
        self._stores.clear()
        self._messages.clear()
