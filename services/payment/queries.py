"""Every statement of the payment service.

Writes that decide about money run under the row lock of the payment (`LOCK_*`), taken before any other row of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, ColumnElement, Uuid, and_, any_, bindparam, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert as pg_insert

from chassis.database import Statement, sql, statement
from chassis.database.rows import column_definitions, column_names, field_names, table_columns
from chassis.database.tables import table_of
from services.payment.model.states import COMPLETED, FAILED, OPEN, PROCESSING, refund_states_before
from services.payment.model.tables import Attempt, OrderOutcome, Payment, PaymentEvent, Refund, SavedMethod
from services.payment.rows import (
    AttemptRefundRow,
    AttemptRow,
    ClaimedRefundRow,
    CompletionRow,
    DueOrderCheckRow,
    InsertedPaymentRow,
    NewAttempt,
    NewOrderOutcome,
    NewPayment,
    NewPaymentEvent,
    NewRefund,
    NewSavedMethod,
    PaymentRow,
    RefundRow,
    SavedMethodRow,
)

_PAYMENT_COLUMNS = table_columns(PaymentRow, table_of(Payment))
_ATTEMPT_COLUMNS = table_columns(AttemptRow, table_of(Attempt))

MOST_SAVED_METHODS: Final = 50


def _is_visible() -> ColumnElement[bool]:
    """Whether the caller may see the payment: an administrator, its customer, staff of its store."""
    return or_(
        bindparam("everything", type_=Boolean),
        Payment.customer_id == bindparam("owner"),
        Payment.store_id == any_(bindparam("tenants", type_=ARRAY(Uuid))),
    )


def _status_in(states: Iterable[str]) -> str:
    """The condition of a transition: the row is in one of these states."""
    return "status IN ({})".format(", ".join(f"'{state}'" for state in sorted(states)))


# Payments

GET_VISIBLE_PAYMENT = statement(
    select(*_PAYMENT_COLUMNS).where(Payment.id == bindparam("payment_id"), _is_visible()), row=PaymentRow
)
GET_VISIBLE_PAYMENT_OF_ORDER = statement(
    select(*_PAYMENT_COLUMNS).where(Payment.order_id == bindparam("order_id"), _is_visible()), row=PaymentRow
)
GET_PAYMENT = statement(select(*_PAYMENT_COLUMNS).where(Payment.id == bindparam("payment_id")), row=PaymentRow)
GET_PAYMENT_OF_ORDER = statement(
    select(*_PAYMENT_COLUMNS).where(Payment.order_id == bindparam("order_id")), row=PaymentRow
)

LOCK_PAYMENT = statement(
    select(*_PAYMENT_COLUMNS).where(Payment.id == bindparam("payment_id")).with_for_update(), row=PaymentRow
)
LOCK_VISIBLE_PAYMENT = statement(
    select(*_PAYMENT_COLUMNS).where(Payment.id == bindparam("payment_id"), _is_visible()).with_for_update(),
    row=PaymentRow,
)
LOCK_PAYMENT_OF_ORDER = statement(
    select(*_PAYMENT_COLUMNS).where(Payment.order_id == bindparam("order_id")).with_for_update(), row=PaymentRow
)
LOCK_PAYMENT_OF_PROVIDER_ORDER = statement(
    select(*_PAYMENT_COLUMNS)
    .where(Payment.provider == bindparam("provider"), Payment.provider_order_id == bindparam("provider_order_id"))
    .with_for_update(),
    row=PaymentRow,
)

# Serialises the start of a payment with the outcome of its order, which may arrive in either order. Both arrive in
# batches: the locks of a batch are taken in the order of the ids, so that two batches cannot deadlock.
LOCK_ORDERS = sql(
    """
    SELECT pg_advisory_xact_lock(hashtextextended(order_id::text, 0))::text
    FROM unnest(%(order_ids)s::uuid[]) AS orders(order_id) ORDER BY order_id
    """,
    value=str,
)

# Skips a payment whose id exists, and one whose order has a payment. Outcomes that earlier holders of LOCK_ORDERS
# committed are visible because the lock is a statement of its own.
INSERT_PAYMENTS = sql(
    f"""
    INSERT INTO payments ({column_names(NewPayment)}, payment_id, status)
    SELECT {column_names(NewPayment, "new")}, new.id::text, 'pending'
    FROM json_to_recordset(%(payments)s::json) AS new({column_definitions(NewPayment)})
    ON CONFLICT DO NOTHING
    RETURNING {column_names(PaymentRow)},
        (SELECT outcome FROM order_outcomes AS ended WHERE ended.order_id = payments.order_id) AS order_outcome,
        (SELECT actor FROM order_outcomes AS ended WHERE ended.order_id = payments.order_id) AS order_actor
    """,  # noqa: S608 - column names of the row types
    row=InsertedPaymentRow,
)

SET_PROVIDER_ORDER = sql(
    f"""
    UPDATE payments SET provider_order_id = %(provider_order_id)s, updated_at = now(),
        check_at = now() + %(check_after)s::interval
    WHERE id = %(payment_id)s AND provider_order_id IS NULL AND {_status_in(OPEN)}
    """  # noqa: S608 - a constant
)
SET_PROCESSING = sql(
    """
    UPDATE payments SET status = 'processing', payment_method = coalesce(%(payment_method)s::text, payment_method),
        version = version + 1, updated_at = now()
    WHERE id = %(payment_id)s AND status = %(before)s
    """
)
SET_FAILED = sql(
    """
    UPDATE payments SET status = 'failed', failed_at = now(), failure_reason = %(reason)s,
        gateway_response = %(details)s::jsonb, version = version + 1, updated_at = now()
    WHERE id = %(payment_id)s AND status = %(before)s RETURNING version
    """,
    value=int,
)
SET_COMPLETED = sql(
    f"""
    UPDATE payments SET status = 'completed', completed_at = now(), captured_amount = amount,
        transaction_id = %(transaction_id)s, payment_method = coalesce(%(payment_method)s::text, payment_method),
        gateway_response = %(details)s::jsonb, failure_reason = NULL, version = version + 1, updated_at = now(),
        check_at = now() + %(check_after)s::interval, order_check_at = now() + %(order_check_after)s::interval
    WHERE id = %(payment_id)s AND status = %(before)s RETURNING {column_names(CompletionRow)}
    """,  # noqa: S608 - column names of the row type
    row=CompletionRow,
)
SET_CANCELLED = sql(
    """
    UPDATE payments SET status = 'cancelled', order_check_at = NULL, version = version + 1, updated_at = now()
    WHERE id = %(payment_id)s AND status = %(before)s
    """
)
UPDATE_AFTER_REFUND = sql(
    """
    UPDATE payments SET status = %(status)s, version = version + 1, updated_at = now()
    WHERE id = %(payment_id)s RETURNING version
    """,
    value=int,
)

# The gateway is queried at growing intervals for a day, and once more after the payment is completed.
LIST_DUE_CHECKS = sql(
    "SELECT id FROM payments WHERE check_at <= now() ORDER BY check_at LIMIT %(limit)s",
    value=UUID,
)
SCHEDULE_NEXT_CHECK = sql(
    """
    UPDATE payments SET checks = checks + 1, check_at = CASE
        WHEN status IN ('completed', 'refunded') OR created_at < now() - interval '1 day' THEN NULL
        ELSE now() + %(check_after)s::interval * power(4, least(checks, 8)) END
    WHERE id = %(payment_id)s
    """
)
SCHEDULE_CHECK_NOW = sql("UPDATE payments SET check_at = now() WHERE id = %(payment_id)s")

LIST_DUE_ORDER_CHECKS = sql(
    f"""
    SELECT {column_names(DueOrderCheckRow)} FROM payments
    WHERE order_check_at <= now() ORDER BY order_check_at LIMIT %(limit)s
    """,  # noqa: S608 - column names of the row type
    row=DueOrderCheckRow,
)
CLEAR_ORDER_CHECKS = sql("UPDATE payments SET order_check_at = NULL WHERE id = ANY(%(payment_ids)s::uuid[])")
POSTPONE_ORDER_CHECKS = sql(
    "UPDATE payments SET order_check_at = now() + %(delay)s::interval WHERE id = ANY(%(payment_ids)s::uuid[])"
)

# Outcomes of orders

INSERT_ORDER_OUTCOME = statement(
    pg_insert(OrderOutcome).on_conflict_do_nothing(index_elements=["order_id"]), columns=field_names(NewOrderOutcome)
)

# Attempts

GET_ATTEMPT = statement(
    select(*_ATTEMPT_COLUMNS).where(
        Attempt.provider == bindparam("provider"), Attempt.transaction_id == bindparam("transaction_id")
    ),
    row=AttemptRow,
)
GET_KEPT_ATTEMPT_ID = statement(
    select(Attempt.id).where(Attempt.payment_id == bindparam("payment_id"), Attempt.kept), value=UUID
)


def _upsert_attempt() -> Any:
    insert = pg_insert(Attempt)
    changing = ("status", "amount", "currency", "failure_reason", "kept", "captured_amount")
    return insert.on_conflict_do_update(
        index_elements=["provider", "transaction_id"],
        set_={**{name: insert.excluded[name] for name in changing}, "updated_at": func.now()},
    ).returning(Attempt.id)


UPSERT_ATTEMPT = statement(_upsert_attempt(), columns=field_names(NewAttempt), value=UUID)

# Messages of gateways. `inline()` leaves out RETURNING id, which SQLAlchemy adds for a default of the database.

HAS_EVENT = sql(
    """
    SELECT true AS has_event FROM payment_events
    WHERE provider = %(provider)s AND (event_id = %(event_id)s OR digest = %(digest)s) LIMIT 1
    """,
    value=bool,
)
INSERT_EVENT = statement(
    pg_insert(PaymentEvent).inline().on_conflict_do_nothing(), columns=field_names(NewPaymentEvent)
)

# Refunds


def _select_refunds() -> Any:
    columns = table_columns(RefundRow, table_of(Refund), kept=Attempt.kept, currency=Attempt.currency)
    return select(*columns).join(Attempt, Refund.attempt_id == Attempt.id)


GET_REFUND = statement(_select_refunds().where(Refund.id == bindparam("refund_id")), row=RefundRow)


@cache
def list_refunds(*, has_cursor: bool) -> Statement[RefundRow]:
    """A page of a payment's refunds, newest first."""
    query = _select_refunds().where(Refund.payment_id == bindparam("payment_id"))
    if has_cursor:
        is_same_time = Refund.initiated_at == bindparam("after_at")
        query = query.where(
            or_(Refund.initiated_at < bindparam("after_at"), and_(is_same_time, Refund.id < bindparam("after_id")))
        )
    query = query.order_by(Refund.initiated_at.desc(), Refund.id.desc())
    return statement(query.limit(bindparam("limit")), row=RefundRow)


INSERT_REFUND = statement(pg_insert(Refund), columns=field_names(NewRefund))
GET_REFUND_OF_ATTEMPT = sql(
    f"""
    SELECT {column_names(AttemptRefundRow)} FROM refunds
    WHERE attempt_id = %(attempt_id)s AND (refund_id = %(reference)s OR gateway_refund_id = %(gateway_refund_id)s)
    LIMIT 1
    """,  # noqa: S608 - column names of the row type
    row=AttemptRefundRow,
)
_IS_UNFINISHED = _status_in({PROCESSING, *refund_states_before(PROCESSING)})
_CAN_COMPLETE = _status_in(refund_states_before(COMPLETED))
_CAN_FAIL = _status_in(refund_states_before(FAILED))
# A claim lasts until try_at. When the replica that holds it dies, the refund can be claimed again after that time.
CLAIM_REFUNDS = sql(
    f"""
    WITH due AS (
        SELECT id FROM refunds WHERE {_IS_UNFINISHED} AND NOT cash AND try_at <= now()
        ORDER BY try_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE refunds SET status = 'processing', tries = tries + 1, try_at = now() + %(claim)s::interval,
            updated_at = now()
        WHERE id IN (SELECT id FROM due)
        RETURNING id, refund_id, payment_id, attempt_id, amount, automatic, tries
    )
    SELECT claimed.*, attempt.provider, attempt.transaction_id, attempt.currency
    FROM claimed JOIN payment_attempts attempt ON attempt.id = claimed.attempt_id
    """,  # noqa: S608 - a constant
    row=ClaimedRefundRow,
)
POSTPONE_REFUND = sql(
    f"""
    UPDATE refunds SET try_at = now() + %(delay)s::interval, updated_at = now()
    WHERE id = %(refund_id)s AND {_IS_UNFINISHED}
    """  # noqa: S608 - a constant
)
SET_REFUND_PROCESSING = sql(
    f"""
    UPDATE refunds SET status = 'processing', gateway_refund_id = %(gateway_refund_id)s,
        gateway_response = %(details)s::jsonb, updated_at = now()
    WHERE id = %(refund_id)s AND {_IS_UNFINISHED}
    """  # noqa: S608 - a constant
)
SET_REFUND_COMPLETED = sql(
    f"""
    UPDATE refunds SET status = 'completed', completed_at = now(), gateway_refund_id = %(gateway_refund_id)s,
        gateway_response = %(details)s::jsonb, updated_at = now()
    WHERE id = %(refund_id)s AND {_CAN_COMPLETE}
    """  # noqa: S608 - a constant
)
SET_REFUND_FAILED = sql(
    f"""
    UPDATE refunds SET status = 'failed', gateway_refund_id = coalesce(%(gateway_refund_id)s, gateway_refund_id),
        gateway_response = %(details)s::jsonb, updated_at = now()
    WHERE id = %(refund_id)s AND {_CAN_FAIL}
    """  # noqa: S608 - a constant
)
SUM_COMPLETED_REFUNDS = sql(
    "SELECT coalesce(sum(amount), 0) FROM refunds WHERE attempt_id = %(attempt_id)s AND status = 'completed'",
    value=Decimal,
)
COUNT_FAILED_AUTOMATIC_REFUNDS = sql(
    "SELECT count(*) FROM refunds WHERE attempt_id = %(attempt_id)s AND status = 'failed' AND automatic",
    value=int,
)

# Saved payment methods

LIST_SAVED_METHODS = statement(
    select(*table_columns(SavedMethodRow, table_of(SavedMethod)))
    .where(SavedMethod.customer_id == bindparam("customer_id"))
    .order_by(SavedMethod.created_at.desc(), SavedMethod.id.desc())
    .limit(MOST_SAVED_METHODS),
    row=SavedMethodRow,
)
INSERT_SAVED_METHOD = statement(
    pg_insert(SavedMethod).inline().on_conflict_do_nothing(), columns=field_names(NewSavedMethod)
)
DELETE_SAVED_METHOD = statement(
    delete(SavedMethod).where(
        SavedMethod.id == bindparam("method_id"), SavedMethod.customer_id == bindparam("customer_id")
    )
)
DELETE_SAVED_METHODS = statement(delete(SavedMethod).where(SavedMethod.customer_id == bindparam("customer_id")))
