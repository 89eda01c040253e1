"""EnumMapping of the contract and of the database (spelt as in the design document), and scalars of every message."""

from __future__ import annotations

from jainshikanji.order.v1 import order_pb2
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod
from jainshikanji.type.v1.fulfilment_type_pb2 import FulfilmentType
from jainshikanji.type.v1.money_pb2 import Money

from chassis.enums import EnumMapping
from chassis.money import CURRENCY

STATUS = EnumMapping(order_pb2.OrderStatus)
PAYMENT_STATUS = EnumMapping(order_pb2.PaymentStatus)
PAYMENT_METHOD = EnumMapping(PaymentMethod)
FULFILMENT = EnumMapping(FulfilmentType, exceptions={"DINE_IN": "dine-in"})
REASON = EnumMapping(order_pb2.CancellationReason)


def money(minor: int) -> Money:
    """Whole minor units as a message."""
    return Money(currency_code=CURRENCY, minor_units=minor)
