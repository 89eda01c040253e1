"""What inventory asks other services."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from jainshikanji.order.v1.order_pb2 import OrderStatus
from jainshikanji.order.v1.order_service_pb2 import BatchGetOrderStatesRequest
from jainshikanji.order.v1.order_service_pb2_grpc import OrderServiceStub

from chassis.rpc.channels import Channels

# As many as order answers at once.
MOST_STATES = 100


async def order_states(peers: Channels, order_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The state of each order that order knows, as in CONFIRMED; PENDING while it is being placed.

    Raises Unavailable when order does not answer.
    """
    request = BatchGetOrderStatesRequest(order_ids=[str(order_id) for order_id in order_ids])
    answer = await peers.stub("order", OrderServiceStub).BatchGetOrderStates(request)
    return {UUID(state.order_id): OrderStatus.Value.Name(state.status) for state in answer.states}
