"""Codes that prove a mailbox, and their way to notification."""

from __future__ import annotations

from chassis.database import sql

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
