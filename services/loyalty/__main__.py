"""Composition root: `python -m services.loyalty`."""

from __future__ import annotations

from chassis import Loop, Service
from services.identity import IDENTITY
from services.loyalty.app import LoyaltyApp
from services.loyalty.events import HANDLERS
from services.loyalty.servicer import LoyaltyServicer
from services.loyalty.usecases.accounts import expire_points, update_tiers
from services.loyalty.usecases.benefits import settle_stale_reservations
from services.loyalty.usecases.coupon_limits import purge_expired

SERVICE = Service(
    "loyalty",
    identity=IDENTITY,
    app=LoyaltyApp,
    servicers=[LoyaltyServicer],
    handlers=HANDLERS,
    loops=[
        Loop("expire-points", every=60.0, run=expire_points),
        Loop("update-tiers", every=6 * 3600.0, run=update_tiers),
        Loop("settle-stale-reservations", every=300.0, run=settle_stale_reservations),
        Loop("purge-coupon-guesses", every=3600.0, run=purge_expired),
    ],
)

if __name__ == "__main__":
    SERVICE.run()
