"""Rows to messages, and the words of the database to the enums of the contract."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from jainshikanji.payment.v1 import events_pb2, payment_pb2

from chassis.database import Row
from chassis.enums import EnumMapping
from chassis.money import money_to_proto
from chassis.timestamps import timestamp_to_proto
from services.payment.model import OPEN

METHODS = EnumMapping(payment_pb2.PaymentMethod)
PROVIDERS = EnumMapping(payment_pb2.PaymentProvider)
STATUSES = EnumMapping(payment_pb2.PaymentStatus)
REFUND_STATUSES = EnumMapping(payment_pb2.RefundStatus)


def payment(row: Row, provider_key: str = "", client_secret: str = "") -> payment_pb2.Payment:
    """The payment as its owner and staff see it. `provider_key` is public; `client_secret` only for who pays."""
    return payment_pb2.Payment(
        id=str(row.id),
        order_id=str(row.order_id),
        customer_id=str(row.customer_id),
        store_id=str(row.store_id),
        method=METHODS.to_proto(row.payment_method),
        provider=PROVIDERS.to_proto(row.provider) if row.provider else payment_pb2.PaymentProvider.UNSPECIFIED,
        amount=money_to_proto(row.amount, row.currency),
        status=STATUSES.to_proto(row.status),
        failure_reason=row.failure_reason or "",
        provider_order_id=row.provider_order_id or "",
        provider_key=provider_key,
        transaction_id=row.transaction_id or "",
        captured_amount=money_to_proto(row.captured_amount, row.currency),
        refunded_amount=money_to_proto(row.refunded_amount, row.currency),
        expires_at=timestamp_to_proto(row.expires_at) if row.status in OPEN else None,
        initiated_at=timestamp_to_proto(row.initiated_at),
        completed_at=timestamp_to_proto(row.completed_at),
        failed_at=timestamp_to_proto(row.failed_at),
        version=row.version,
        provider_client_secret=client_secret,
    )


def refund(row: Row) -> payment_pb2.Refund:
    return payment_pb2.Refund(
        id=str(row.id),
        payment_id=str(row.payment_id),
        order_id=str(row.order_id),
        amount=money_to_proto(row.amount, row.currency),
        reason=row.reason or "",
        status=REFUND_STATUSES.to_proto(row.status),
        cash=row.cash,
        automatic=row.automatic,
        surplus=not row.kept,
        initiated_at=timestamp_to_proto(row.initiated_at),
        completed_at=timestamp_to_proto(row.completed_at),
    )


def saved_method(row: Row) -> payment_pb2.SavedPaymentMethod:
    return payment_pb2.SavedPaymentMethod(
        id=str(row.id),
        customer_id=str(row.customer_id),
        method=METHODS.to_proto(row.payment_method),
        provider=PROVIDERS.to_proto(row.provider),
        network=row.network or "",
        last4=row.last4 or "",
        created_at=timestamp_to_proto(row.created_at),
    )


def payment_completed(payment: Row, completed: Row, *, cash: bool) -> events_pb2.PaymentCompleted:
    """`completed` is what SET_COMPLETED returned."""
    return events_pb2.PaymentCompleted(
        payment_id=str(payment.id),
        order_id=str(payment.order_id),
        customer_id=str(payment.customer_id),
        store_id=str(payment.store_id),
        version=completed.version,
        amount=money_to_proto(payment.amount, payment.currency),
        method=METHODS.to_proto(completed.payment_method),
        cash=cash,
        completed_at=timestamp_to_proto(completed.completed_at),
    )


def payment_failed(payment: Row, version: int, method: str, reason: str, at: datetime) -> events_pb2.PaymentFailed:
    return events_pb2.PaymentFailed(
        payment_id=str(payment.id),
        order_id=str(payment.order_id),
        customer_id=str(payment.customer_id),
        store_id=str(payment.store_id),
        version=version,
        amount=money_to_proto(payment.amount, payment.currency),
        method=METHODS.to_proto(method),
        reason=reason,
        failed_at=timestamp_to_proto(at),
    )


def refund_processed(
    payment: Row, refund: Row, version: int, returned: Decimal, at: datetime
) -> events_pb2.RefundProcessed:
    return events_pb2.RefundProcessed(
        refund_id=str(refund.id),
        payment_id=str(payment.id),
        order_id=str(payment.order_id),
        customer_id=str(payment.customer_id),
        store_id=str(payment.store_id),
        version=version,
        amount=money_to_proto(refund.amount, payment.currency),
        refunded_total=money_to_proto(returned, payment.currency),
        captured_amount=money_to_proto(payment.captured_amount, payment.currency),
        fully=returned == payment.captured_amount,
        cash=refund.cash,
        method=METHODS.to_proto(payment.payment_method),
        completed_at=timestamp_to_proto(at),
    )


def surplus_refunded(payment: Row, refund: Row, currency: str, at: datetime) -> events_pb2.SurplusRefunded:
    return events_pb2.SurplusRefunded(
        refund_id=str(refund.id),
        payment_id=str(payment.id),
        order_id=str(payment.order_id),
        customer_id=str(payment.customer_id),
        store_id=str(payment.store_id),
        amount=money_to_proto(refund.amount, currency),
        completed_at=timestamp_to_proto(at),
    )
