"""Codes sent by email, and their delivery to the notification service."""

from __future__ import annotations

from uuid import UUID

from chassis.database import sql
from chassis.database.rows import column_names, placeholders
from services.customer.rows import CodeDeliveryRow, CodeRow, NewCode

DELETE_CODE_OF_KIND = sql(
    """
    DELETE FROM codes
    WHERE customer_id = %(customer_id)s AND kind = %(kind)s AND store_id IS NOT DISTINCT FROM %(store_id)s::uuid
    """
)
INSERT_CODE = sql(
    f"INSERT INTO codes ({column_names(NewCode)}) VALUES ({placeholders(NewCode)}) RETURNING id",  # noqa: S608 - column names of the row type
    value=UUID,
)
HAS_RECENT_CODE = sql(
    """
    SELECT EXISTS (SELECT 1 FROM codes WHERE customer_id = %(customer_id)s AND kind = %(kind)s
                   AND store_id IS NOT DISTINCT FROM %(store_id)s::uuid AND attempts = 0
                   AND created_at > now() - interval '1 minute')
    """,
    value=bool,
)
# Each attempt is counted before the codes are compared, so that concurrent attempts are counted too.
COUNT_ATTEMPT_BY_EMAIL = sql(
    f"""
    UPDATE codes k SET attempts = k.attempts + 1 FROM customers c
    WHERE (c.email_index = %(email_index)s OR c.email_index_next = %(email_index_next)s) AND c.is_active
      AND c.erased_at IS NULL AND k.customer_id = c.id
      AND k.kind = ANY(%(kinds)s::text[]) AND k.attempts < %(max_attempts)s AND k.expires_at > now()
    RETURNING {column_names(CodeRow, "k")}
    """,  # noqa: S608 - column names of the row type
    row=CodeRow,
)
COUNT_ATTEMPT = sql(
    f"""
    UPDATE codes k SET attempts = k.attempts + 1
    WHERE k.customer_id = %(customer_id)s AND k.kind = ANY(%(kinds)s::text[]) AND k.attempts < %(max_attempts)s
      AND k.expires_at > now()
    RETURNING {column_names(CodeRow, "k")}
    """,  # noqa: S608 - column names of the row type
    row=CodeRow,
)
REDEEM_CODE = sql("DELETE FROM codes WHERE id = %(id)s AND expires_at > now()")
PURGE_CODES = sql("DELETE FROM codes WHERE expires_at <= now()")

INSERT_DELIVERY = sql("INSERT INTO code_deliveries (code_id, code) VALUES (%(code_id)s, %(code)s)")
# Claimed until the next attempt is due: after 2 seconds, doubling up to 32.
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
    """,
    row=CodeDeliveryRow,
)
DELETE_DELIVERY = sql("DELETE FROM code_deliveries WHERE code_id = %(code_id)s")
