"""Every statement of the order service."""

from services.order.queries import changes, orders, partitions, placement

__all__ = ["changes", "orders", "partitions", "placement"]
