"""Results of use cases that are more than one row, and the customizations of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.inventory.model.menu import Choice, Customization, Option
from services.inventory.rows import (
    InventoryItemRow,
    PriceRow,
    PurchaseOrderItemRow,
    PurchaseOrderRow,
    StockBatchRow,
)


@dataclass(frozen=True, slots=True)
class PricedLine:
    """A line of a cart with its price."""

    product: PriceRow
    quantity: int
    unit_price: Decimal
    choices: Sequence[Choice]
    in_stock: bool


@dataclass(frozen=True, slots=True)
class InventoryItemView:
    """The stock of a product in a store, with its open batches."""

    item: InventoryItemRow
    batches: Sequence[StockBatchRow]


@dataclass(frozen=True, slots=True)
class PurchaseOrderView:
    """A purchase order with its lines."""

    order: PurchaseOrderRow
    items: Sequence[PurchaseOrderItemRow]


def parse_customizations(value: Sequence[dict[str, Any]] | None) -> list[Customization]:
    """The customizations from the JSON value in the row of a product."""
    return [
        Customization(
            id=UUID(item["id"]),
            name=item["name"],
            type=item["type"],
            is_required=bool(item["is_required"]),
            options=tuple(
                Option(
                    UUID(option["id"]),
                    option["name"],
                    Decimal(option["price_modifier"] or 0),
                    bool(option["is_default"]),
                )
                for option in item["options"] or ()
            ),
        )
        for item in value or ()
    ]
