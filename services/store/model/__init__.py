"""What a store is and may do: rules and refusals without any I/O, and the shape of its tables."""

from services.store.model.tables import Base

__all__ = ["Base"]
