"""Every statement of the customer service.

`email_index` and `email_index_next` are blind indexes by the oldest and by the newest index key: either finds the row
while the index key rotates. The same holds for the phone.
"""

from services.customer.queries import (
    accounts,
    addresses,
    codes,
    favorites,
    grants,
    ordering_customers,
    preferences,
    sessions,
    signing_keys,
    throttles,
)

__all__ = [
    "accounts",
    "addresses",
    "codes",
    "favorites",
    "grants",
    "ordering_customers",
    "preferences",
    "sessions",
    "signing_keys",
    "throttles",
]
