"""What the store service works with beside the chassis's: its caches."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from chassis import App
from chassis.cache import MessageCache
from chassis.database.batched_reads import BatchedRead
from services.store import queries as q
from services.store.model.hours import Schedule

STORES_CACHED = 2_000


class StoreApp(App):
    """Keeps public stores as serialized messages, and schedules by version."""

    def __init__(self, name: str, settings: Any) -> None:
        super().__init__(name, settings)
        # Shown to people only; quotes and orders read the database.
        self.stores = MessageCache(STORES_CACHED)
        # A schedule is used only for the version that the database names in the same request, so it cannot be stale.
        self.schedules: dict[UUID, tuple[int, Schedule]] = {}
        # A store and the zone of a postal code, for orders.
        self.serving = BatchedRead(self.db, q.SERVING, "store_ids", "postal_codes")

    def bus_gap(self) -> None:
        """What changed while NATS was away is unknown."""
        self.stores.clear()
