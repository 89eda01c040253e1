"""Accounts: who they are, how they log in, and the copies that others feed."""

from __future__ import annotations

from sqlalchemy import any_, bindparam, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from chassis.database import sql, statement
from services.customer.model import Customer

_PROFILE = (
    Customer.id,
    Customer.version,
    Customer.email,
    Customer.phone,
    Customer.phone_index,
    Customer.phone_index_next,
    Customer.first_name,
    Customer.last_name,
    Customer.display_name,
    Customer.date_of_birth,
    Customer.gender,
    Customer.locale,
    Customer.email_verified,
    Customer.phone_verified,
    Customer.is_active,
    Customer.loyalty_points,
    Customer.loyalty_tier,
    Customer.total_orders,
    Customer.total_spent,
    Customer.last_login,
    Customer.created_at,
    Customer.updated_at,
)
EXISTS = Customer.erased_at.is_(None)
# By the oldest index key or by the newest: either finds the account while the key rotates.
_BY_EMAIL = or_(
    Customer.email_index == bindparam("email_index"), Customer.email_index_next == bindparam("email_index_next")
)

CUSTOMER = statement(select(*_PROFILE).where(Customer.id == bindparam("id"), EXISTS))
CUSTOMER_FOR_UPDATE = statement(
    select(*_PROFILE).where(Customer.id == bindparam("id"), EXISTS).with_for_update(key_share=True)
)
LOCK_CUSTOMER = statement(
    select(Customer.id, Customer.email, Customer.email_verified)
    .where(Customer.id == bindparam("id"), EXISTS)
    .with_for_update(key_share=True)
)
CREDENTIALS_BY_EMAIL = statement(
    select(Customer.id, Customer.password_hash, Customer.is_active).where(_BY_EMAIL, EXISTS)
)
CREDENTIALS = statement(
    select(Customer.id, Customer.password_hash, Customer.email).where(
        Customer.id == bindparam("id"), Customer.is_active.is_(True), EXISTS
    )
)
LOCK_BY_EMAIL = statement(
    select(Customer.id, Customer.is_active, Customer.password_hash)
    .where(_BY_EMAIL, EXISTS)
    .with_for_update(key_share=True)
)
CONTACTS = statement(
    select(
        Customer.id,
        Customer.email,
        Customer.phone,
        Customer.first_name,
        Customer.last_name,
        Customer.display_name,
        Customer.locale,
    ).where(Customer.id == any_(bindparam("ids", type_=ARRAY(UUID))), EXISTS)
)
# No row when the email or the phone has an account.
INSERT_CUSTOMER = sql(
    """
    INSERT INTO customers (email, email_index, email_index_next, password_hash, phone, phone_index, phone_index_next,
                           first_name, last_name, display_name, locale)
    VALUES (%(email)s, %(email_index)s, %(email_index_next)s, %(password_hash)s, %(phone)s, %(phone_index)s,
            %(phone_index_next)s, %(first_name)s, %(last_name)s, %(display_name)s, %(locale)s)
    ON CONFLICT DO NOTHING RETURNING id, created_at
    """
)
# No row when another account has the phone.
UPDATE_PROFILE = sql(
    """
    UPDATE customers SET first_name = %(first_name)s, last_name = %(last_name)s, display_name = %(display_name)s,
        phone = %(phone)s, phone_index = %(phone_index)s, phone_index_next = %(phone_index_next)s,
        phone_verified = %(phone_verified)s, date_of_birth = %(date_of_birth)s, gender = %(gender)s,
        locale = %(locale)s, version = version + 1, updated_at = now()
    WHERE id = %(id)s
    """
)
PHONE_IS_TAKEN = sql(
    """
    SELECT EXISTS (SELECT 1 FROM customers
                   WHERE phone_index = %(phone_index)s OR phone_index_next = %(phone_index_next)s)
    """
)
# The lock decides against a log-in that verified the password a moment ago.
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
    WHERE id = %(id)s AND password_hash = %(old_hash)s AND is_active AND erased_at IS NULL
    """
)
LOG_IN = sql(
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
    """
)
ERASE_WHAT_BELONGS_TO_IT = (
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
COPY_POINTS = sql(
    """
    UPDATE customers SET loyalty_points = %(balance)s, loyalty_points_version = %(version)s
    WHERE id = %(id)s AND loyalty_points_version < %(version)s
    """
)
COPY_TIER = sql(
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
