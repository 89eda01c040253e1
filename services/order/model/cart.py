"""The cart of a customer: products and quantities, without names and prices."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class CartLine:
    """A product with its quantity and options. Ids are in canonical lower case."""

    product_id: str
    quantity: int
    option_ids: tuple[str, ...] = ()
    special_instructions: str = ""


@dataclass(frozen=True, slots=True)
class Cart:
    """Everything that the price depends on. Ids are in canonical lower case."""

    customer_id: UUID
    store_id: UUID
    fulfilment_type: str
    lines: tuple[CartLine, ...]
    address_id: str = ""
    coupon_code: str = ""
    points: int = 0
    scheduled: datetime | None = None

    @property
    def uses_benefits(self) -> bool:
        """Whether a coupon or points are to be redeemed."""
        return bool(self.coupon_code or self.points)

    def quantities(self) -> dict[str, int]:
        """The quantity of each product over all lines, sorted by product."""
        quantities: Counter[str] = Counter()
        for line in self.lines:
            quantities[line.product_id] += line.quantity
        return dict(sorted(quantities.items()))

    def digest(self) -> bytes:
        """Hash of everything that the price depends on; special instructions are not part of it."""
        parts = [
            str(self.customer_id),
            str(self.store_id),
            self.fulfilment_type,
            [[line.product_id, line.quantity, sorted(line.option_ids)] for line in self.lines],
            self.address_id,
            self.coupon_code,
            self.points,
            self.scheduled.isoformat() if self.scheduled else "",
        ]
        return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).digest()[:16]
