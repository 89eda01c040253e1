"""Copies of orders and points, and the events of accounts."""

from __future__ import annotations

from typing import Any

from jainshikanji.customer.v1 import customer_service_pb2 as pb
from jainshikanji.customer.v1.customer_pb2 import Customer
from jainshikanji.customer.v1.events_pb2 import CustomerRegistered
from jainshikanji.loyalty.v1 import events_pb2 as loyalty
from jainshikanji.loyalty.v1.tier_pb2 import LoyaltyTier
from jainshikanji.order.v1.events_pb2 import OrderDelivered
from jainshikanji.type.v1.money_pb2 import Money

from chassis import ids
from chassis.clock import now
from chassis.events.bus import EventMeta
from tests import harness
from tests.integration.customer.conftest import People, Person


async def consume(people: People, event: Any, event_id: Any = None) -> None:
    meta = EventMeta(
        id=event_id or ids.new_id(),
        type=event.DESCRIPTOR.full_name,
        source="test",
        key=event.customer_id,
        version=event.version,
        occurred_at=now(),
    )
    await people.process.consumer.apply([(event, meta)])


async def account(people: People, person: Person) -> Customer:
    found: Customer = await people.customer(harness.admin()).GetCustomer(pb.GetCustomerRequest(id=person.id))
    return found


async def test_the_newest_balance_and_tier_are_kept_in_any_order_of_arrival(people: People) -> None:
    asha = await people.register()
    await consume(people, loyalty.PointsEarned(customer_id=asha.id, points=10, balance=30, version=3))
    await consume(people, loyalty.TierChanged(customer_id=asha.id, tier=LoyaltyTier.GOLD, version=3))
    await consume(people, loyalty.PointsRedeemed(customer_id=asha.id, points=5, balance=20, version=2))
    await consume(people, loyalty.TierChanged(customer_id=asha.id, tier=LoyaltyTier.SILVER, version=2))
    found = await account(people, asha)
    assert (found.loyalty_points, found.loyalty_tier) == (30, LoyaltyTier.GOLD)
    await consume(people, loyalty.PointsReversed(customer_id=asha.id, points=30, balance=0, version=4))
    assert (await account(people, asha)).loyalty_points == 0


async def test_a_repeated_delivery_event_counts_once(people: People) -> None:
    asha = await people.register()
    event_id = ids.new_id()
    total = Money(currency_code="INR", minor_units=24_950)
    for _ in range(3):
        await consume(people, OrderDelivered(customer_id=asha.id, total=total, version=6), event_id)
    await consume(people, OrderDelivered(customer_id=asha.id, total=total, version=6))
    found = await account(people, asha)
    assert (found.total_orders, found.total_spent.minor_units) == (2, 49_900)


async def test_events_of_unknown_customers_change_nothing(people: People) -> None:
    await consume(people, OrderDelivered(customer_id=str(ids.new_id()), total=Money(currency_code="INR"), version=1))


async def test_the_event_of_a_registration_has_no_personal_data(people: People) -> None:
    asha = await people.register(last_name="Jain")
    rows = await people.query("SELECT payload, type FROM outbox WHERE key = %(key)s", key=asha.id)
    assert [row.type for row in rows] == [CustomerRegistered.DESCRIPTOR.full_name]
    event = CustomerRegistered.FromString(rows[0].payload)
    assert (event.customer_id, event.invited) == (asha.id, False)
    assert asha.email.encode() not in bytes(rows[0].payload)
    assert b"Asha" not in bytes(rows[0].payload)
