"""Attempts to pay: what a gateway reports about one, and what the report means for the payment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Literal, TypeAlias

from services.payment.model.states import CANCELLED, OPEN
from services.payment.rows import PaymentRow

AttemptStatus: TypeAlias = Literal["authorized", "captured", "failed"]
# The provider of an attempt without a gateway.
CASH: Final = "cash"


@dataclass(frozen=True, slots=True)
class SavedToken:
    """A payment method that the gateway has saved. The token is a secret; network and last four digits are not."""

    token: str
    network: str
    last4: str


@dataclass(frozen=True, slots=True)
class AttemptReport:
    """The state of one attempt to pay an order of a gateway, as the gateway reports it."""

    provider_order_id: str
    transaction_id: str
    status: AttemptStatus
    amount: Decimal
    currency: str
    # A value of `payments.payment_method`; None for a method that the table does not have.
    method: str | None
    failure_reason: str = ""
    saved: SavedToken | None = None
    # Selected fields of the gateway's message, without personal data.
    details: Mapping[str, Any] = field(default_factory=dict)


class Verdict(Enum):
    """What a report means for the payment. The values are stored in `payment_events.outcome`."""

    KNOWN = "known"
    AUTHORIZED = "authorized"
    DECLINED = "declined"
    # A webhook reports a capture of a wrong amount. The gateway's API must confirm it before it has an effect.
    MISMATCHED = "wrong_amount"
    KEPT = "kept"
    SURPLUS = "surplus"


def judge_report(payment: PaymentRow, known: str | None, report: AttemptReport, *, is_confirmed: bool) -> Verdict:
    """The verdict on a report about an attempt whose stored status is `known`.

    `is_confirmed`: the report comes from the gateway's API, so that even a capture of a wrong amount is a fact.
    """
    if known == "captured":
        return Verdict.KNOWN
    if report.status == "failed":
        return Verdict.DECLINED if known in {None, "authorized"} else Verdict.KNOWN
    if report.status == "authorized":
        return Verdict.AUTHORIZED if known is None else Verdict.KNOWN
    if is_exact(payment, report):
        return Verdict.KEPT if payment.status in OPEN | {CANCELLED} else Verdict.SURPLUS
    if is_confirmed:
        return Verdict.SURPLUS
    return Verdict.KNOWN if known == "mismatched" else Verdict.MISMATCHED


def is_exact(payment: PaymentRow, report: AttemptReport) -> bool:
    """Whether the report has the amount and the currency of the payment."""
    return report.amount == payment.amount and report.currency == payment.currency


def find_capturable(payment: PaymentRow, reports: Sequence[AttemptReport]) -> AttemptReport | None:
    """The authorised attempt to capture; None when one is captured already or the payment is closed."""
    if payment.status not in OPEN or any(report.status == "captured" for report in reports):
        return None
    return next((each for each in reports if each.status == "authorized" and each.amount == payment.amount), None)


def sort_reports(newest_first: Sequence[AttemptReport]) -> list[AttemptReport]:
    """Captures first, then the others, oldest first: a failure before a capture then has no effect."""
    oldest_first = [*reversed(newest_first)]
    oldest_first.sort(key=lambda report: report.status != "captured")
    return oldest_first
