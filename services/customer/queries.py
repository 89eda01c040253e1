"""Every statement of the service, compiled once.

Whatever changes several rows of an account takes the account's row first (FOR NO KEY UPDATE, or an UPDATE of it), so
that two of them never wait for each other.
"""

from __future__ import annotations

from sqlalchemy import any_, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from chassis.db import sql, statement
from services.customer.model import Address, Customer, Preferences, SigningKey, StaffInvitation

# --------------------------------------------------------------------------------------------------------- accounts

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
_EXISTS = Customer.erased_at.is_(None)
# By the oldest index key or by the newest: either finds the account while the key rotates.
_BY_EMAIL = or_(
    Customer.email_index == bindparam("email_index"), Customer.email_index_next == bindparam("email_index_next")
)

CUSTOMER = statement(select(*_PROFILE).where(Customer.id == bindparam("id"), _EXISTS))
CUSTOMER_FOR_UPDATE = statement(
    select(*_PROFILE).where(Customer.id == bindparam("id"), _EXISTS).with_for_update(key_share=True)
)
LOCK_CUSTOMER = statement(
    select(Customer.id, Customer.email, Customer.email_verified)
    .where(Customer.id == bindparam("id"), _EXISTS)
    .with_for_update(key_share=True)
)
CREDENTIALS_BY_EMAIL = statement(
    select(Customer.id, Customer.password_hash, Customer.is_active).where(_BY_EMAIL, _EXISTS)
)
CREDENTIALS = statement(
    select(Customer.id, Customer.password_hash, Customer.email).where(
        Customer.id == bindparam("id"), Customer.is_active.is_(True), _EXISTS
    )
)
LOCK_BY_EMAIL = statement(
    select(Customer.id, Customer.is_active, Customer.password_hash)
    .where(_BY_EMAIL, _EXISTS)
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
    ).where(Customer.id == any_(bindparam("ids", type_=ARRAY(UUID))), _EXISTS)
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

# ---------------------------------------------------------------------------------------------------------- ordering

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
_WHO = (
    Customer.id,
    Customer.email,
    Customer.phone,
    Customer.first_name,
    Customer.last_name,
    Customer.display_name,
    Customer.is_active,
)
ORDERING_CUSTOMER = statement(select(*_WHO).where(Customer.id == bindparam("customer_id"), _EXISTS))
# Customer and address in one row; no row when the address is another customer's.
ORDERING_CUSTOMER_WITH_ADDRESS = statement(
    select(
        *_WHO,
        Address.address_line1,
        Address.address_line2,
        Address.landmark,
        Address.city,
        Address.state,
        Address.postal_code,
        Address.country,
        Address.latitude,
        Address.longitude,
    )
    .join(Address, Address.customer_id == Customer.id)
    .where(Customer.id == bindparam("customer_id"), Address.id == bindparam("address_id"), _EXISTS)
)

# --------------------------------------------------------------------------------------------------------- addresses

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

# ----------------------------------------------------------------------------------------- preferences and favorites

PREFERENCES = statement(
    select(
        Customer.id.label("customer_id"),
        Preferences.preferred_spice_level,
        Preferences.dietary_restrictions,
        Preferences.favorite_categories,
        Preferences.preferred_payment_method,
        Preferences.preferred_delivery_time,
        Preferences.updated_at,
    )
    .outerjoin(Preferences, Preferences.customer_id == Customer.id)
    .where(Customer.id == bindparam("customer_id"), _EXISTS)
)
PUT_PREFERENCES = sql(
    """
    INSERT INTO customer_preferences (customer_id, preferred_spice_level, dietary_restrictions, favorite_categories,
                                      preferred_payment_method, preferred_delivery_time)
    VALUES (%(customer_id)s, %(preferred_spice_level)s, %(dietary_restrictions)s::text[],
            %(favorite_categories)s::text[], %(preferred_payment_method)s, %(preferred_delivery_time)s)
    ON CONFLICT (customer_id) DO UPDATE SET
        preferred_spice_level = excluded.preferred_spice_level,
        dietary_restrictions = excluded.dietary_restrictions,
        favorite_categories = excluded.favorite_categories,
        preferred_payment_method = excluded.preferred_payment_method,
        preferred_delivery_time = excluded.preferred_delivery_time,
        updated_at = now()
    """
)
FAVORITES = sql(
    """
    SELECT id, product_id, created_at FROM customer_favorites
    WHERE customer_id = %(customer_id)s
      AND (%(after_time)s::timestamptz IS NULL OR (created_at, id) < (%(after_time)s::timestamptz, %(after_id)s::uuid))
    ORDER BY created_at DESC, id DESC LIMIT %(limit)s
    """
)
FAVORITE = sql(
    """
    SELECT product_id, created_at FROM customer_favorites
    WHERE customer_id = %(customer_id)s AND product_id = %(product_id)s
    """
)
COUNT_FAVORITES = sql("SELECT count(*) FROM customer_favorites WHERE customer_id = %(customer_id)s")
INSERT_FAVORITE = sql(
    """
    INSERT INTO customer_favorites (customer_id, product_id) VALUES (%(customer_id)s, %(product_id)s)
    RETURNING product_id, created_at
    """
)
DELETE_FAVORITE = sql(
    "DELETE FROM customer_favorites WHERE customer_id = %(customer_id)s AND product_id = %(product_id)s"
)

# ---------------------------------------------------------------------------------------------------------- sessions

INSERT_SESSION = sql(
    """
    INSERT INTO sessions (id, customer_id, refresh_token, access_token_hash, device_type, device_id, ip_address,
                          user_agent, expires_at)
    VALUES (%(id)s, %(customer_id)s, %(refresh_token)s, %(access_token_hash)s, %(device_type)s, %(device_id)s,
            %(ip_address)s::inet, %(user_agent)s, %(expires_at)s)
    """
)
SESSION_FOR_UPDATE = sql(
    """
    SELECT s.id, s.customer_id, s.refresh_token, s.previous_refresh_token, s.rotation_salt, s.rotated_at, s.expires_at,
           s.is_active AND s.expires_at > now() AND c.is_active AS is_alive
    FROM sessions s JOIN customers c ON c.id = s.customer_id
    WHERE s.id = %(id)s FOR UPDATE OF s
    """
)
ROTATE_SESSION = sql(
    """
    UPDATE sessions SET previous_refresh_token = refresh_token, refresh_token = %(refresh_token)s,
        rotation_salt = %(rotation_salt)s, rotated_at = now(), access_token_hash = %(access_token_hash)s,
        expires_at = %(expires_at)s, last_accessed_at = now(),
        ip_address = coalesce(%(ip_address)s::inet, ip_address), user_agent = coalesce(%(user_agent)s, user_agent)
    WHERE id = %(id)s
    """
)
SESSIONS = sql(
    """
    SELECT id, device_type, device_id, host(ip_address) AS ip_address, user_agent, created_at, last_accessed_at,
           expires_at
    FROM sessions
    WHERE customer_id = %(customer_id)s AND is_active AND expires_at > now()
      AND (%(after_time)s::timestamptz IS NULL OR (created_at, id) < (%(after_time)s::timestamptz, %(after_id)s::uuid))
    ORDER BY created_at DESC, id DESC LIMIT %(limit)s
    """
)
END_SESSION = sql(
    """
    UPDATE sessions SET is_active = false, ended_at = now(), end_reason = %(reason)s
    WHERE id = %(id)s AND customer_id = %(customer_id)s AND is_active AND expires_at > now() RETURNING id
    """
)
END_SESSIONS = sql(
    """
    UPDATE sessions SET is_active = false, ended_at = now(), end_reason = %(reason)s
    WHERE customer_id = %(customer_id)s AND is_active AND id IS DISTINCT FROM %(keep)s::uuid RETURNING id
    """
)
END_OLDEST_SESSIONS = sql(
    """
    UPDATE sessions SET is_active = false, ended_at = now(), end_reason = %(reason)s
    WHERE id IN (SELECT id FROM sessions WHERE customer_id = %(customer_id)s AND is_active
                 ORDER BY last_accessed_at DESC, id DESC OFFSET %(keep)s)
    RETURNING id
    """
)
REVOKED_SESSIONS = sql(
    """
    SELECT id FROM sessions WHERE ended_at > now() - %(window)s::interval ORDER BY ended_at DESC LIMIT %(limit)s
    """
)
FORGET_CLIENTS = sql(
    """
    UPDATE sessions SET ip_address = NULL, user_agent = NULL
    WHERE last_accessed_at < now() - interval '90 days' AND (ip_address IS NOT NULL OR user_agent IS NOT NULL)
    """
)
FORGET_SESSIONS = sql(
    """
    DELETE FROM sessions
    WHERE expires_at < now() - interval '90 days' OR ended_at < now() - interval '90 days'
    """
)

# ------------------------------------------------------------------------------------------------------------- roles

ROLES = sql(
    """
    WITH active AS (
        SELECT g.staff_id, g.store_id, upper(g.job) AS job
        FROM staff_grants g JOIN staff_invitations i USING (customer_id, store_id)
        WHERE g.customer_id = %(customer_id)s AND NOT g.is_revoked AND i.accepted_at IS NOT NULL
    )
    SELECT EXISTS (SELECT 1 FROM administrators WHERE customer_id = %(customer_id)s) AS is_admin,
           ARRAY(SELECT store_id FROM active ORDER BY staff_id) AS stores,
           ARRAY(SELECT job FROM active ORDER BY staff_id) AS jobs
    """
)
MAKE_ADMINISTRATOR = sql("INSERT INTO administrators (customer_id) VALUES (%(customer_id)s) ON CONFLICT DO NOTHING")
INVITATION = statement(
    select(StaffInvitation.accepted_at).where(
        StaffInvitation.customer_id == bindparam("customer_id"), StaffInvitation.store_id == bindparam("store_id")
    )
)
PUT_INVITATION = sql(
    """
    INSERT INTO staff_invitations (customer_id, store_id, job) VALUES (%(customer_id)s, %(store_id)s, %(job)s)
    ON CONFLICT (customer_id, store_id) DO UPDATE SET job = excluded.job, invited_at = now()
    """
)
ACCEPT_INVITATION = sql(
    """
    UPDATE staff_invitations SET accepted_at = now()
    WHERE customer_id = %(customer_id)s AND store_id = %(store_id)s AND accepted_at IS NULL
    """
)
GRANT_FOR_UPDATE = sql(
    """
    SELECT g.customer_id, g.store_id, g.job,
           NOT g.is_revoked AND EXISTS (SELECT 1 FROM staff_invitations i WHERE i.customer_id = g.customer_id
                                        AND i.store_id = g.store_id AND i.accepted_at IS NOT NULL) AS is_active
    FROM staff_grants g WHERE g.staff_id = %(staff_id)s FOR UPDATE OF g
    """
)
# A lower version is stale; an equal one was applied before.
PUT_GRANT = sql(
    """
    INSERT INTO staff_grants (staff_id, version, customer_id, store_id, job, is_revoked)
    SELECT %(staff_id)s::uuid, %(version)s::int, c.id, %(store_id)s::uuid, %(job)s::text, %(is_revoked)s::boolean
    FROM customers c WHERE c.id = %(customer_id)s AND c.erased_at IS NULL
    ON CONFLICT (staff_id) DO UPDATE SET version = excluded.version, customer_id = excluded.customer_id,
        store_id = excluded.store_id, job = excluded.job, is_revoked = excluded.is_revoked, updated_at = now()
    WHERE staff_grants.version < excluded.version
    """
)

# ------------------------------------------------------------------------------------------------------------- codes

DROP_CODE = sql(
    """
    DELETE FROM codes
    WHERE customer_id = %(customer_id)s AND kind = %(kind)s AND store_id IS NOT DISTINCT FROM %(store_id)s::uuid
    """
)
INSERT_CODE = sql(
    """
    INSERT INTO codes (customer_id, kind, store_id, code_hash, expires_at)
    VALUES (%(customer_id)s, %(kind)s, %(store_id)s, %(code_hash)s, %(expires_at)s) RETURNING id
    """
)
CODE_IS_RECENT = sql(
    """
    SELECT EXISTS (SELECT 1 FROM codes WHERE customer_id = %(customer_id)s AND kind = %(kind)s
                   AND store_id IS NOT DISTINCT FROM %(store_id)s::uuid AND attempts = 0
                   AND created_at > now() - interval '1 minute')
    """
)
# Each try is counted before the code is looked at, so that tries in parallel are counted too.
TRY_CODES_BY_EMAIL = sql(
    """
    UPDATE codes k SET attempts = k.attempts + 1 FROM customers c
    WHERE (c.email_index = %(email_index)s OR c.email_index_next = %(email_index_next)s) AND c.is_active
      AND c.erased_at IS NULL AND k.customer_id = c.id
      AND k.kind = ANY(%(kinds)s::text[]) AND k.attempts < %(tries)s AND k.expires_at > now()
    RETURNING k.id, k.customer_id, k.kind, k.store_id, k.code_hash
    """
)
TRY_CODES = sql(
    """
    UPDATE codes k SET attempts = k.attempts + 1
    WHERE k.customer_id = %(customer_id)s AND k.kind = ANY(%(kinds)s::text[]) AND k.attempts < %(tries)s
      AND k.expires_at > now()
    RETURNING k.id, k.customer_id, k.kind, k.store_id, k.code_hash
    """
)
USE_CODE = sql("DELETE FROM codes WHERE id = %(id)s AND expires_at > now()")
FORGET_CODES = sql("DELETE FROM codes WHERE expires_at <= now()")

INSERT_DELIVERY = sql("INSERT INTO code_deliveries (code_id, code) VALUES (%(code_id)s, %(code)s)")
# Claimed for as long as the next try waits: 2 seconds, doubling up to 32.
CLAIM_DELIVERIES = sql(
    """
    UPDATE code_deliveries d
    SET attempts = d.attempts + 1, next_attempt_at = now() + interval '2 seconds' * (1 << least(d.attempts, 4))
    FROM codes k JOIN customers c ON c.id = k.customer_id
    WHERE k.id = d.code_id AND k.expires_at > now()
      AND d.code_id IN (SELECT code_id FROM code_deliveries WHERE next_attempt_at <= now()
                        ORDER BY next_attempt_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    RETURNING d.code_id, d.code, d.attempts, k.kind, k.customer_id, k.expires_at, c.email, c.first_name, c.last_name,
              c.display_name, c.locale
    """
)
DELIVERED = sql("DELETE FROM code_deliveries WHERE code_id = %(code_id)s")

# --------------------------------------------------------------------------------------------------------- throttles

COUNT_ATTEMPTS = sql(
    """
    INSERT INTO throttles AS t (key, attempts, window_ends_at)
    SELECT key, 1, now() + seconds * interval '1 second'
    FROM unnest(%(keys)s::bytea[], %(seconds)s::int[]) AS counted (key, seconds) ORDER BY key
    ON CONFLICT (key) DO UPDATE SET
        attempts = CASE WHEN t.window_ends_at <= now() THEN 1 ELSE t.attempts + 1 END,
        window_ends_at = CASE WHEN t.window_ends_at <= now() THEN excluded.window_ends_at ELSE t.window_ends_at END
    RETURNING key, attempts, extract(epoch FROM window_ends_at - now())::float AS seconds_left
    """
)
FORGIVE_ATTEMPT = sql("UPDATE throttles SET attempts = greatest(attempts - 1, 0) WHERE key = %(key)s")
FORGET_ATTEMPTS = sql("DELETE FROM throttles WHERE key = %(key)s")
FORGET_THROTTLES = sql("DELETE FROM throttles WHERE window_ends_at < now() - interval '1 hour'")

# ------------------------------------------------------------------------------------------------------ signing keys

LOCK_KEYS = sql("SELECT pg_advisory_xact_lock(hashtext('signing_keys'))")
NEWEST_KEY = statement(select(SigningKey.signs_from).order_by(SigningKey.signs_from.desc()).limit(1))
KEYS = sql(
    """
    SELECT kid, private_key, public_key, signs_from FROM signing_keys
    WHERE verifies_until IS NULL OR verifies_until > now() ORDER BY signs_from
    """
)
INSERT_KEY = sql(
    """
    INSERT INTO signing_keys (kid, private_key, public_key, signs_from)
    VALUES (%(kid)s, %(private_key)s, %(public_key)s, %(signs_from)s)
    """
)
RETIRE_KEYS = sql("UPDATE signing_keys SET verifies_until = %(verifies_until)s WHERE verifies_until IS NULL")
FORGET_KEYS = sql("DELETE FROM signing_keys WHERE verifies_until < now()")
