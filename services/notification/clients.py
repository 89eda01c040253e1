"""Calls to other services: contacts of accounts from customer, names and time zones of stores from store."""

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
from services.notification.model.preferences import DEFAULT_TIME_ZONE
from services.notification.model.templates import StoreDetails
from services.notification.providers import Recipient

log = structlog.get_logger(__name__)

MAX_IDS_PER_CALL: Final = 100
STORE_SECONDS: Final = 600.0
STORE_TIMEOUT_SECONDS: Final = 1.0
_MAX_STORES: Final = 2000


@dataclass(frozen=True, slots=True)
class Contact:
    """The addresses of an account, and its locale."""

    recipient: Recipient
    locale: str


async def get_contacts(channels: Channels, user_ids: Iterable[UUID]) -> dict[UUID, Contact]:
    """Contacts of at most MAX_IDS_PER_CALL accounts; unknown accounts are left out.

    Raises Unavailable when customer does not respond.
    """
    request = BatchGetContactsRequest(customer_ids=sorted({str(user_id) for user_id in user_ids}))
    if not request.customer_ids:
        return {}
    response = await channels.stub("customer", CustomerServiceStub).BatchGetContacts(request)
    return {
        UUID(contact.customer_id): Contact(
            Recipient(UUID(contact.customer_id), contact.name, contact.email, contact.phone), contact.locale
        )
        for contact in response.contacts
    }


class StoreCache:
    """Names and time zones of stores, cached for ten minutes. They are only shown, so stale ones do no harm."""

    def __init__(self) -> None:
        self._cached: dict[UUID, tuple[float, StoreDetails]] = {}

    async def get(self, channels: Channels, store_ids: Iterable[UUID | None]) -> dict[UUID, StoreDetails]:
        """Details of each store; those of the brand for an unknown store, and when store does not respond."""
        wanted = {store_id for store_id in store_ids if store_id is not None}
        fresh_since = time.monotonic() - STORE_SECONDS
        missing = [store_id for store_id in wanted if self._cached.get(store_id, (0.0,))[0] < fresh_since]
        for start in range(0, len(missing), MAX_IDS_PER_CALL):
            await self._fetch(channels, missing[start : start + MAX_IDS_PER_CALL])
        return {
            store_id: self._cached[store_id][1] if store_id in self._cached else StoreDetails() for store_id in wanted
        }

    async def _fetch(self, channels: Channels, store_ids: list[UUID]) -> None:
        request = BatchGetStoresRequest(ids=[str(store_id) for store_id in store_ids])
        try:
            stub = channels.stub("store", StoreServiceStub)
            response = await stub.BatchGetStores(request, timeout=STORE_TIMEOUT_SECONDS)
        except DomainError as error:
            log.info("store names are not available", error=error.message)
            return
        if len(self._cached) > _MAX_STORES:
            self._cached.clear()
        fetched_at = time.monotonic()
        # Unknown stores are cached too, so that not every message causes a call.
        self._cached.update(dict.fromkeys(store_ids, (fetched_at, StoreDetails())))
        for store in response.stores:
            details = StoreDetails(store.name, store.time_zone or DEFAULT_TIME_ZONE)
            self._cached[UUID(store.id)] = (fetched_at, details)
