"""What loyalty asks others: order, about reservations that no event settled."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from uuid import UUID

from jainshikanji.order.v1.order_pb2 import OrderStatus
from jainshikanji.order.v1.order_service_pb2 import BatchGetOrderStatesRequest
from jainshikanji.order.v1.order_service_pb2_grpc import OrderServiceStub

from chassis.rpc.channels import Channels


class Fate(Enum):
    """What an order's state means for what it holds."""

    OPEN = auto()
    ACCEPTED = auto()
    DEAD = auto()


_OPEN = {OrderStatus.UNSPECIFIED, OrderStatus.PENDING}
# An order is refunded after it was delivered or cancelled; either event settles what it holds.
_DEAD = {OrderStatus.CANCELLED, OrderStatus.REFUNDED}


async def order_states(peers: Channels, order_ids: Sequence[UUID]) -> dict[UUID, Fate]:
    """The fate of each order that order knows; at most 100 at once. Orders it does not know are left out."""
    request = BatchGetOrderStatesRequest(order_ids=[str(order_id) for order_id in order_ids])
    response = await peers.stub("order", OrderServiceStub).BatchGetOrderStates(request)
    return {UUID(state.order_id): _fate(state.status) for state in response.states}


def _fate(status: OrderStatus.Value.ValueType) -> Fate:
    if status in _OPEN:
        return Fate.OPEN
    return Fate.DEAD if status in _DEAD else Fate.ACCEPTED
