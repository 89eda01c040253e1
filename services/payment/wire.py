"""Conversion between messages of the contracts and rows, commands and values of the service."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from google.api.httpbody_pb2 import HttpBody
from jainshikanji.customer.v1.events_pb2 import CustomerErased
from jainshikanji.order.v1.events_pb2 import OrderCancelled, OrderDelivered
from jainshikanji.payment.v1 import payment_service_pb2 as pb
from jainshikanji.payment.v1.events_pb2 import PaymentCompleted, PaymentFailed, RefundProcessed, SurplusRefunded
from jainshikanji.payment.v1.payment_pb2 import (
    Payment,
    PaymentMethod,
    PaymentProvider,
    PaymentStatus,
    Refund,
    RefundStatus,
    SavedPaymentMethod,
)

from chassis.enums import EnumMapping
from chassis.money import money_from_proto, money_to_proto
from chassis.timestamps import optional_datetime_from_proto, timestamp_to_proto
from services.payment.commands import InitiatePayment, ReceiveWebhook, RefundPayment, StartPayment, VerifyPayment
from services.payment.model.states import COMPLETED, OPEN
from services.payment.rows import CompletionRow, NewOrderOutcome, PaymentRow, RefundRow, SavedMethodRow

METHODS = EnumMapping(PaymentMethod)
PROVIDERS = EnumMapping(PaymentProvider)
STATUSES = EnumMapping(PaymentStatus)
REFUND_STATUSES = EnumMapping(RefundStatus)


def start_payment_from_proto(request: pb.StartPaymentRequest) -> StartPayment:
    return StartPayment(
        payment_id=UUID(request.payment_id),
        order_id=UUID(request.order_id),
        customer_id=UUID(request.customer_id),
        store_id=UUID(request.store_id),
        order_number=request.order_number,
        payment_method=METHODS.from_proto(request.method),
        amount=money_from_proto(request.amount),
        currency=request.amount.currency_code,
        expires_at=optional_datetime_from_proto(request, "expires_at"),
    )


def initiate_payment_from_proto(request: pb.InitiatePaymentRequest) -> InitiatePayment:
    method = METHODS.from_proto(request.method) if request.method else None
    return InitiatePayment(order_id=UUID(request.order_id), payment_method=method)


def verify_payment_from_proto(request: pb.VerifyPaymentRequest) -> VerifyPayment:
    return VerifyPayment(
        payment_id=UUID(request.payment_id),
        provider_order_id=request.provider_order_id,
        transaction_id=request.provider_payment_id,
        signature=request.signature,
    )


def receive_webhook_from_proto(request: HttpBody, headers: Mapping[str, str]) -> ReceiveWebhook:
    return ReceiveWebhook(headers=headers, body=request.data)


def refund_payment_from_proto(request: pb.RefundPaymentRequest) -> RefundPayment:
    has_amount = request.HasField("amount")
    return RefundPayment(
        payment_id=UUID(request.id),
        amount=money_from_proto(request.amount) if has_amount else None,
        currency=request.amount.currency_code if has_amount else None,
        reason=request.reason,
    )


def payment_to_proto(row: PaymentRow, provider_key: str = "", client_secret: str = "") -> Payment:
    """The payment. `provider_key` is public; `client_secret` is only for the customer who pays."""
    return Payment(
        id=str(row.id),
        order_id=str(row.order_id),
        customer_id=str(row.customer_id),
        store_id=str(row.store_id),
        method=METHODS.to_proto(row.payment_method),
        provider=PROVIDERS.to_proto(row.provider) if row.provider else PaymentProvider.UNSPECIFIED,
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


def reconciliation_to_proto(row: PaymentRow) -> pb.ReconcileOrderPaymentResponse:
    return pb.ReconcileOrderPaymentResponse(
        captured=row.status == COMPLETED,
        captured_amount=money_to_proto(row.captured_amount, row.currency),
        status=STATUSES.to_proto(row.status),
        payment_id=str(row.id),
    )


def refund_to_proto(row: RefundRow) -> Refund:
    return Refund(
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


def saved_method_to_proto(row: SavedMethodRow) -> SavedPaymentMethod:
    return SavedPaymentMethod(
        id=str(row.id),
        customer_id=str(row.customer_id),
        method=METHODS.to_proto(row.payment_method),
        provider=PROVIDERS.to_proto(row.provider),
        network=row.network or "",
        last4=row.last4 or "",
        created_at=timestamp_to_proto(row.created_at),
    )


def order_outcome_from_event(event: OrderCancelled | OrderDelivered) -> NewOrderOutcome | None:
    """The outcome of the order; None when the delivery changes no payment: it is paid online, or its total is 0."""
    order_id = UUID(event.order_id)
    if isinstance(event, OrderCancelled):
        return NewOrderOutcome(order_id, "cancelled")
    if event.payment_method == PaymentMethod.COD and event.total.minor_units > 0:
        return NewOrderOutcome(order_id, "delivered", UUID(event.delivered_by) if event.delivered_by else None)
    return None


def customer_id_from_event(event: CustomerErased) -> UUID:
    return UUID(event.customer_id)


def payment_completed_to_proto(payment: PaymentRow, completion: CompletionRow, *, cash: bool) -> PaymentCompleted:
    return PaymentCompleted(
        **_ids(payment),
        version=completion.version,
        amount=money_to_proto(payment.amount, payment.currency),
        method=METHODS.to_proto(completion.payment_method),
        cash=cash,
        completed_at=timestamp_to_proto(completion.completed_at),
    )


def payment_failed_to_proto(
    payment: PaymentRow, version: int, method: str, reason: str, failed_at: datetime
) -> PaymentFailed:
    return PaymentFailed(
        **_ids(payment),
        version=version,
        amount=money_to_proto(payment.amount, payment.currency),
        method=METHODS.to_proto(method),
        reason=reason,
        failed_at=timestamp_to_proto(failed_at),
    )


def refund_processed_to_proto(
    payment: PaymentRow, refund: RefundRow, version: int, refunded_total: Decimal, completed_at: datetime
) -> RefundProcessed:
    return RefundProcessed(
        refund_id=str(refund.id),
        **_ids(payment),
        version=version,
        amount=money_to_proto(refund.amount, payment.currency),
        refunded_total=money_to_proto(refunded_total, payment.currency),
        captured_amount=money_to_proto(payment.captured_amount, payment.currency),
        fully=refunded_total == payment.captured_amount,
        cash=refund.cash,
        method=METHODS.to_proto(payment.payment_method),
        completed_at=timestamp_to_proto(completed_at),
    )


def surplus_refunded_to_proto(payment: PaymentRow, refund: RefundRow, completed_at: datetime) -> SurplusRefunded:
    return SurplusRefunded(
        refund_id=str(refund.id),
        **_ids(payment),
        amount=money_to_proto(refund.amount, refund.currency),
        completed_at=timestamp_to_proto(completed_at),
    )


def _ids(payment: PaymentRow) -> dict[str, Any]:
    return {
        "payment_id": str(payment.id),
        "order_id": str(payment.order_id),
        "customer_id": str(payment.customer_id),
        "store_id": str(payment.store_id),
    }
