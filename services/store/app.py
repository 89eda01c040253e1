"""The caches of the store service."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from chassis import App
from chassis.cache import MessageCache
from chassis.database.batched_reads import BatchedRead
from services.store import queries
from services.store.model.hours import Schedule

STORES_CACHED = 2_000


class StoreApp(App):
    """Caches public stores as serialized messages, and schedules by version."""

    def __init__(self, name: str, settings: Any) -> None:
        super().__init__(name, settings)
        # For display; quotes and orders read the database.
        self.stores = MessageCache(STORES_CACHED)
        # A schedule is used only with the version that the same request read from the database, so it is never stale.
        self.schedules: dict[UUID, tuple[int, Schedule]] = {}
        # A store and its zone for a postal code, for quotes and orders.
        self.serving = BatchedRead(self.db, queries.GET_SERVING, "store_ids", "postal_codes")

    def on_missed_events(self) -> None:
        """Stores may have changed while NATS was unreachable."""
        self.stores.clear()
