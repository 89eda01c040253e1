"""What lives as long as the process: caches of the menu, and batched reads of prices."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from chassis import App
from chassis.cache import MessageCache
from chassis.database.batched_reads import BatchedRead
from services.inventory import queries
from services.inventory.product_cache import ProductCache
from services.inventory.settings import InventorySettings


class InventoryApp(App):
    """Typed settings, and the caches of products and of pages of the menu."""

    settings_class = InventorySettings
    settings: InventorySettings

    def __init__(self, name: str, settings: Any) -> None:
        super().__init__(name, settings)
        self.products = ProductCache(settings.product_cache_entries)
        self.menu_pages = MessageCache(settings.list_cache_entries)
        self.prices = BatchedRead(self.db, queries.products.LIST_PRICES, "store_ids", "product_ids")

    def drop_product(self, product_id: UUID) -> None:
        """Drops the cached product, and every page that may contain it."""
        self.products.drop(product_id)
        self.menu_pages.clear()

    def on_missed_events(self) -> None:
        """Products may have changed while NATS was unreachable."""
        self.products.clear()
        self.menu_pages.clear()
