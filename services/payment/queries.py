"""Every statement of payment. `%(name)s` are parameters.

Writes that decide about money run under the payment's row lock (`LOCK_*`), taken before any other row of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import ARRAY, Boolean, ColumnElement, Uuid, and_, any_, bindparam, delete, or_, select
from sqlalchemy.dialects.postgresql import insert

from chassis.database import sql, statement
from services.payment.model import (
    COMPLETED,
    FAILED,
    OPEN,
    PROCESSING,
    Attempt,
    Payment,
    Refund,
    SavedMethod,
    refunds_before,
)

_PAYMENT = Payment.__table__.c
_ATTEMPT = Attempt.__table__.c
_REFUND = Refund.__table__.c
_SAVED = SavedMethod.__table__.c

SAVED_METHODS_SHOWN: Final = 50


def _visible() -> ColumnElement[bool]:
    """What is the caller's: everything, its own, or that of its stores."""
    return or_(
        bindparam("everything", type_=Boolean),
        Payment.customer_id == bindparam("owner"),
        Payment.store_id == any_(bindparam("tenants", type_=ARRAY(Uuid))),
    )


def _status_in(states: Iterable[str]) -> str:
    """The guard of a step: the states that the model lets it start from."""
    return "status IN ({})".format(", ".join(f"'{state}'" for state in sorted(states)))


# Payments

PAYMENT = statement(select(*_PAYMENT).where(Payment.id == bindparam("id"), _visible()))
PAYMENT_OF_ORDER = statement(select(*_PAYMENT).where(Payment.order_id == bindparam("order_id"), _visible()))
PAYMENT_BY_ID = statement(select(*_PAYMENT).where(Payment.id == bindparam("id")))
PAYMENT_BY_ORDER = statement(select(*_PAYMENT).where(Payment.order_id == bindparam("order_id")))

LOCK_PAYMENT = statement(select(*_PAYMENT).where(Payment.id == bindparam("id")).with_for_update())
LOCK_VISIBLE = statement(select(*_PAYMENT).where(Payment.id == bindparam("id"), _visible()).with_for_update())
LOCK_BY_ORDER = statement(select(*_PAYMENT).where(Payment.order_id == bindparam("order_id")).with_for_update())
LOCK_BY_PROVIDER_ORDER = statement(
    select(*_PAYMENT)
    .where(Payment.provider == bindparam("provider"), Payment.provider_order_id == bindparam("provider_order_id"))
    .with_for_update()
)

# Two things that may come in either order, a payment and the end of its order, meet under this lock. Both come in
# batches: whoever takes several takes all of them here, in one order, so that no two wait for each other.
LOCK_ORDERS = sql(
    """
    SELECT pg_advisory_xact_lock(hashtextextended(order_id::text, 0))
    FROM unnest(%(order_ids)s::uuid[]) AS o(order_id) ORDER BY order_id
    """
)

# With what is known of the end of the order; no row when the payment or another one of the order is there already.
# What the holders of LOCK_ORDERS before have committed is seen because the lock is a statement of its own.
INSERT_PAYMENTS = sql(
    f"""
    INSERT INTO payments (id, payment_id, order_id, customer_id, store_id, order_number, payment_method, provider,
                          amount, currency, status, expires_at, order_check_at)
    SELECT id, id::text, order_id, customer_id, store_id, order_number, payment_method, provider, amount, currency,
           'pending', expires_at, order_check_at
    FROM json_to_recordset(%(payments)s::json) AS given(
        id uuid, order_id uuid, customer_id uuid, store_id uuid, order_number text, payment_method text, provider text,
        amount numeric, currency text, expires_at timestamptz, order_check_at timestamptz)
    ON CONFLICT DO NOTHING
    RETURNING {", ".join(column.name for column in _PAYMENT)},
        (SELECT outcome FROM order_outcomes AS ended WHERE ended.order_id = payments.order_id) AS outcome,
        (SELECT actor FROM order_outcomes AS ended WHERE ended.order_id = payments.order_id) AS actor
    """  # noqa: S608 - a constant
)

SET_PROVIDER_ORDER = sql(
    f"""
    UPDATE payments SET provider_order_id = %(provider_order_id)s, updated_at = now(),
        check_at = now() + %(check_after)s::interval
    WHERE id = %(id)s AND provider_order_id IS NULL AND {_status_in(OPEN)}
    """  # noqa: S608 - a constant
)
SET_PROCESSING = sql(
    """
    UPDATE payments SET status = 'processing', payment_method = coalesce(%(method)s::text, payment_method),
        version = version + 1, updated_at = now()
    WHERE id = %(id)s AND status = %(before)s RETURNING version
    """
)
SET_FAILED = sql(
    """
    UPDATE payments SET status = 'failed', failed_at = now(), failure_reason = %(reason)s,
        gateway_response = %(details)s::jsonb, version = version + 1, updated_at = now()
    WHERE id = %(id)s AND status = %(before)s RETURNING version
    """
)
SET_COMPLETED = sql(
    """
    UPDATE payments SET status = 'completed', completed_at = now(), captured_amount = amount,
        transaction_id = %(transaction_id)s, payment_method = coalesce(%(method)s::text, payment_method),
        gateway_response = %(details)s::jsonb, failure_reason = NULL, version = version + 1, updated_at = now(),
        check_at = now() + %(check_after)s::interval, order_check_at = now() + %(order_check_after)s::interval
    WHERE id = %(id)s AND status = %(before)s RETURNING version, completed_at, payment_method
    """
)
SET_CANCELLED = sql(
    """
    UPDATE payments SET status = 'cancelled', order_check_at = NULL, version = version + 1, updated_at = now()
    WHERE id = %(id)s AND status = %(before)s
    """
)
SET_RETURNED = sql(
    """
    UPDATE payments SET status = %(status)s, version = version + 1, updated_at = now()
    WHERE id = %(id)s RETURNING version
    """
)

# What the gateway should have told: asked at growing intervals for a day, once more for what is completed.
DUE_CHECKS = sql("SELECT id FROM payments WHERE check_at <= now() ORDER BY check_at LIMIT %(limit)s")
NEXT_CHECK = sql(
    """
    UPDATE payments SET checks = checks + 1, check_at = CASE
        WHEN status IN ('completed', 'refunded') OR created_at < now() - interval '1 day' THEN NULL
        ELSE now() + %(check_after)s::interval * power(4, least(checks, 8)) END
    WHERE id = %(id)s
    """
)
CHECK_SOON = sql("UPDATE payments SET check_at = now() WHERE id = %(id)s")

DUE_ORDER_CHECKS = sql(
    """
    SELECT id, order_id, created_at FROM payments WHERE order_check_at <= now() ORDER BY order_check_at LIMIT %(limit)s
    """
)
ORDER_CHECKED = sql("UPDATE payments SET order_check_at = NULL WHERE id = ANY(%(ids)s::uuid[])")
ORDER_CHECK_LATER = sql(
    "UPDATE payments SET order_check_at = now() + %(after)s::interval WHERE id = ANY(%(ids)s::uuid[])"
)

# Ends of orders

INSERT_OUTCOME = sql(
    """
    INSERT INTO order_outcomes (order_id, outcome, actor) VALUES (%(order_id)s, %(outcome)s, %(actor)s)
    ON CONFLICT (order_id) DO NOTHING
    """
)

# Attempts

ATTEMPT = statement(
    select(*_ATTEMPT).where(
        Attempt.provider == bindparam("provider"), Attempt.transaction_id == bindparam("transaction_id")
    )
)
KEPT_ATTEMPT = statement(select(*_ATTEMPT).where(Attempt.payment_id == bindparam("payment_id"), Attempt.kept))
PUT_ATTEMPT = sql(
    """
    INSERT INTO payment_attempts (payment_id, provider, transaction_id, payment_method, amount, currency, status,
                                  failure_reason, kept, captured_amount, actor)
    VALUES (%(payment_id)s, %(provider)s, %(transaction_id)s, %(method)s, %(amount)s, %(currency)s, %(status)s,
            %(failure_reason)s, %(kept)s, %(captured_amount)s, %(actor)s)
    ON CONFLICT (provider, transaction_id) DO UPDATE SET status = excluded.status, amount = excluded.amount,
        currency = excluded.currency, failure_reason = excluded.failure_reason, kept = excluded.kept,
        captured_amount = excluded.captured_amount, updated_at = now()
    RETURNING id
    """
)

# What gateways said

EVENT_SEEN = sql(
    """
    SELECT true FROM payment_events
    WHERE provider = %(provider)s AND (event_id = %(event_id)s OR digest = %(digest)s) LIMIT 1
    """
)
INSERT_EVENT = sql(
    """
    INSERT INTO payment_events (provider, event_id, digest, type, payment_id, transaction_id, outcome, details)
    VALUES (%(provider)s, %(event_id)s, %(digest)s, %(type)s, %(payment_id)s, %(transaction_id)s, %(outcome)s,
            %(details)s::jsonb)
    ON CONFLICT DO NOTHING
    """
)

# Refunds

_REFUND_SHOWN: Final = [*_REFUND, _ATTEMPT.kept, _ATTEMPT.currency]


def _shown() -> Any:
    return select(*_REFUND_SHOWN).join(Attempt.__table__, _REFUND.attempt_id == _ATTEMPT.id)


REFUND = statement(_shown().where(_REFUND.id == bindparam("id")))
REFUNDS_OF_PAYMENT = statement(
    _shown()
    .where(
        _REFUND.payment_id == bindparam("payment_id"),
        or_(
            bindparam("first_page", type_=Boolean),
            _REFUND.initiated_at < bindparam("after_at", type_=_REFUND.initiated_at.type),
            and_(
                _REFUND.initiated_at == bindparam("after_at", type_=_REFUND.initiated_at.type),
                _REFUND.id < bindparam("after_id", type_=Uuid),
            ),
        ),
    )
    .order_by(_REFUND.initiated_at.desc(), _REFUND.id.desc())
    .limit(bindparam("limit"))
)
INSERT_REFUND = statement(
    insert(Refund),
    columns=(
        "id",
        "refund_id",
        "payment_id",
        "order_id",
        "attempt_id",
        "amount",
        "reason",
        "status",
        "gateway_refund_id",
        "gateway_response",
        "completed_at",
        "automatic",
        "cash",
        "requested_by",
        "try_at",
    ),
)
REFUND_OF_ATTEMPT = sql(
    """
    SELECT id, amount, status, automatic FROM refunds
    WHERE attempt_id = %(attempt_id)s AND (refund_id = %(reference)s OR gateway_refund_id = %(gateway_refund_id)s)
    LIMIT 1
    """
)
_UNDER_WAY = _status_in({PROCESSING, *refunds_before(PROCESSING)})
_MAY_COMPLETE = _status_in(refunds_before(COMPLETED))
_MAY_FAIL = _status_in(refunds_before(FAILED))
# Whoever claims a refund has until try_at to carry it out; then it is free again, because its claimer has died.
CLAIM_REFUNDS = sql(
    f"""
    WITH due AS (
        SELECT id FROM refunds WHERE {_UNDER_WAY} AND NOT cash AND try_at <= now()
        ORDER BY try_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE refunds SET status = 'processing', tries = tries + 1, try_at = now() + %(claim)s::interval,
            updated_at = now()
        WHERE id IN (SELECT id FROM due)
        RETURNING id, refund_id, payment_id, attempt_id, amount, automatic, tries
    )
    SELECT claimed.*, a.provider, a.transaction_id, a.currency
    FROM claimed JOIN payment_attempts a ON a.id = claimed.attempt_id
    """  # noqa: S608 - a constant
)
TRY_REFUND_LATER = sql(
    f"""
    UPDATE refunds SET try_at = now() + %(after)s::interval, updated_at = now()
    WHERE id = %(id)s AND {_UNDER_WAY}
    """  # noqa: S608 - a constant
)
REFUND_UNDER_WAY = sql(
    f"""
    UPDATE refunds SET status = 'processing', gateway_refund_id = %(gateway_refund_id)s,
        gateway_response = %(details)s::jsonb, updated_at = now()
    WHERE id = %(id)s AND {_UNDER_WAY}
    """  # noqa: S608 - a constant
)
REFUND_COMPLETED = sql(
    f"""
    UPDATE refunds SET status = 'completed', completed_at = now(), gateway_refund_id = %(gateway_refund_id)s,
        gateway_response = %(details)s::jsonb, updated_at = now()
    WHERE id = %(id)s AND {_MAY_COMPLETE}
    """  # noqa: S608 - a constant
)
REFUND_FAILED = sql(
    f"""
    UPDATE refunds SET status = 'failed', gateway_refund_id = coalesce(%(gateway_refund_id)s, gateway_refund_id),
        gateway_response = %(details)s::jsonb, updated_at = now()
    WHERE id = %(id)s AND {_MAY_FAIL}
    """  # noqa: S608 - a constant
)
RETURNED = sql(
    "SELECT coalesce(sum(amount), 0) FROM refunds WHERE attempt_id = %(attempt_id)s AND status = 'completed'"
)
FAILED_AUTOMATIC_REFUNDS = sql(
    "SELECT count(*) FROM refunds WHERE attempt_id = %(attempt_id)s AND status = 'failed' AND automatic"
)

# Saved ways to pay

SAVED_METHODS = statement(
    select(*_SAVED)
    .where(_SAVED.customer_id == bindparam("customer_id"))
    .order_by(_SAVED.created_at.desc(), _SAVED.id.desc())
    .limit(SAVED_METHODS_SHOWN)
)
SAVE_METHOD = sql(
    """
    INSERT INTO payment_methods (customer_id, payment_method, provider, token, token_index, token_index_next, network,
                                 last4)
    VALUES (%(customer_id)s, %(method)s, %(provider)s, %(token)s, %(token_index)s, %(token_index_next)s, %(network)s,
            %(last4)s)
    ON CONFLICT DO NOTHING
    """
)
FORGET_METHOD = statement(
    delete(SavedMethod).where(_SAVED.id == bindparam("id"), _SAVED.customer_id == bindparam("customer_id"))
)
FORGET_METHODS = statement(delete(SavedMethod).where(_SAVED.customer_id == bindparam("customer_id")))
