"""Events over NATS, reservations without an event, and many concurrent orders."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from jainshikanji.customer.v1.events_pb2 import CustomerRegistered
from jainshikanji.loyalty.v1 import loyalty_service_pb2 as api
from jainshikanji.loyalty.v1.events_pb2 import PointsEarned
from jainshikanji.order.v1.order_pb2 import OrderStatus
from jainshikanji.order.v1.order_service_pb2 import BatchGetOrderStatesResponse, OrderState
from psycopg.errors import DeadlockDetected

from chassis.database import sql
from chassis.events.bus import Bus
from chassis.ids import new_id
from services.loyalty.queries import accounts as q
from services.loyalty.usecases.benefits import settle_stale_reservations
from services.loyalty.usecases.coupon_limits import purge_expired
from tests.integration.loyalty.conftest import Loyalty, cancelled, confirmed, delivered, refunded

AGE_RESERVATION = sql(
    "UPDATE benefit_reservations SET created_at = now() - interval '61 minutes' WHERE order_id = ANY(%(ids)s::uuid[])"
)


class Orders:
    """The order service, which knows these states."""

    def __init__(self, states: dict[UUID, Any]) -> None:
        self._states = states
        self.requested_ids: list[str] = []

    def stub(self, service: str, _: Any) -> Orders:
        assert service == "order"
        return self

    async def BatchGetOrderStates(self, request: Any) -> BatchGetOrderStatesResponse:
        self.requested_ids += request.order_ids
        known = {str(order_id): status for order_id, status in self._states.items()}
        return BatchGetOrderStatesResponse(
            states=[OrderState(order_id=id_, status=known[id_]) for id_ in request.order_ids if id_ in known]
        )


async def test_reservations_without_an_event_are_settled_from_the_state_of_the_order(
    loyalty: Loyalty, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer_id = await loyalty.register_customer(points=400)
    used, open_, gone, unknown, fresh = (new_id() for _ in range(5))
    for order_id in (used, open_, gone, unknown, fresh):
        await loyalty.reserve(customer_id, "", 50, order_id)
    await loyalty.app.db.run(AGE_RESERVATION, ids=[used, open_, gone, unknown])
    orders = Orders(
        {
            used: OrderStatus.PREPARING,
            open_: OrderStatus.PENDING,
            gone: OrderStatus.CANCELLED,
            fresh: OrderStatus.CANCELLED,
        }
    )
    monkeypatch.setattr(loyalty.app, "channels", orders)
    await settle_stale_reservations(loyalty.app)
    account = await loyalty.get_account(customer_id)
    assert (account.balance, account.held) == (350, 100)
    assert str(fresh) not in orders.requested_ids
    await settle_stale_reservations(loyalty.app)
    assert (await loyalty.get_account(customer_id)).balance == 350
    await loyalty.assert_ledgers_match()
    await loyalty.release(open_)


async def test_events_are_consumed_from_and_published_to_nats(loyalty: Loyalty) -> None:
    customer_id = new_id()
    bus = Bus("customer", loyalty.platform.nats.url, listen_url=loyalty.platform.postgres.url("loyalty"))
    await bus.connect()
    received: asyncio.Queue[Any] = asyncio.Queue()
    await bus.subscribe(PointsEarned.DESCRIPTOR.full_name, received.put)
    await loyalty.platform.publish(CustomerRegistered(customer_id=str(customer_id)))
    request = api.EarnPointsRequest(customer_id=str(customer_id), points=12, reason="a welcome")
    async with asyncio.timeout(20):
        while await loyalty.app.db.one(q.GET_CUSTOMER, customer_id=customer_id) is None:
            await asyncio.sleep(0.02)
        await loyalty.admin.EarnPoints(request)
        earned = PointsEarned.FromString((await received.get()).data)
        while earned.customer_id != str(customer_id):
            earned = PointsEarned.FromString((await received.get()).data)
    assert (earned.points, earned.balance) == (12, 12)
    await bus.close()


async def test_many_concurrent_orders_with_one_coupon_lose_no_use(loyalty: Loyalty) -> None:
    campaign = await loyalty.create_campaign(usage_per_customer=0)
    customers = [await loyalty.register_customer(points=1000) for _ in range(6)]
    dice = random.Random(7)

    async def consume(*events: Any) -> None:
        """As the consumer does: after a deadlock the events of the batch are handled one by one."""
        try:
            await loyalty.consume(*events)
        except DeadlockDetected:
            for event in events:
                await consume(event)

    async def run_orders() -> None:
        for _ in range(4):
            placed = {new_id(): customer_id for customer_id in dice.sample(customers, 4)}
            await asyncio.gather(
                *(loyalty.reserve(customer_id, campaign.code, 10, id_) for id_, customer_id in placed.items())
            )
            events = [confirmed(id_, customer_id) for id_, customer_id in placed.items()]
            ends: list[Any] = [cancelled, delivered]
            events += [dice.choice(ends)(id_, customer_id) for id_, customer_id in placed.items()]
            dice.shuffle(events)
            await consume(*events)
            await consume(*(refunded(id_, customer_id, 100, 525) for id_, customer_id in placed.items()))

    await asyncio.gather(*(run_orders() for _ in range(3)))
    await loyalty.assert_ledgers_match()
    held = [(await loyalty.get_account(customer_id)).held for customer_id in customers]
    assert held == [0] * 6


async def test_expired_guesses_are_purged(loyalty: Loyalty) -> None:
    await loyalty.app.db.run(
        sql("INSERT INTO coupon_guesses (guesser, misses, until) VALUES (%(guesser)s, 3, %(until)s)"),
        guesser=new_id().bytes,
        until=datetime.now(UTC) - timedelta(minutes=1),
    )
    await purge_expired(loyalty.app)
    assert await loyalty.app.db.one(sql("SELECT count(*) FROM coupon_guesses WHERE until < now()", value=int)) == 0
