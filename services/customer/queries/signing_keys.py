"""Keys that sign access tokens."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from chassis.database import sql, statement
from chassis.database.rows import column_names, placeholders
from services.customer.model.tables import SigningKey
from services.customer.rows import NewSigningKey, SigningKeyRow

LOCK_KEYS = sql("SELECT pg_advisory_xact_lock(hashtext('signing_keys'))", value=object)
GET_NEWEST_SIGNS_FROM = statement(
    select(SigningKey.signs_from).order_by(SigningKey.signs_from.desc()).limit(1), value=datetime
)
LIST_KEYS = sql(
    f"""
    SELECT {column_names(SigningKeyRow)} FROM signing_keys
    WHERE verifies_until IS NULL OR verifies_until > now() ORDER BY signs_from
    """,  # noqa: S608 - column names of the row type
    row=SigningKeyRow,
)
INSERT_KEY = sql(
    f"INSERT INTO signing_keys ({column_names(NewSigningKey)}) VALUES ({placeholders(NewSigningKey)})"  # noqa: S608 - column names of the row type
)
RETIRE_KEYS = sql("UPDATE signing_keys SET verifies_until = %(verifies_until)s WHERE verifies_until IS NULL")
PURGE_KEYS = sql("DELETE FROM signing_keys WHERE verifies_until < now()")
