"""Why an order is refused or a change of it. Reasons are part of the public contract."""

from __future__ import annotations

from chassis.errors import Conflict

# The largest amount that the columns and the payment service hold, in minor units.
MAX_MINOR = 9_999_999_999


class OrderTransitionRefused(Conflict):
    """The order's life has no such step."""

    def __init__(self, current: str, target: str) -> None:
        super().__init__(
            f"an order that is {_shown(current)} cannot become {_shown(target)}",
            current=_shown(current),
            target=_shown(target),
        )


class OrderNotCancellable(Conflict):
    """It is too late to give the order up, or too late for this caller."""

    def __init__(self, current: str) -> None:
        super().__init__(f"an order that is {_shown(current)} cannot be cancelled by you", current=_shown(current))


class StaleOrder(Conflict):
    """The caller decided on an older version of the order."""

    def __init__(self, seen: int, current: int) -> None:
        super().__init__(
            "the order has changed since you read it", seen_version=str(seen), current_version=str(current)
        )


class OrderClosed(Conflict):
    """Delivered or given up: nothing can be arranged any more."""

    def __init__(self, current: str) -> None:
        super().__init__(f"the order is {_shown(current)}", current=_shown(current))


class OrderNotUnderWay(Conflict):
    """Positions are taken only while a courier can be on the way."""

    def __init__(self, current: str) -> None:
        super().__init__(f"no courier is under way: the order is {_shown(current)}", current=_shown(current))


class OrderNotInvoiced(Conflict):
    """There is no invoice before an order is accepted nor for one that was given up."""

    def __init__(self, current: str) -> None:
        super().__init__(f"an order that is {_shown(current)} has no invoice", current=_shown(current))


class StaffNotAssignable(Conflict):
    """The account does not have that job in the order's store."""

    def __init__(self, job: str) -> None:
        super().__init__(f"the account does not have the job {job} in the order's store", job=_shown(job))


class BelowMinOrderValue(Conflict):
    """The store does not serve so small an order; amounts in minor units."""

    def __init__(self, minimum_minor: int, subtotal_minor: int) -> None:
        super().__init__(
            "the order is below the store's minimum",
            min_order_value=str(minimum_minor),
            subtotal=str(subtotal_minor),
        )


class OrderTooLarge(Conflict):
    """More money than one order may be worth."""

    def __init__(self) -> None:
        super().__init__("one order cannot be worth that much", max_total=str(MAX_MINOR))


class OutOfStock(Conflict):
    """The store does not have what the cart asks for."""

    def __init__(self, product_ids: list[str]) -> None:
        super().__init__("the store has not enough of some products", product_ids=",".join(product_ids))


class PriceChanged(Conflict):
    """The quoted price no longer holds; amounts in minor units."""

    def __init__(self, quoted_minor: int, current_minor: int) -> None:
        super().__init__(
            "the price has changed since the quote",
            quoted_total=str(quoted_minor),
            current_total=str(current_minor),
        )


class QuoteExpired(Conflict):
    """The quote is older than ten minutes."""

    def __init__(self) -> None:
        super().__init__("the quote has expired; ask for a new one")


def _shown(word: str) -> str:
    """As the contract writes it."""
    return word.upper().replace("-", "_")
