"""The use cases of the order service."""

from services.order.usecases import (
    assignments,
    copies,
    erasure,
    orders,
    partitions,
    payments,
    placement,
    quotes,
    recovery,
    streams,
    timeline,
    tracking,
    transitions,
)

__all__ = [
    "assignments",
    "copies",
    "erasure",
    "orders",
    "partitions",
    "payments",
    "placement",
    "quotes",
    "recovery",
    "streams",
    "timeline",
    "tracking",
    "transitions",
]
