"""What notification asks others: addresses from customer when it sends, names and zones of stores."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog
from jainshikanji.customer.v1.customer_service_pb2 import BatchGetContactsRequest
from jainshikanji.customer.v1.customer_service_pb2_grpc import CustomerServiceStub
from jainshikanji.store.v1.store_service_pb2 import BatchGetStoresRequest
from jainshikanji.store.v1.store_service_pb2_grpc import StoreServiceStub

from chassis.errors import DomainError
from chassis.rpc.channels import Channels
from services.notification.model import DEFAULT_ZONE
from services.notification.providers import Recipient

log = structlog.get_logger(__name__)

AT_A_TIME: Final = 100
STORE_SECONDS: Final = 600.0
_STORES_KEPT: Final = 2000
BRAND: Final = "Jain Shikanji"


@dataclass(frozen=True, slots=True)
class Contact:
    """Where an account can be reached, and in which language."""

    recipient: Recipient
    locale: str


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What a text says of a store."""

    name: str = BRAND
    zone: str = DEFAULT_ZONE


async def contacts(peers: Channels, user_ids: Iterable[UUID]) -> dict[UUID, Contact]:
    """Contacts of those accounts that exist, at most AT_A_TIME. Raises Unavailable when customer does not answer."""
    request = BatchGetContactsRequest(customer_ids=sorted({str(user_id) for user_id in user_ids}))
    if not request.customer_ids:
        return {}
    answer = await peers.stub("customer", CustomerServiceStub).BatchGetContacts(request)
    return {
        UUID(contact.customer_id): Contact(
            Recipient(UUID(contact.customer_id), contact.name, contact.email, contact.phone), contact.locale
        )
        for contact in answer.contacts
    }


class StoreNames:
    """Names and zones of stores, kept for ten minutes. They are for reading only, so an old one does no harm."""

    def __init__(self) -> None:
        self._kept: dict[UUID, tuple[float, StoreFacts]] = {}

    async def get(self, peers: Channels, store_ids: Iterable[UUID | None]) -> dict[UUID, StoreFacts]:
        """Facts of each store; of one that is not known or when store does not answer, the brand's."""
        wanted = {store_id for store_id in store_ids if store_id is not None}
        fresh_since = time.monotonic() - STORE_SECONDS
        missing = [store_id for store_id in wanted if self._kept.get(store_id, (0.0,))[0] < fresh_since]
        for start in range(0, len(missing), AT_A_TIME):
            await self._fetch(peers, missing[start : start + AT_A_TIME])
        return {store_id: self._kept[store_id][1] if store_id in self._kept else StoreFacts() for store_id in wanted}

    async def _fetch(self, peers: Channels, store_ids: list[UUID]) -> None:
        request = BatchGetStoresRequest(ids=[str(store_id) for store_id in store_ids])
        try:
            answer = await peers.stub("store", StoreServiceStub).BatchGetStores(request, timeout=1.0)
        except DomainError as refusal:
            log.info("messages name no store for now", error=refusal.message)
            return
        if len(self._kept) > _STORES_KEPT:
            self._kept.clear()
        asked_at = time.monotonic()
        # One that is not known is not asked for again with every message.
        self._kept.update(dict.fromkeys(store_ids, (asked_at, StoreFacts())))
        for store in answer.stores:
            self._kept[UUID(store.id)] = (asked_at, StoreFacts(store.name, store.time_zone or DEFAULT_ZONE))
