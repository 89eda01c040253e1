"""Why a store refuses. Reasons are part of the public contract."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from chassis.errors import AlreadyExists, Conflict

_CODES_SHOWN = 20


class StoreNotAcceptingOrders(Conflict):
    """The store is inactive, or its own switch is off."""

    def __init__(self, *, is_active: bool) -> None:
        super().__init__(
            "the store does not take orders at the moment" if is_active else "the store is not active",
            cause="PAUSED" if is_active else "INACTIVE",
        )


class StoreClosed(Conflict):
    """By its hours the store is closed at the time asked for."""

    def __init__(self, next_opening: datetime | None) -> None:
        known = {"next_opening_at": next_opening.isoformat().replace("+00:00", "Z")} if next_opening else {}
        super().__init__("the store is closed at that time", **known)


class OutOfDeliveryArea(Conflict):
    """No zone lists the postal code and the place is not inside the radius."""

    def __init__(self) -> None:
        super().__init__("the store does not deliver to this address")


class SlugTaken(AlreadyExists):
    """Another store has the slug."""

    def __init__(self, slug: str) -> None:
        super().__init__("another store has this slug", slug=slug)


class TooManyExceptions(Conflict):
    """More dates with hours of their own than a store may have."""

    def __init__(self, limit: int) -> None:
        super().__init__("too many dates have hours of their own", limit=str(limit))


class TooManyZones(Conflict):
    """More zones than a store may have."""

    def __init__(self, limit: int) -> None:
        super().__init__("the store has too many delivery zones", limit=str(limit))


class PostalCodeTaken(AlreadyExists):
    """Another active zone of the store lists some of the codes."""

    def __init__(self, codes: Iterable[str]) -> None:
        taken = sorted(codes)
        super().__init__(
            "another active zone of the store has some of these postal codes",
            postal_codes=",".join(taken[:_CODES_SHOWN]),
        )


class AlreadyStaff(AlreadyExists):
    """The email belongs to a present member of this or another store."""

    def __init__(self) -> None:
        super().__init__("this email belongs to a present member of staff")


class InvitationRefused(Conflict):
    """The account service refused the person; add them again once that is settled."""

    def __init__(self) -> None:
        super().__init__("the invitation was refused; add the person again")
