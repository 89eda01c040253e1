"""Accounts: profiles, credentials, and copies of other services' data."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Uuid as SqlUuid
from sqlalchemy import any_, bindparam, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.database import sql, statement
from chassis.database.rows import column_names, field_names, placeholders, table_columns
from chassis.database.tables import table_of
from services.customer.model.tables import Customer
from services.customer.rows import (
    AccountRow,
    ContactRow,
    CredentialsRow,
    CustomerRow,
    NewCustomer,
    OwnCredentialsRow,
    ProfileColumns,
)

_CUSTOMER = table_of(Customer)
_IS_ACCOUNT = Customer.erased_at.is_(None)
_BY_EMAIL = or_(
    Customer.email_index == bindparam("email_index"), Customer.email_index_next == bindparam("email_index_next")
)
_GET_CUSTOMER = select(*table_columns(CustomerRow, _CUSTOMER)).where(Customer.id == bindparam("id"), _IS_ACCOUNT)
_GET_CREDENTIALS = select(*table_columns(CredentialsRow, _CUSTOMER)).where(_BY_EMAIL, _IS_ACCOUNT)

GET_CUSTOMER = statement(_GET_CUSTOMER, row=CustomerRow)
LOCK_CUSTOMER = statement(_GET_CUSTOMER.with_for_update(key_share=True), row=CustomerRow)
LOCK_ACCOUNT = statement(
    select(*table_columns(AccountRow, _CUSTOMER))
    .where(Customer.id == bindparam("id"), _IS_ACCOUNT)
    .with_for_update(key_share=True),
    row=AccountRow,
)
GET_CREDENTIALS_BY_EMAIL = statement(_GET_CREDENTIALS, row=CredentialsRow)
LOCK_CREDENTIALS_BY_EMAIL = statement(_GET_CREDENTIALS.with_for_update(key_share=True), row=CredentialsRow)
GET_OWN_CREDENTIALS = statement(
    select(*table_columns(OwnCredentialsRow, _CUSTOMER)).where(
        Customer.id == bindparam("id"), Customer.is_active.is_(True), _IS_ACCOUNT
    ),
    row=OwnCredentialsRow,
)
LIST_CONTACTS = statement(
    select(*table_columns(ContactRow, _CUSTOMER)).where(
        Customer.id == any_(bindparam("ids", type_=ARRAY(SqlUuid))), _IS_ACCOUNT
    ),
    row=ContactRow,
)
# Returns no row when an account has the email or the phone.
INSERT_CUSTOMER = sql(
    f"""
    INSERT INTO customers ({column_names(NewCustomer)}) VALUES ({placeholders(NewCustomer)})
    ON CONFLICT DO NOTHING RETURNING id
    """,  # noqa: S608 - column names of the row type
    value=UUID,
)
UPDATE_PROFILE = sql(
    f"""
    UPDATE customers SET {", ".join(f"{name} = %({name})s" for name in field_names(ProfileColumns))},
        version = version + 1, updated_at = now()
    WHERE id = %(id)s
    """  # noqa: S608 - column names of the row type
)
IS_PHONE_TAKEN = sql(
    """
    SELECT EXISTS (SELECT 1 FROM customers
                   WHERE phone_index = %(phone_index)s OR phone_index_next = %(phone_index_next)s)
    """,
    value=bool,
)
# Locks the row, so that a login that has just verified the password fails.
SET_ACTIVE = sql(
    """
    UPDATE customers SET is_active = %(is_active)s, version = version + 1, updated_at = now()
    WHERE id = %(id)s AND erased_at IS NULL AND is_active <> %(is_active)s
    """
)
SET_PASSWORD = sql(
    """
    UPDATE customers SET password_hash = %(password_hash)s, updated_at = now()
    WHERE id = %(id)s AND is_active AND erased_at IS NULL
    """
)
REPLACE_PASSWORD = sql(
    """
    UPDATE customers SET password_hash = %(password_hash)s, updated_at = now()
    WHERE id = %(id)s AND password_hash = %(current_hash)s AND is_active AND erased_at IS NULL
    """
)
RECORD_LOGIN = sql(
    """
    UPDATE customers SET last_login = now()
    WHERE id = %(id)s AND password_hash = %(password_hash)s AND is_active AND erased_at IS NULL
    """
)
SET_EMAIL_VERIFIED = sql(
    """
    UPDATE customers SET email_verified = true, is_verified = true, version = version + 1, updated_at = now()
    WHERE id = %(id)s AND NOT email_verified AND is_active AND erased_at IS NULL
    """
)
ERASE_CUSTOMER = sql(
    """
    UPDATE customers SET email = %(email)s, email_index = %(email_index)s, email_index_next = %(email_index_next)s,
        password_hash = NULL, phone = NULL, phone_index = NULL, phone_index_next = NULL, first_name = NULL,
        last_name = NULL, display_name = NULL, date_of_birth = NULL,
        gender = NULL, google_id = NULL, facebook_id = NULL, is_active = false, is_verified = false,
        email_verified = false, phone_verified = false, version = version + 1, updated_at = now(), erased_at = now()
    WHERE id = %(id)s AND erased_at IS NULL RETURNING erased_at
    """,
    value=datetime,
)
ERASE_RELATED_ROWS = (
    sql("DELETE FROM customer_addresses WHERE customer_id = %(customer_id)s"),
    sql("DELETE FROM customer_preferences WHERE customer_id = %(customer_id)s"),
    sql("DELETE FROM customer_favorites WHERE customer_id = %(customer_id)s"),
    sql("DELETE FROM codes WHERE customer_id = %(customer_id)s"),
    sql("DELETE FROM administrators WHERE customer_id = %(customer_id)s"),
    sql("DELETE FROM staff_invitations WHERE customer_id = %(customer_id)s"),
    sql("DELETE FROM staff_grants WHERE customer_id = %(customer_id)s"),
    sql(
        """
        UPDATE sessions SET ip_address = NULL, user_agent = NULL, device_id = NULL, device_type = NULL
        WHERE customer_id = %(customer_id)s
        """
    ),
)
UPDATE_POINTS = sql(
    """
    UPDATE customers SET loyalty_points = %(balance)s, loyalty_points_version = %(version)s
    WHERE id = %(id)s AND loyalty_points_version < %(version)s
    """
)
UPDATE_TIER = sql(
    """
    UPDATE customers SET loyalty_tier = %(tier)s, loyalty_tier_version = %(version)s
    WHERE id = %(id)s AND loyalty_tier_version < %(version)s
    """
)
COUNT_ORDER = sql(
    """
    UPDATE customers SET total_orders = total_orders + 1,
        total_spent = least(total_spent + %(total)s::numeric, 99999999.99)
    WHERE id = %(id)s
    """
)
