"""What is kept (`tables`), what an order is known by (`facts`), and how that becomes figures (`rollups`, `period`)."""

from services.analytics.model.tables import Base

__all__ = ["Base"]
