"""Preferences of an account."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from chassis.database import sql, statement
from chassis.database.rows import column_names, field_names, table_columns
from chassis.database.tables import table_of
from services.customer.model.tables import Customer, Preferences
from services.customer.rows import NewPreferences, PreferencesRow

_CHANGEABLE = [name for name in field_names(NewPreferences) if name != "customer_id"]

GET_PREFERENCES = statement(
    select(*table_columns(PreferencesRow, table_of(Preferences), customer_id=Customer.id))
    .select_from(Customer)
    .outerjoin(Preferences, Preferences.customer_id == Customer.id)
    .where(Customer.id == bindparam("customer_id"), Customer.erased_at.is_(None)),
    row=PreferencesRow,
)
UPSERT_PREFERENCES = sql(
    f"""
    INSERT INTO customer_preferences ({column_names(NewPreferences)})
    VALUES (%(customer_id)s, %(preferred_spice_level)s, %(dietary_restrictions)s::text[],
            %(favorite_categories)s::text[], %(preferred_payment_method)s, %(preferred_delivery_time)s)
    ON CONFLICT (customer_id) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in _CHANGEABLE)}, updated_at = now()
    """  # noqa: S608 - column names of the row type
)
