"""What analytics asks others: a store that no event has told of yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from jainshikanji.store.v1.store_service_pb2 import BatchGetStoresRequest
from jainshikanji.store.v1.store_service_pb2_grpc import StoreServiceStub

from chassis.rpc.channels import Channels
from services.analytics.model.period import PLATFORM_ZONE


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """A store's name and zone."""

    store_id: UUID
    name: str
    time_zone: str


async def stores(peers: Channels, store_ids: Sequence[UUID]) -> list[StoreFacts]:
    """The stores that exist, of at most 100. Raises Unavailable when store does not answer."""
    request = BatchGetStoresRequest(ids=[str(store_id) for store_id in store_ids])
    answer = await peers.stub("store", StoreServiceStub).BatchGetStores(request, timeout=1.0)
    return [StoreFacts(UUID(store.id), store.name, store.time_zone or PLATFORM_ZONE) for store in answer.stores]
