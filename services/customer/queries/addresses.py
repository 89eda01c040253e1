"""Addresses of an account."""

from __future__ import annotations

from sqlalchemy import bindparam, func, select

from chassis.database import sql, statement
from chassis.database.rows import column_names, field_names, placeholders
from services.customer.model.tables import Address
from services.customer.rows import AddressRow, NewAddress

_CHANGEABLE = [name for name in field_names(NewAddress) if name != "customer_id"]

LOCK_ADDRESS = sql(
    f"""
    SELECT {column_names(AddressRow)} FROM customer_addresses
    WHERE id = %(address_id)s AND customer_id = %(customer_id)s FOR UPDATE
    """,  # noqa: S608 - column names of the row type
    row=AddressRow,
)
LIST_ADDRESSES = sql(
    f"""
    SELECT {column_names(AddressRow)} FROM customer_addresses
    WHERE customer_id = %(customer_id)s
      AND (%(after_time)s::timestamptz IS NULL OR (created_at, id) < (%(after_time)s::timestamptz, %(after_id)s::uuid))
    ORDER BY created_at DESC, id DESC LIMIT %(limit)s
    """,  # noqa: S608 - column names of the row type
    row=AddressRow,
)
COUNT_ADDRESSES = statement(
    select(func.count()).select_from(Address).where(Address.customer_id == bindparam("customer_id")), value=int
)
CLEAR_DEFAULT = sql(
    """
    UPDATE customer_addresses SET is_default = false, version = version + 1, updated_at = now()
    WHERE customer_id = %(customer_id)s AND is_default
    """
)
INSERT_ADDRESS = sql(
    f"""
    INSERT INTO customer_addresses ({column_names(NewAddress)}) VALUES ({placeholders(NewAddress)})
    RETURNING {column_names(AddressRow)}
    """,  # noqa: S608 - column names of the row types
    row=AddressRow,
)
UPDATE_ADDRESS = sql(
    f"""
    UPDATE customer_addresses SET {", ".join(f"{name} = %({name})s" for name in _CHANGEABLE)},
        version = version + 1, updated_at = now()
    WHERE id = %(address_id)s
    RETURNING {column_names(AddressRow)}
    """,  # noqa: S608 - column names of the row types
    row=AddressRow,
)
DELETE_ADDRESS = sql("DELETE FROM customer_addresses WHERE id = %(address_id)s AND customer_id = %(customer_id)s")
