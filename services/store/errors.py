"""Errors of the store service that its callers see."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from chassis.errors import AlreadyExists, Conflict

_MAX_CODES_SHOWN = 20


class StoreNotAcceptingOrders(Conflict):
    """The store is inactive, or its manager has paused orders; `cause` is INACTIVE or PAUSED."""

    def __init__(self, *, is_active: bool) -> None:
        super().__init__(
            "the store does not accept orders at the moment" if is_active else "the store is not active",
            cause="PAUSED" if is_active else "INACTIVE",
        )


class StoreClosed(Conflict):
    """By its hours the store is closed at the requested time; `next_opening_at` is its next opening."""

    def __init__(self, next_opening: datetime | None) -> None:
        known = {"next_opening_at": next_opening.isoformat().replace("+00:00", "Z")} if next_opening else {}
        super().__init__("the store is closed at that time", **known)


class OutOfDeliveryArea(Conflict):
    """No zone lists the postal code, and the address is outside the delivery radius."""

    def __init__(self) -> None:
        super().__init__("the store does not deliver to this address")


class SlugTaken(AlreadyExists):
    """Another store has the slug."""

    def __init__(self, slug: str) -> None:
        super().__init__("another store has this slug", slug=slug)


class TooManyExceptions(Conflict):
    """The store has the maximum number of dates with exceptional hours."""

    def __init__(self, limit: int) -> None:
        super().__init__("the store has too many dates with exceptional hours", limit=str(limit))


class TooManyZones(Conflict):
    """The store has the maximum number of delivery zones."""

    def __init__(self, limit: int) -> None:
        super().__init__("the store has too many delivery zones", limit=str(limit))


class PostalCodeTaken(AlreadyExists):
    """Another active zone of the store lists some of the postal codes."""

    def __init__(self, codes: Iterable[str]) -> None:
        taken = sorted(codes)
        super().__init__(
            "another active zone of the store has some of these postal codes",
            postal_codes=",".join(taken[:_MAX_CODES_SHOWN]),
        )


class AlreadyStaff(AlreadyExists):
    """The email address belongs to a present staff member of this or another store."""

    def __init__(self) -> None:
        super().__init__("this email address belongs to a present staff member")


class InvitationRefused(Conflict):
    """The customer service rejected the invitation; add the person again when the cause is resolved."""

    def __init__(self) -> None:
        super().__init__("the invitation was rejected; add the person again")
