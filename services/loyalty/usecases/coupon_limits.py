"""Limits on wrong coupon codes, for an account and for a network address."""

from __future__ import annotations

from uuid import UUID

from chassis.rpc.client_address import network_of
from chassis.security.throttle import Limit
from services.loyalty.app import LoyaltyApp


def account_limit(app: LoyaltyApp, customer_id: UUID) -> Limit:
    """The limit of an account."""
    return Limit("coupon", f"account {customer_id}", app.settings.coupon_misses_per_account, _window(app))


def address_limit(app: LoyaltyApp, address: str) -> Limit:
    """The limit of the network of an IP address."""
    return Limit("coupon", f"address {network_of(address)}", app.settings.coupon_misses_per_address, _window(app))


def _window(app: LoyaltyApp) -> int:
    return app.settings.coupon_miss_window_minutes * 60


async def purge_expired(app: LoyaltyApp) -> None:
    """Deletes counts whose window has ended."""
    await app.guesses.purge()
