"""What payment asks of other services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

from jainshikanji.order.v1.order_pb2 import OrderStatus
from jainshikanji.order.v1.order_service_pb2 import BatchGetOrderStatesRequest
from jainshikanji.order.v1.order_service_pb2_grpc import OrderServiceStub

if TYPE_CHECKING:
    from chassis import App

WAITING: Final = "waiting"
CANCELLED: Final = "cancelled"
SETTLED: Final = "settled"


async def order_states(app: App, order_ids: Sequence[UUID]) -> Mapping[UUID, str]:
    """WAITING for the money, CANCELLED, or SETTLED; orders that are unknown are left out. 100 ids at most."""
    request = BatchGetOrderStatesRequest(order_ids=[str(order_id) for order_id in order_ids])
    response = await app.channels.stub("order", OrderServiceStub).BatchGetOrderStates(request)
    return {UUID(state.order_id): _reading(state.status) for state in response.states}


def _reading(status: OrderStatus.Value.ValueType) -> str:
    if status == OrderStatus.PENDING:
        return WAITING
    return CANCELLED if status == OrderStatus.CANCELLED else SETTLED
