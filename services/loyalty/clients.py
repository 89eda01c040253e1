"""Calls to other services."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from uuid import UUID

from jainshikanji.order.v1.order_pb2 import OrderStatus
from jainshikanji.order.v1.order_service_pb2 import BatchGetOrderStatesRequest
from jainshikanji.order.v1.order_service_pb2_grpc import OrderServiceStub

from chassis.rpc.channels import Channels


class Outcome(Enum):
    """What the state of an order means for its reserved benefits."""

    OPEN = auto()
    ACCEPTED = auto()
    CANCELLED = auto()


_OPEN = {OrderStatus.UNSPECIFIED, OrderStatus.PENDING}
# A refunded order was delivered or cancelled before; the event of either settles its benefits.
_CANCELLED = {OrderStatus.CANCELLED, OrderStatus.REFUNDED}


async def get_order_outcomes(channels: Channels, order_ids: Sequence[UUID]) -> dict[UUID, Outcome]:
    """The outcome of each of at most 100 orders; unknown orders are left out."""
    request = BatchGetOrderStatesRequest(order_ids=[str(order_id) for order_id in order_ids])
    response = await channels.stub("order", OrderServiceStub).BatchGetOrderStates(request)
    return {UUID(state.order_id): read_outcome(state.status) for state in response.states}


def read_outcome(status: OrderStatus.Value.ValueType) -> Outcome:
    """The outcome of an order status."""
    if status in _OPEN:
        return Outcome.OPEN
    return Outcome.CANCELLED if status in _CANCELLED else Outcome.ACCEPTED
