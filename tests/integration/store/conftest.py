"""A running store service, and stores in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from jainshikanji.store.v1.operating_hours_pb2 import DayHours, OpeningInterval
from jainshikanji.store.v1.store_pb2 import Store
from jainshikanji.store.v1.store_service_pb2 import CreateStoreRequest, UpdateOperatingHoursRequest
from jainshikanji.store.v1.store_service_pb2_grpc import StoreServiceStub
from jainshikanji.type.v1.geo_point_pb2 import GeoPoint
from jainshikanji.type.v1.money_pb2 import Money
from jainshikanji.type.v1.postal_address_pb2 import PostalAddress

from chassis import ids
from chassis.process.service import Process
from tests import harness
from tests.harness import Identity, Platform

MakeStore = Callable[..., Awaitable[Store]]


@pytest_asyncio.fixture(scope="session")
async def process(platform: Platform) -> Process:
    return await platform.start("store")


@pytest.fixture
def as_caller(platform: Platform, process: Process) -> Callable[[Identity], Any]:
    """A stub of StoreService for that caller."""
    return lambda caller: platform.stub("store", StoreServiceStub, caller)


@pytest.fixture
def admin(as_caller: Callable[[Identity], Any]) -> Any:
    return as_caller(harness.admin())


@pytest.fixture
def public(as_caller: Callable[[Identity], Any]) -> Any:
    return as_caller(harness.anonymous())


@pytest.fixture
def manager(as_caller: Callable[[Identity], Any]) -> Callable[[str], Any]:
    """A stub of StoreService for the manager of that store."""
    return lambda store_id: as_caller(harness.staff(ids.new_id(), UUID(store_id), "manager"))


@pytest.fixture
def make_store(admin: Any) -> MakeStore:
    """Adds a store in Mumbai, open around the clock by default; keyword arguments replace fields of the request."""

    async def make(*, open_always: bool = True, **fields: Any) -> Store:
        store = await admin.CreateStore(new_store(**fields))
        if open_always:
            await admin.UpdateOperatingHours(always_open(store.id))
        return store

    return make


def rupees(amount: int) -> Money:
    return Money(currency_code="INR", minor_units=amount * 100)


def address(**fields: Any) -> PostalAddress:
    usual: dict[str, Any] = {
        "address_line1": "1 Marine Drive",
        "city": "Mumbai",
        "state": "Maharashtra",
        "postal_code": "400020",
        "location": GeoPoint(latitude=18.944, longitude=72.823),
    }
    return PostalAddress(**{**usual, **fields})


def new_store(**fields: Any) -> CreateStoreRequest:
    usual: dict[str, Any] = {
        "name": f"Jain Shikanji {ids.new_id().hex[-12:]}",
        "email": "marine.drive@jainshikanji.example",
        "phone": "+912212345678",
        "address": address(),
        "min_order_value": rupees(149),
        "delivery_fee": rupees(40),
        "free_delivery_above": rupees(499),
        "delivery_radius_metres": 5000,
    }
    return CreateStoreRequest(**{**usual, **fields})


def always_open(store_id: str) -> UpdateOperatingHoursRequest:
    day_long = OpeningInterval(open_time="00:00", close_time="00:00")
    days = [DayHours(day_of_week=day, intervals=[day_long]) for day in range(7)]
    return UpdateOperatingHoursRequest(id=store_id, days=days)
