"""Preferences of a customer."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from chassis import Caller
from chassis.database.rows import column_values, parameters
from chassis.errors import NotFound
from services.customer import queries
from services.customer.app import CustomerApp
from services.customer.commands import UpdatePreferences
from services.customer.model.tables import DEFAULT_SPICE_LEVEL
from services.customer.rows import NewPreferences, PreferencesRow


async def get_preferences(app: CustomerApp, caller: Caller, customer_id: UUID) -> PreferencesRow:
    """The preferences. Raises NotFound when there is no such customer."""
    row = await app.db.one(queries.preferences.GET_PREFERENCES, customer_id=customer_id)
    if row is None:
        raise NotFound
    return row


async def update_preferences(app: CustomerApp, caller: Caller, command: UpdatePreferences) -> PreferencesRow:
    """Changes preferences. Raises NotFound when there is no such customer."""
    async with app.db.transaction() as tx:
        if await tx.one(queries.accounts.LOCK_ACCOUNT, id=command.customer_id) is None:
            raise NotFound
        present = await tx.one(queries.preferences.GET_PREFERENCES, customer_id=command.customer_id)
        assert present is not None
        changed = replace(
            NewPreferences(
                customer_id=present.customer_id,
                preferred_spice_level=present.preferred_spice_level or DEFAULT_SPICE_LEVEL,
                dietary_restrictions=present.dietary_restrictions,
                favorite_categories=present.favorite_categories,
                preferred_payment_method=present.preferred_payment_method,
                preferred_delivery_time=present.preferred_delivery_time,
            ),
            **column_values(command.changes),
        )
        await tx.run(queries.preferences.UPSERT_PREFERENCES, **parameters(changed))
        row = await tx.one(queries.preferences.GET_PREFERENCES, customer_id=command.customer_id)
    assert row is not None
    return row
