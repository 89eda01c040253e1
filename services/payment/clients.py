"""Calls to other services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias
from uuid import UUID

from jainshikanji.order.v1.order_pb2 import OrderStatus
from jainshikanji.order.v1.order_service_pb2 import BatchGetOrderStatesRequest
from jainshikanji.order.v1.order_service_pb2_grpc import OrderServiceStub

from chassis import App

# Waiting for the payment, cancelled, or any state between confirmed and delivered.
OrderState: TypeAlias = Literal["waiting", "cancelled", "settled"]


async def get_order_states(app: App, order_ids: Sequence[UUID]) -> Mapping[UUID, OrderState]:
    """The states of the orders that exist; at most 100 ids."""
    request = BatchGetOrderStatesRequest(order_ids=[str(order_id) for order_id in order_ids])
    response = await app.channels.stub("order", OrderServiceStub).BatchGetOrderStates(request)
    return {UUID(state.order_id): _state_from_proto(state.status) for state in response.states}


def _state_from_proto(status: OrderStatus.Value.ValueType) -> OrderState:
    if status == OrderStatus.PENDING:
        return "waiting"
    return "cancelled" if status == OrderStatus.CANCELLED else "settled"
