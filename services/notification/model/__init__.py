"""Rules of notifications (types, dispatches, preferences, templates) and their tables (`tables`)."""

from services.notification.model.tables import Base

__all__ = ["Base"]
