"""Errors of the inventory service that its callers see."""

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
    """The product cannot be ordered in this store at present."""

    def __init__(self, product_id: UUID) -> None:
        super().__init__("a product cannot be ordered in this store now", product_id=str(product_id))


class OutOfStock(Conflict):
    """The store does not have enough of some products of the order."""

    def __init__(self, product_ids: Iterable[UUID]) -> None:
        super().__init__("not enough stock", product_ids=",".join(map(str, product_ids)))


class ReservationReleased(Conflict):
    """The reservation of the order was released, or its release arrived before it."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__("the stock of this order was released", order_id=str(order_id))


class ReservationMismatch(Conflict):
    """The order has a reservation of other lines."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__("this order has a reservation of other lines", order_id=str(order_id))


class ReservationCommitted(Conflict):
    """The order is confirmed: only its cancellation returns the stock."""

    def __init__(self, order_id: UUID) -> None:
        super().__init__("the stock of this order is committed", order_id=str(order_id))


class StockChanged(Conflict):
    """The stock differs from `expected_stock`; the metadata has the current stock."""

    def __init__(self, current_stock: int) -> None:
        super().__init__("the stock has changed since it was read", current_stock=str(current_stock))


class InsufficientStock(Conflict):
    """The movement exceeds the stock."""

    def __init__(self, product_id: UUID, current_stock: int) -> None:
        super().__init__("not enough stock", product_id=str(product_id), current_stock=str(current_stock))


class MaxStockExceeded(Conflict):
    """The stock would exceed `max_stock`, and the request does not force it."""

    def __init__(self, product_id: UUID, max_stock: int) -> None:
        super().__init__(
            "the stock would exceed the maximum stock of the product",
            product_id=str(product_id),
            max_stock=str(max_stock),
        )


class SupplierInactive(Conflict):
    """The supplier is inactive."""

    def __init__(self, supplier_id: UUID) -> None:
        super().__init__("the supplier is inactive", supplier_id=str(supplier_id))


class PurchaseOrderState(Conflict):
    """The state of the purchase order does not allow the operation."""

    def __init__(self, status: str) -> None:
        super().__init__(f"the purchase order is {status}", status=status.upper())


class ReceiptExceedsOrder(Conflict):
    """The receipt exceeds the open quantity of a line."""

    def __init__(self, product_id: UUID, still_open: int) -> None:
        super().__init__(
            "the receipt exceeds the open quantity of the purchase order",
            product_id=str(product_id),
            still_open=str(still_open),
        )
