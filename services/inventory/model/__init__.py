"""The tables, the rules of menu and stock, and why something is refused."""

from services.inventory.model.tables import Base

__all__ = ["Base"]
