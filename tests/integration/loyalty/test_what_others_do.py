"""What comes from outside: events by NATS, orders that order forgot, many orders crossing each other."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
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
    """What order would answer about these orders."""

    def __init__(self, states: dict[UUID, Any]) -> None:
        self._states = states
        self.asked: list[str] = []

    def stub(self, service: str, _: Any) -> Orders:
        assert service == "order"
        return self

    async def BatchGetOrderStates(self, request: Any) -> BatchGetOrderStatesResponse:
        self.asked += request.order_ids
        known = {str(order_id): status for order_id, status in self._states.items()}
        return BatchGetOrderStatesResponse(
            states=[OrderState(order_id=id_, status=known[id_]) for id_ in request.order_ids if id_ in known]
        )


async def test_benefits_that_no_event_settled_are_settled_by_asking_order(
    loyalty: Loyalty, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer_id = await loyalty.registered(points=400)
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
    account = await loyalty.account(customer_id)
    assert (account.balance, account.held) == (350, 100)
    assert str(fresh) not in orders.asked
    await settle_stale_reservations(loyalty.app)
    assert (await loyalty.account(customer_id)).balance == 350
    await loyalty.assert_books_balance()
    await loyalty.release(open_)


async def test_events_come_by_nats_and_what_they_cause_goes_out_by_nats(loyalty: Loyalty) -> None:
    customer_id, event_id = new_id(), new_id()
    bus = Bus("customer", loyalty.platform.nats.url, listen_url=loyalty.platform.postgres.url("loyalty"))
    await bus.connect()
    heard: asyncio.Queue[Any] = asyncio.Queue()
    await bus.subscribe(PointsEarned.DESCRIPTOR.full_name, heard.put)
    event = CustomerRegistered(customer_id=str(customer_id))
    row = SimpleNamespace(
        event_id=event_id,
        type=event.DESCRIPTOR.full_name,
        payload=event.SerializeToString(),
        key=str(customer_id),
        version=1,
        occurred_at=datetime.now(UTC),
        trace_parent=None,
    )
    await bus.publish([row])
    request = api.EarnPointsRequest(customer_id=str(customer_id), points=12, reason="a welcome")
    async with asyncio.timeout(20):
        while await loyalty.app.db.one(q.GET_CUSTOMER, customer_id=customer_id) is None:
            await asyncio.sleep(0.02)
        await loyalty.admin.EarnPoints(request)
        earned = PointsEarned.FromString((await heard.get()).data)
        while earned.customer_id != str(customer_id):
            earned = PointsEarned.FromString((await heard.get()).data)
    assert (earned.points, earned.balance) == (12, 12)
    await bus.close()


async def test_many_orders_of_many_customers_with_one_coupon_cross_without_loss(loyalty: Loyalty) -> None:
    campaign = await loyalty.campaign(usage_per_customer=0)
    customers = [await loyalty.registered(points=1000) for _ in range(6)]
    dice = random.Random(7)

    async def tell(*events: Any) -> None:
        """As the consumer does: a batch that is the victim of a deadlock is handled one by one, then again."""
        try:
            await loyalty.hear(*events)
        except DeadlockDetected:
            for event in events:
                await tell(event)

    async def live() -> None:
        for _ in range(4):
            placed = {new_id(): customer_id for customer_id in dice.sample(customers, 4)}
            await asyncio.gather(
                *(loyalty.reserve(customer_id, campaign.code, 10, id_) for id_, customer_id in placed.items())
            )
            told = [confirmed(id_, customer_id) for id_, customer_id in placed.items()]
            ends: list[Any] = [cancelled, delivered]
            told += [dice.choice(ends)(id_, customer_id) for id_, customer_id in placed.items()]
            dice.shuffle(told)
            await tell(*told)
            await tell(*(refunded(id_, customer_id, 100, 525) for id_, customer_id in placed.items()))

    await asyncio.gather(*(live() for _ in range(3)))
    await loyalty.assert_books_balance()
    held = [(await loyalty.account(customer_id)).held for customer_id in customers]
    assert held == [0] * 6


async def test_old_guesses_are_forgotten(loyalty: Loyalty) -> None:
    await loyalty.app.db.run(
        sql("INSERT INTO coupon_guesses (guesser, misses, until) VALUES (%(guesser)s, 3, %(until)s)"),
        guesser=new_id().bytes,
        until=datetime.now(UTC) - timedelta(minutes=1),
    )
    await purge_expired(loyalty.app)
    assert await loyalty.app.db.value(sql("SELECT count(*) FROM coupon_guesses WHERE until < now()")) == 0
