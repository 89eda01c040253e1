"""The rules of orders (`states`, `pricing`, `quotes`) and their tables (`tables`)."""

from services.order.model.tables import Base

__all__ = ["Base"]
