"""What the use cases of inventory work with beside the chassis: settings of their own and cached messages."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import Field, PositiveFloat, PositiveInt

from chassis import App, ServiceSettings
from chassis.cache import MessageCache
from chassis.database.batched_reads import BatchedRead
from services.inventory.product_messages import ProductMessages
from services.inventory.queries import products


class InventorySettings(ServiceSettings):
    """INVENTORY_…"""

    product_cache_entries: PositiveInt = Field(10_000, description="product messages kept ready")
    list_cache_entries: PositiveInt = Field(500, description="pages of the menu kept ready")
    cache_control_seconds: PositiveInt = Field(15, description="seconds a browser may keep a public product or page")
    reservation_minutes: PositiveFloat = Field(
        60.0, description="minutes after which order is asked about a reservation that it has not settled"
    )
    reservation_keep_days: PositiveInt = Field(90, description="days that a settled reservation is remembered")


class InventoryApp(App):
    """One per process."""

    settings_class = InventorySettings
    settings: InventorySettings

    def __init__(self, name: str, settings: Any) -> None:
        super().__init__(name, settings)
        self.product_messages = ProductMessages(settings.product_cache_entries)
        self.menu_pages = MessageCache(settings.list_cache_entries)
        self.prices = BatchedRead(self.db, products.PRICES, "store_ids", "product_ids")

    def forget_product(self, product_id: UUID) -> None:
        """Drops what is cached of a product, and every page that may show it."""
        self.product_messages.drop(product_id)
        self.menu_pages.clear()

    def on_missed_events(self) -> None:
        """Changes may have passed unheard."""
        self.product_messages.clear()
        self.menu_pages.clear()
