"""Settings of this service."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, PositiveInt

from chassis import ServiceSettings


class InventorySettings(ServiceSettings):
    """Caches of the menu, and times of reservations."""

    product_cache_entries: PositiveInt = Field(10_000, description="number of cached products")
    list_cache_entries: PositiveInt = Field(500, description="number of cached pages of the menu")
    cache_control_seconds: PositiveInt = Field(15, description="seconds a browser may cache a public product or page")
    reservation_minutes: PositiveFloat = Field(
        60.0, description="minutes after which the state of the order of an unsettled reservation is read"
    )
    reservation_keep_days: PositiveInt = Field(90, description="days until a settled reservation is deleted")
