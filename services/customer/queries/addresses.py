"""Addresses of an account."""

from __future__ import annotations

from sqlalchemy import bindparam, func, select

from chassis.database import sql, statement
from services.customer.model import Address

PLACE = (
    "address_line1",
    "address_line2",
    "landmark",
    "city",
    "state",
    "postal_code",
    "country",
    "latitude",
    "longitude",
)
_ADDRESS = f"id, customer_id, version, type, label, {', '.join(PLACE)}, is_default, created_at, updated_at"
_VALUES = ("customer_id", "type", "label", *PLACE, "is_default")
ADDRESS_FOR_UPDATE = sql(
    f"""
    SELECT {_ADDRESS} FROM customer_addresses
    WHERE id = %(address_id)s AND customer_id = %(customer_id)s FOR UPDATE
    """  # noqa: S608 - column names, written above
)
ADDRESSES = sql(
    f"""
    SELECT {_ADDRESS} FROM customer_addresses
    WHERE customer_id = %(customer_id)s
      AND (%(after_time)s::timestamptz IS NULL OR (created_at, id) < (%(after_time)s::timestamptz, %(after_id)s::uuid))
    ORDER BY created_at DESC, id DESC LIMIT %(limit)s
    """  # noqa: S608 - column names, written above
)
COUNT_ADDRESSES = statement(
    select(func.count()).select_from(Address).where(Address.customer_id == bindparam("customer_id"))
)
CLEAR_DEFAULT = sql(
    """
    UPDATE customer_addresses SET is_default = false, version = version + 1, updated_at = now()
    WHERE customer_id = %(customer_id)s AND is_default
    """
)
INSERT_ADDRESS = sql(
    f"""
    INSERT INTO customer_addresses ({", ".join(_VALUES)})
    VALUES ({", ".join(f"%({name})s" for name in _VALUES)})
    RETURNING {_ADDRESS}
    """  # noqa: S608 - column names, written above
)
UPDATE_ADDRESS = sql(
    f"""
    UPDATE customer_addresses SET type = %(type)s, label = %(label)s,
        {", ".join(f"{name} = %({name})s" for name in PLACE)},
        is_default = %(is_default)s, version = version + 1, updated_at = now()
    WHERE id = %(id)s
    RETURNING {_ADDRESS}
    """  # noqa: S608 - column names, written above
)
DELETE_ADDRESS = sql("DELETE FROM customer_addresses WHERE id = %(address_id)s AND customer_id = %(customer_id)s")
