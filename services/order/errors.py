"""Errors of the order service. The class names are public reasons; amounts in their metadata are minor units."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from chassis.errors import Conflict
from chassis.money import to_minor_units

# The largest amount that the columns and the payment service can store.
MAX_TOTAL = Decimal("99999999.99")


class OrderTransitionRefused(Conflict):
    """The state machine has no transition between the two states."""

    def __init__(self, current: str, target: str) -> None:
        super().__init__(
            f"an order that is {_enum_name(current)} cannot become {_enum_name(target)}",
            current=_enum_name(current),
            target=_enum_name(target),
        )


class OrderNotCancellable(Conflict):
    """The order cannot be cancelled any more, or not by this caller."""

    def __init__(self, current: str) -> None:
        current = _enum_name(current)
        super().__init__(f"you cannot cancel an order that is {current}", current=current)


class StaleOrder(Conflict):
    """The caller has read an older version of the order."""

    def __init__(self, seen: int, current: int) -> None:
        super().__init__(
            "the order has changed since you read it", seen_version=str(seen), current_version=str(current)
        )


class OrderClosed(Conflict):
    """The order is delivered or cancelled; staff cannot be assigned to it any more."""

    def __init__(self, current: str) -> None:
        super().__init__(f"the order is {_enum_name(current)}", current=_enum_name(current))


class OrderNotUnderWay(Conflict):
    """Positions are accepted only while the order is READY or OUT_FOR_DELIVERY."""

    def __init__(self, current: str) -> None:
        current = _enum_name(current)
        super().__init__(f"no courier is delivering the order: it is {current}", current=current)


class OrderNotInvoiced(Conflict):
    """Orders have an invoice once they are accepted, unless they are cancelled."""

    def __init__(self, current: str) -> None:
        super().__init__(f"an order that is {_enum_name(current)} has no invoice", current=_enum_name(current))


class StaffNotAssignable(Conflict):
    """The account does not have that job in the order's store."""

    def __init__(self, job: str) -> None:
        super().__init__(f"the account does not have the job {job} in the order's store", job=_enum_name(job))


class BelowMinOrderValue(Conflict):
    """The subtotal is below the minimum of the store."""

    def __init__(self, minimum: Decimal, subtotal: Decimal) -> None:
        super().__init__(
            "the order is below the store's minimum order value",
            min_order_value=str(to_minor_units(minimum)),
            subtotal=str(to_minor_units(subtotal)),
        )


class OrderTooLarge(Conflict):
    """The amount of the order exceeds the maximum."""

    def __init__(self) -> None:
        super().__init__("the order exceeds the maximum amount", max_total=str(to_minor_units(MAX_TOTAL)))


class OutOfStock(Conflict):
    """The store does not have enough of some products of the cart."""

    def __init__(self, product_ids: Sequence[str]) -> None:
        super().__init__("not enough stock", product_ids=",".join(product_ids))


class PriceChanged(Conflict):
    """The price differs from the quoted one."""

    def __init__(self, quoted: Decimal, current: Decimal) -> None:
        super().__init__(
            "the price has changed since the quote",
            quoted_total=str(to_minor_units(quoted)),
            current_total=str(to_minor_units(current)),
        )


class QuoteExpired(Conflict):
    """The quote is older than ten minutes."""

    def __init__(self) -> None:
        super().__init__("the quote has expired; request a new one")


class PaymentMismatch(Exception):
    """The amount of a payment is not the order's total; the event becomes a dead letter for an operator."""

    def __init__(self, order_id: UUID, paid: Decimal, total: Decimal) -> None:
        super().__init__(f"payment amount mismatch: order {order_id} costs {total}, {paid} were paid")


def _enum_name(value: str) -> str:
    """The value as the contract spells it."""
    return value.upper().replace("-", "_")
