"""The use cases of the notification service."""

from services.notification.usecases import (
    deliveries,
    employments,
    notifications,
    preferences,
    retention,
    templates,
)

__all__ = ["deliveries", "employments", "notifications", "preferences", "retention", "templates"]
