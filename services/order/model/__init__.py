"""What an order is: the life it has (`states`), what is refused (`refusals`), the tables that keep it (`tables`)."""

from services.order.model.tables import Base

__all__ = ["Base"]
