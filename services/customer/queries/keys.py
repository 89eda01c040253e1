"""Keys that sign access tokens."""

from __future__ import annotations

from sqlalchemy import select

from chassis.database import sql, statement
from services.customer.model import SigningKey

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
