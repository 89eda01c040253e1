"""Conversion between messages of the contracts and rows, commands and values of the service."""

from services.notification.wire import consumed_events, resources

__all__ = ["consumed_events", "resources"]
