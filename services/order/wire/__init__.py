"""Conversion between messages of the contracts and rows, commands and values of the service."""

from services.order.wire import addresses, enums, events, orders, requests, responses, streams

__all__ = ["addresses", "enums", "events", "orders", "requests", "responses", "streams"]
