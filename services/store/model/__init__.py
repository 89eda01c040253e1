"""Rules and tables of the store service."""

from services.store.model.tables import Base

__all__ = ["Base"]
