"""Refunds: what a gateway reports about one, how much can be refunded, and who may refund."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, TypeAlias
from uuid import UUID

from chassis import Caller
from chassis.errors import InvalidArgument
from services.payment.errors import CashRefundNeedsManager, RefundOverLimit, RefundTooLarge
from services.payment.model.payments import COD
from services.payment.rows import PaymentRow

RefundProgress: TypeAlias = Literal["pending", "processed", "failed"]


@dataclass(frozen=True, slots=True)
class RefundReport:
    """The state of one refund, as a gateway reports it. `reference` is empty for a refund that was not made here."""

    gateway_refund_id: str
    transaction_id: str
    reference: str
    status: RefundProgress
    amount: Decimal
    currency: str
    # Selected fields of the gateway's message, without personal data.
    details: Mapping[str, Any] = field(default_factory=dict)


def refundable_amount(payment: PaymentRow) -> Decimal:
    """The captured amount less the refunds, open ones included."""
    return payment.captured_amount - payment.refunded_amount


def choose_refund_amount(payment: PaymentRow, amount: Decimal | None, currency: str | None) -> Decimal:
    """The requested amount, or all that is refundable. Raises InvalidArgument (wrong currency), RefundTooLarge."""
    refundable = refundable_amount(payment)
    if amount is not None and currency != payment.currency:
        raise InvalidArgument("amount.currencyCode", f"must be {payment.currency}")
    chosen = refundable if amount is None else amount
    if chosen > refundable or refundable == 0:
        raise RefundTooLarge(refundable)
    return chosen


def check_refund_authority(caller: Caller, payment: PaymentRow, amount: Decimal, cashier_limit: Decimal) -> None:
    """Cashiers refund no cash, and no more than the limit of each payment.

    Raises CashRefundNeedsManager, RefundOverLimit.
    """
    if may_refund_without_limit(caller, payment.store_id):
        return
    if payment.payment_method == COD:
        raise CashRefundNeedsManager
    if payment.refunded_amount + amount > cashier_limit:
        raise RefundOverLimit(cashier_limit)


def may_refund_without_limit(caller: Caller, store_id: UUID) -> bool:
    """Whether the caller is an administrator or a manager of the store."""
    return caller.is_admin or any(grant.tenant_id == store_id and grant.role == "MANAGER" for grant in caller.grants)
