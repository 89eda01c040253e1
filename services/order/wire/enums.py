"""Enumerations of the contracts and their values in the database, which are spelt as in the design document."""

from __future__ import annotations

from jainshikanji.order.v1 import order_pb2
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod
from jainshikanji.store.v1.staff_pb2 import StaffJob
from jainshikanji.type.v1.fulfilment_type_pb2 import FulfilmentType

from chassis.enums import EnumMapping

STATUSES = EnumMapping(order_pb2.OrderStatus)
PAYMENT_STATUSES = EnumMapping(order_pb2.PaymentStatus)
PAYMENT_METHODS = EnumMapping(PaymentMethod)
FULFILMENT_TYPES = EnumMapping(FulfilmentType, exceptions={"DINE_IN": "dine-in"})
CANCELLATION_REASONS = EnumMapping(order_pb2.CancellationReason)
STAFF_JOBS = EnumMapping(StaffJob)
