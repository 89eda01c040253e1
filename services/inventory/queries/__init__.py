"""Every statement of the inventory service."""

from services.inventory.queries import categories, options, products, purchasing, reservations, stock

__all__ = ["categories", "options", "products", "purchasing", "reservations", "stock"]
