"""The use cases of the customer service."""

from services.customer.usecases import (
    accounts,
    addresses,
    codes,
    copies,
    favorites,
    passwords,
    preferences,
    profiles,
    sessions,
    staff,
    verification,
)

__all__ = [
    "accounts",
    "addresses",
    "codes",
    "copies",
    "favorites",
    "passwords",
    "preferences",
    "profiles",
    "sessions",
    "staff",
    "verification",
]
