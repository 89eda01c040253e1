"""A running loyalty service, and the events of other services that it consumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import pytest_asyncio
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from jainshikanji.customer.v1.events_pb2 import CustomerErased, CustomerRegistered
from jainshikanji.loyalty.v1 import loyalty_service_pb2 as api
from jainshikanji.loyalty.v1.campaign_pb2 import Campaign, CampaignType, DiscountType
from jainshikanji.loyalty.v1.loyalty_service_pb2_grpc import LoyaltyServiceStub
from jainshikanji.order.v1.events_pb2 import OrderCancelled, OrderConfirmed, OrderDelivered, OrderedItem
from jainshikanji.payment.v1.events_pb2 import RefundProcessed
from jainshikanji.type.v1.money_pb2 import Money

from chassis.database import sql
from chassis.events.bus import EventMeta
from chassis.ids import new_id
from chassis.process.service import Process
from services.loyalty.app import LoyaltyApp
from services.loyalty.model.campaigns import new_code
from tests.harness import Platform, admin, anonymous, customer, service


class EventRow(NamedTuple):
    type: str
    payload: bytes


class LedgerRow(NamedTuple):
    type: str
    points: int
    balance_after: int


class AccountMismatchRow(NamedTuple):
    customer_id: UUID
    balance: int
    held: int
    ledger: int
    lots: int


class CampaignMismatchRow(NamedTuple):
    id: UUID
    current_usage: int
    uses: int
    open: int


LIST_EVENTS = sql("SELECT type, payload FROM outbox WHERE key = %(key)s ORDER BY seq", row=EventRow)
LIST_LEDGER = sql(
    "SELECT type, points, balance_after FROM loyalty_transactions WHERE customer_id = %(id)s ORDER BY seq",
    row=LedgerRow,
)
LIST_MISMATCHED_ACCOUNTS = sql(
    """
    SELECT a.customer_id, a.balance, a.held, coalesce(t.points, 0) AS ledger, coalesce(l.remaining, 0) AS lots
    FROM loyalty_accounts a
    LEFT JOIN (SELECT customer_id, sum(points) AS points FROM loyalty_transactions GROUP BY 1) t USING (customer_id)
    LEFT JOIN (SELECT customer_id, sum(remaining) AS remaining FROM point_lots GROUP BY 1) l USING (customer_id)
    WHERE a.balance <> coalesce(t.points, 0) OR a.balance - a.held <> coalesce(l.remaining, 0)
    """,
    row=AccountMismatchRow,
)
LIST_MISMATCHED_CAMPAIGNS = sql(
    """
    SELECT c.id, c.current_usage, s.uses, r.open FROM campaigns c
    LEFT JOIN (SELECT campaign_id, sum(uses) AS uses FROM campaign_customers GROUP BY 1) s ON s.campaign_id = c.id
    LEFT JOIN (
        SELECT campaign_id, count(*) AS open FROM (
            SELECT campaign_id, order_id FROM benefit_reservations WHERE state IN ('reserved', 'used')
            UNION SELECT campaign_id, order_id FROM campaign_usage
        ) orders WHERE campaign_id IS NOT NULL GROUP BY 1
    ) r ON r.campaign_id = c.id
    WHERE coalesce(c.current_usage, 0) <> coalesce(s.uses, 0) OR coalesce(c.current_usage, 0) <> coalesce(r.open, 0)
    """,
    row=CampaignMismatchRow,
)


def rupees(amount: int | float | str) -> Money:
    return Money(currency_code="INR", minor_units=round(float(amount) * 100))


def timestamp(**ago: float) -> Timestamp:
    time = Timestamp()
    time.FromDatetime(datetime.now(UTC) - timedelta(**ago))
    return time


def line(price: float, quantity: int = 1, category: str = "Drinks", product_id: UUID | None = None) -> api.BenefitLine:
    return api.BenefitLine(
        product_id=str(product_id or new_id()), category=category, subtotal=rupees(price * quantity), quantity=quantity
    )


@dataclass
class Loyalty:
    """The running service and its callers."""

    platform: Platform
    process: Process

    def __post_init__(self) -> None:
        self.app: LoyaltyApp = self.process.app  # type: ignore[assignment]
        self.admin = self.stub(admin())
        self.order = self.stub(service("order"))
        self.anonymous = self.stub(anonymous())

    def stub(self, identity: Any) -> Any:
        """A client as that caller. The generated stub's own type is the blocking one."""
        return self.platform.stub("loyalty", LoyaltyServiceStub, identity)

    def as_customer(self, customer_id: UUID) -> Any:
        return self.stub(customer(customer_id))

    async def consume(self, *events: Message, ids: Sequence[UUID] | None = None, **ago: float) -> None:
        """Passes the events to the consumer in one batch, as JetStream does."""
        occurred = datetime.now(UTC) - timedelta(**ago)
        received = [
            (event, EventMeta(id_, event.DESCRIPTOR.full_name, "test", "key", 1, occurred))
            for event, id_ in zip(events, ids or [new_id() for _ in events], strict=True)
        ]
        await self.process.consumer.apply(received)

    async def register_customer(self, points: int = 0) -> UUID:
        """A customer, with points granted by an administrator."""
        customer_id = new_id()
        await self.consume(CustomerRegistered(customer_id=str(customer_id)))
        if points:
            await self.admin.EarnPoints(
                api.EarnPointsRequest(customer_id=str(customer_id), points=points, reason="a start")
            )
        return customer_id

    async def create_campaign(self, **fields: Any) -> Campaign:
        """A running campaign; 10 % off with a random code unless the fields say otherwise."""
        request = {
            "name": "Diwali",
            "type": CampaignType.DISCOUNT,
            "discount_type": DiscountType.PERCENTAGE,
            "percent_basis_points": 1000,
            "code": new_code("T", 10),
            "starts_at": timestamp(hours=1),
            "ends_at": timestamp(hours=-1),
            **fields,
        }
        created: Campaign = await self.admin.CreateCampaign(
            api.CreateCampaignRequest(**{name: value for name, value in request.items() if value is not None})
        )
        return created

    async def quote(self, customer_id: UUID, code: str = "", points: int = 0, **fields: Any) -> api.Benefits:
        request = api.QuoteBenefitsRequest(**_benefits_fields(customer_id, code, points, fields))
        benefits: api.Benefits = await self.order.QuoteBenefits(request)
        return benefits

    async def reserve(
        self, customer_id: UUID, code: str = "", points: int = 0, order_id: UUID | None = None, **fields: Any
    ) -> api.Benefits:
        request = api.ReserveBenefitsRequest(
            order_id=str(order_id or new_id()), **_benefits_fields(customer_id, code, points, fields)
        )
        benefits: api.Benefits = await self.order.ReserveBenefits(request)
        return benefits

    async def release(self, order_id: UUID) -> None:
        await self.order.ReleaseBenefits(api.ReleaseBenefitsRequest(order_id=str(order_id)))

    async def get_account(self, customer_id: UUID) -> Any:
        request = api.GetLoyaltyAccountRequest(customer_id=str(customer_id))
        return await self.as_customer(customer_id).GetLoyaltyAccount(request)

    async def list_ledger(self, customer_id: UUID) -> list[LedgerRow]:
        return await self.app.db.all(LIST_LEDGER, id=customer_id)

    async def list_event_names(self, customer_id: UUID) -> list[str]:
        """Short names of the events of an account, in order."""
        return [row.type.rsplit(".", 1)[1] for row in await self.app.db.all(LIST_EVENTS, key=str(customer_id))]

    async def list_events(self, customer_id: UUID, kind: type[Message]) -> list[Any]:
        rows = await self.app.db.all(LIST_EVENTS, key=str(customer_id))
        return [kind.FromString(row.payload) for row in rows if row.type == kind.DESCRIPTOR.full_name]

    async def assert_ledgers_match(self) -> None:
        """Balances equal ledgers, lots and reservations; usage counters of campaigns equal their uses."""
        assert await self.app.db.all(LIST_MISMATCHED_ACCOUNTS) == []
        assert await self.app.db.all(LIST_MISMATCHED_CAMPAIGNS) == []


def _benefits_fields(customer_id: UUID, code: str, points: int, fields: dict[str, Any]) -> dict[str, Any]:
    lines = fields.pop("lines", None) or [line(400)]
    subtotal = Money(currency_code="INR", minor_units=sum(item.subtotal.minor_units for item in lines))
    return {
        "customer_id": str(customer_id),
        "store_id": str(new_id()),
        "coupon_code": code,
        "points": points,
        "subtotal": subtotal,
        "delivery_fee": rupees(40),
        "lines": lines,
        **fields,
    }


def confirmed(order_id: UUID, customer_id: UUID) -> OrderConfirmed:
    return OrderConfirmed(order_id=str(order_id), order_number="JS-TEST", customer_id=str(customer_id))


def cancelled(order_id: UUID, customer_id: UUID) -> OrderCancelled:
    return OrderCancelled(order_id=str(order_id), order_number="JS-TEST", customer_id=str(customer_id))


def delivered(
    order_id: UUID, customer_id: UUID, subtotal: float = 500, *, discount: float = 0, points_discount: float = 0
) -> OrderDelivered:
    """An order of one line; its total has 5 % tax."""
    paid = subtotal - discount - points_discount
    item = OrderedItem(
        product_id=str(new_id()),
        name="Shikanji",
        category="Drinks",
        quantity=1,
        unit_price=rupees(subtotal),
        subtotal=rupees(subtotal),
    )
    return OrderDelivered(
        order_id=str(order_id),
        order_number="JS-TEST",
        customer_id=str(customer_id),
        total=rupees(paid * 1.05),
        subtotal=rupees(subtotal),
        discount=rupees(discount),
        loyalty_discount=rupees(points_discount),
        items=[item],
    )


def refunded(order_id: UUID, customer_id: UUID, total: float, captured: float) -> RefundProcessed:
    """A refund; `total` of the captured amount is refunded by now."""
    return RefundProcessed(
        order_id=str(order_id),
        customer_id=str(customer_id),
        refunded_total=rupees(total),
        captured_amount=rupees(captured),
        fully=total == captured,
    )


def erased(customer_id: UUID) -> CustomerErased:
    return CustomerErased(customer_id=str(customer_id))


@pytest_asyncio.fixture(scope="session")
async def loyalty(platform: Platform) -> Loyalty:
    return Loyalty(platform, await platform.start("loyalty"))
