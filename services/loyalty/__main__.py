"""The loyalty service: `python -m services.loyalty`."""

from __future__ import annotations

from chassis import Loop, Service
from services.identity import IDENTITY
from services.loyalty.app import LoyaltyApp
from services.loyalty.events import HANDLERS
from services.loyalty.servicer import LoyaltyServicer
from services.loyalty.usecases.accounts import expire_points, follow_tiers
from services.loyalty.usecases.benefits import settle_stale_reservations
from services.loyalty.usecases.guesses import forget_guesses

SERVICE = Service(
    "loyalty",
    identity=IDENTITY,
    app=LoyaltyApp,
    servicers=[LoyaltyServicer],
    handlers=HANDLERS,
    loops=[
        Loop("expire-points", every=60.0, run=expire_points),
        Loop("follow-tiers", every=6 * 3600.0, run=follow_tiers),
        Loop("settle-stale-reservations", every=300.0, run=settle_stale_reservations),
        Loop("forget-guesses", every=3600.0, run=forget_guesses),
    ],
)

if __name__ == "__main__":
    SERVICE.run()
