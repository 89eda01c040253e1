"""Calls to other services."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from jainshikanji.order.v1.order_pb2 import OrderStatus
from jainshikanji.order.v1.order_service_pb2 import BatchGetOrderStatesRequest
from jainshikanji.order.v1.order_service_pb2_grpc import OrderServiceStub

from chassis.rpc.channels import Channels

# The limit of BatchGetOrderStates.
MAX_STATES = 100


async def get_order_states(channels: Channels, order_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The state of each order, as in CONFIRMED; unknown orders are left out. An order that is being placed is PENDING.

    Raises Unavailable when the order service does not respond.
    """
    request = BatchGetOrderStatesRequest(order_ids=[str(order_id) for order_id in order_ids])
    response = await channels.stub("order", OrderServiceStub).BatchGetOrderStates(request)
    return {UUID(state.order_id): OrderStatus.Value.Name(state.status) for state in response.states}
