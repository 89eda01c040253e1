"""The rules and the tables of loyalty; imports no transport."""

from services.loyalty.model.tables import Base

__all__ = ["Base"]
