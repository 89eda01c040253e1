"""Addresses of an account."""

from __future__ import annotations

from sqlalchemy import bindparam, func, select

from chassis.db import sql, statement
from services.customer.model import Address

_ADDRESS = (
    Address.id,
    Address.customer_id,
    Address.version,
    Address.type,
    Address.label,
    Address.address_line1,
    Address.address_line2,
    Address.landmark,
    Address.city,
    Address.state,
    Address.postal_code,
    Address.country,
    Address.latitude,
    Address.longitude,
    Address.is_default,
    Address.created_at,
    Address.updated_at,
)
ADDRESS_FOR_UPDATE = statement(
    select(*_ADDRESS)
    .where(Address.id == bindparam("address_id"), Address.customer_id == bindparam("customer_id"))
    .with_for_update()
)
ADDRESSES = sql(
    """
    SELECT id, customer_id, version, type, label, address_line1, address_line2, landmark, city, state, postal_code,
           country, latitude, longitude, is_default, created_at, updated_at
    FROM customer_addresses
    WHERE customer_id = %(customer_id)s
      AND (%(after_time)s::timestamptz IS NULL OR (created_at, id) < (%(after_time)s::timestamptz, %(after_id)s::uuid))
    ORDER BY created_at DESC, id DESC LIMIT %(limit)s
    """
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
    """
    INSERT INTO customer_addresses (customer_id, type, label, address_line1, address_line2, landmark, city, state,
                                    postal_code, country, latitude, longitude, is_default)
    VALUES (%(customer_id)s, %(type)s, %(label)s, %(address_line1)s, %(address_line2)s, %(landmark)s, %(city)s,
            %(state)s, %(postal_code)s, %(country)s, %(latitude)s, %(longitude)s, %(is_default)s)
    RETURNING id, customer_id, version, type, label, address_line1, address_line2, landmark, city, state,
              postal_code, country, latitude, longitude, is_default, created_at, updated_at
    """
)
UPDATE_ADDRESS = sql(
    """
    UPDATE customer_addresses SET type = %(type)s, label = %(label)s, address_line1 = %(address_line1)s,
        address_line2 = %(address_line2)s, landmark = %(landmark)s, city = %(city)s, state = %(state)s,
        postal_code = %(postal_code)s, country = %(country)s, latitude = %(latitude)s, longitude = %(longitude)s,
        is_default = %(is_default)s, version = version + 1, updated_at = now()
    WHERE id = %(id)s
    RETURNING id, customer_id, version, type, label, address_line1, address_line2, landmark, city, state,
              postal_code, country, latitude, longitude, is_default, created_at, updated_at
    """
)
DELETE_ADDRESS = sql("DELETE FROM customer_addresses WHERE id = %(address_id)s AND customer_id = %(customer_id)s")
