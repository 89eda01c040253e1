"""What a customer wants, as asked for: no names, no prices."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class CartLine:
    """One product, how many, and with which options."""

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
    def wants_benefits(self) -> bool:
        return bool(self.coupon_code or self.points)

    def pieces(self) -> dict[str, int]:
        """How many of each product, all lines together, in one fixed order."""
        pieces: Counter[str] = Counter()
        for line in self.lines:
            pieces[line.product_id] += line.quantity
        return dict(sorted(pieces.items()))

    def digest(self) -> bytes:
        """Tells carts apart by what their price depends on; instructions do not matter."""
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
