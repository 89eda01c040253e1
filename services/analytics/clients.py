"""Calls to other services."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from jainshikanji.store.v1.store_service_pb2 import BatchGetStoresRequest
from jainshikanji.store.v1.store_service_pb2_grpc import StoreServiceStub

from chassis.rpc.channels import Channels
from services.analytics.model.facts import StoreFact
from services.analytics.model.period import PLATFORM_ZONE

# Older than every event of a store but its first, which says the same.
_FIRST_VERSION = 1


async def get_stores(channels: Channels, store_ids: Sequence[UUID]) -> list[StoreFact]:
    """Those of at most 100 stores that exist. Raises Unavailable when store does not respond."""
    request = BatchGetStoresRequest(ids=[str(store_id) for store_id in store_ids])
    response = await channels.stub("store", StoreServiceStub).BatchGetStores(request, timeout=1.0)
    return [
        StoreFact(UUID(store.id), store.name, store.time_zone or PLATFORM_ZONE, _FIRST_VERSION)
        for store in response.stores
    ]
