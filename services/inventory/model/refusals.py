"""Why something about the menu, the stock or a purchase is refused. The reason on the wire is the class name."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from chassis.errors import AlreadyExists, Conflict


class SlugTaken(AlreadyExists):
    """Another product has the slug."""

    def __init__(self, slug: str) -> None:
        super().__init__("another product has this slug", slug=slug)


class SkuTaken(AlreadyExists):
    """Another product has the SKU."""

    def __init__(self, sku: str) -> None:
        super().__init__("another product has this SKU", sku=sku)


class CategoryTaken(AlreadyExists):
    """Another category has the slug."""

    def __init__(self, slug: str) -> None:
        super().__init__("another category has this slug", slug=slug)


class ProductUnavailable(Conflict):
    """The product cannot be ordered in this store now."""

    def __init__(self, product_id: UUID) -> None:
        super().__init__("a product cannot be ordered in this store now", product_id=str(product_id))


class OutOfStock(Conflict):
    """The store does not have as many as the order asks for."""

    def __init__(self, product_ids: Iterable[UUID]) -> None:
        super().__init__("the store does not have enough of it", product_ids=",".join(map(str, product_ids)))


class ReservationReleased(Conflict):
    """The order has given its stock back, or was told to before it had any."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__("the stock of this order was released", order_id=str(order_id))


class ReservationMismatch(Conflict):
    """The order holds other lines than the ones asked for now."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__("this order holds other lines already", order_id=str(order_id))


class ReservationCommitted(Conflict):
    """The order was confirmed: its stock comes back by its cancellation only."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__("the stock of this order is committed", order_id=str(order_id))


class StockChanged(Conflict):
    """The stock is not what the caller saw."""

    def __init__(self, current_stock: int) -> None:
        super().__init__("the stock has changed since it was read", current_stock=str(current_stock))


class InsufficientStock(Conflict):
    """More would leave than there is."""

    def __init__(self, product_id: UUID, current_stock: int) -> None:
        super().__init__("there is not as much in stock", product_id=str(product_id), current_stock=str(current_stock))


class MaxStockExceeded(Conflict):
    """What comes in would go beyond max_stock, and nobody forced it."""

    def __init__(self, product_id: UUID, max_stock: int) -> None:
        super().__init__(
            "the store would hold more than its maximum of this product",
            product_id=str(product_id),
            max_stock=str(max_stock),
        )


class SupplierInactive(Conflict):
    """Nothing is bought from this supplier any more."""

    def __init__(self, supplier_id: UUID) -> None:
        super().__init__("nothing is bought from this supplier any more", supplier_id=str(supplier_id))


class PurchaseOrderState(Conflict):
    """The purchase order is not in a state that allows it."""

    def __init__(self, status: str) -> None:
        super().__init__(f"the purchase order is {status}", status=status.upper())


class ReceiptExceedsOrder(Conflict):
    """More came than was still open."""

    def __init__(self, product_id: UUID, still_open: int) -> None:
        super().__init__(
            "more came than is still open on the purchase order",
            product_id=str(product_id),
            still_open=str(still_open),
        )
