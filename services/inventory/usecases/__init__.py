"""The use cases of the inventory service."""

from services.inventory.usecases import (
    catalogue,
    categories,
    options,
    prices,
    products,
    purchase_orders,
    reservations,
    stock,
    suppliers,
)

__all__ = [
    "catalogue",
    "categories",
    "options",
    "prices",
    "products",
    "purchase_orders",
    "reservations",
    "stock",
    "suppliers",
]
