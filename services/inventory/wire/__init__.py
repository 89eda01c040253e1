"""Conversion between messages of the contracts and rows, commands and values of the service."""

from services.inventory.wire import events, products, purchasing, stock

__all__ = ["events", "products", "purchasing", "stock"]
