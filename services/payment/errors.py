"""Errors of the payment service that its callers see."""

from __future__ import annotations

from decimal import Decimal

from chassis.errors import AlreadyExists, Conflict, PermissionDenied, Unauthenticated, Unavailable
from chassis.money import to_minor_units


class OrderHasPayment(AlreadyExists):
    """The order has another payment, or its payment has other details."""

    def __init__(self) -> None:
        super().__init__("this order already has a different payment")


class InvalidSignature(Unauthenticated):
    """The webhook has no valid signature of a configured gateway."""

    def __init__(self) -> None:
        super().__init__("the webhook signature is not valid")


class PaymentClosed(Conflict):
    """The payment is completed, refunded or cancelled; `status` in the metadata says which."""

    def __init__(self, status: str) -> None:
        super().__init__("this payment is closed", status=status.upper())


class PaymentExpired(Conflict):
    """The order no longer waits for its payment."""

    def __init__(self) -> None:
        super().__init__("the time to pay for this order has expired")


class NotPaidOnline(Conflict):
    """The order is paid in cash, or its total is 0: no gateway takes part."""

    def __init__(self) -> None:
        super().__init__("this order is not paid online")


class OnlinePaymentOff(Conflict):
    """No payment gateway is configured."""

    def __init__(self) -> None:
        super().__init__("online payment is not available")


class GatewayDeclined(Conflict):
    """The gateway rejected the payment, for example because its amount is below the gateway's minimum."""

    def __init__(self) -> None:
        super().__init__("the payment gateway rejected this payment")


class GatewaySilent(Unavailable):
    """The gateway did not respond in time; the outcome is unknown."""

    def __init__(self) -> None:
        super().__init__("the payment gateway did not respond; try again")


class PaymentNotCaptured(Conflict):
    """The payment has no captured money that could be refunded."""

    def __init__(self) -> None:
        super().__init__("no money was captured for this payment")


class RefundTooLarge(Conflict):
    """The refund exceeds the refundable amount; `refundable` in the metadata has it in minor units."""

    def __init__(self, refundable: Decimal) -> None:
        super().__init__("the refund exceeds the refundable amount", refundable=str(to_minor_units(refundable)))


class RefundOverLimit(Conflict):
    """The refunds of the payment exceed the cashier's limit; `limit` in the metadata has it in minor units."""

    def __init__(self, limit: Decimal) -> None:
        super().__init__(
            "the refund exceeds the cashier's limit; a manager must make it", limit=str(to_minor_units(limit))
        )


class CashRefundNeedsManager(PermissionDenied):
    """Only a manager or an administrator may refund cash."""

    def __init__(self) -> None:
        super().__init__("only a manager can refund cash")
