"""What is kept, and how orders become figures.

An order's fact gathers what its events say, in whatever order and however often they come: each event sets what it
alone knows, so the result does not depend on the order of arrival. A fact adds `contribution(fact, zone)` to the
roll-ups; when it changes, the difference between its contributions is added. So a roll-up is at all times the sum over
the facts, and a test holds it to that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from operator import add, sub
from typing import Any, Final, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.tables import service_metadata, type_annotations

PLATFORM_ZONE: Final = "Asia/Kolkata"
ZERO: Final = Decimal("0.00")
Amount = Numeric(14, 2)


class Milestone(StrEnum):
    """What an order can reach. The words are columns of order_facts, with `_at`."""

    CONFIRMED = "confirmed"
    PREPARING = "preparing"
    READY = "ready"
    DISPATCHED = "dispatched"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


# Whoever has reached one of these was accepted, whether or not OrderConfirmed has been heard yet.
_ACCEPTED: Final = frozenset(
    {Milestone.CONFIRMED, Milestone.PREPARING, Milestone.READY, Milestone.DISPATCHED, Milestone.DELIVERED}
)


@dataclass(frozen=True, slots=True)
class Line:
    """One product of an order."""

    product_id: UUID
    name: str
    category: str
    quantity: int
    sales: Decimal


@dataclass(frozen=True, slots=True)
class Placement:
    """What was ordered, as the order's first event tells it."""

    number: str
    store_id: UUID
    customer_id: UUID
    placed_at: datetime
    fulfilment: str
    payment_method: str
    subtotal: Decimal
    tax: Decimal
    delivery_fee: Decimal
    discount: Decimal
    loyalty_discount: Decimal
    total: Decimal
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class OrderFact:
    """All that is known of one order."""

    order_id: UUID
    placement: Placement | None = None
    reached: Mapping[Milestone, datetime] = field(default_factory=dict)
    refunds: Mapping[str, Decimal] = field(default_factory=dict)
    version: int = 0

    def placed(self, placement: Placement, version: int) -> Self:
        """The order's first event."""
        return replace(self, placement=placement, version=max(self.version, version))

    def has_reached(self, milestone: Milestone, at: datetime, version: int) -> Self:
        """One of its later events. The earliest time counts, so a repeat changes nothing."""
        earliest = min(at, self.reached.get(milestone, at))
        return replace(self, reached={**self.reached, milestone: earliest}, version=max(self.version, version))

    def refunded(self, refund_id: str, amount: Decimal) -> Self:
        """Money of it went back. A repeat of the same refund changes nothing."""
        return replace(self, refunds={**self.refunds, refund_id: amount})

    @property
    def refunded_amount(self) -> Decimal:
        """What has gone back in all."""
        return sum(self.refunds.values(), ZERO)

    @property
    def is_cancelled(self) -> bool:
        """Cancelled, in whatever state."""
        return Milestone.CANCELLED in self.reached

    @property
    def counts(self) -> bool:
        """Whether it is a sale: confirmed and not cancelled."""
        return self.placement is not None and not self.is_cancelled and not _ACCEPTED.isdisjoint(self.reached)

    def seconds(self, start: Milestone, end: Milestone) -> int | None:
        """How long it took from one to the other; None when it has not reached both."""
        if start not in self.reached or end not in self.reached:
            return None
        return max(0, round((self.reached[end] - self.reached[start]).total_seconds()))


# The measures of a roll-up of orders, in the order of its columns.
COUNTS: Final = (
    "placed",
    "counted",
    "cancelled",
    "delivered",
    "prepared",
    "preparation_seconds",
    "carried",
    "delivery_seconds",
)
AMOUNTS: Final = ("gross", "refunds", "tax", "delivery_fees", "discounts")
MEASURES: Final = COUNTS + AMOUNTS
Figures = tuple[Any, ...]
NOTHING: Final[Figures] = (0,) * len(COUNTS) + (ZERO,) * len(AMOUNTS)


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one order adds to the roll-ups of one zone."""

    store_id: UUID
    day: date
    hour: int
    figures: Figures
    # product id → quantity, orders, sales
    products: Mapping[UUID, tuple[int, int, Decimal]]
    # customer id → orders, revenue
    customers: Mapping[UUID, tuple[int, Decimal]]


def contribution(fact: OrderFact, zone: str) -> Contribution | None:
    """Nothing until the order's first event is heard: without it neither day nor amounts are known."""
    order = fact.placement
    if order is None:
        return None
    local = order.placed_at.astimezone(ZoneInfo(zone))
    counted = fact.counts
    return Contribution(
        order.store_id,
        local.date(),
        local.hour,
        _figures(fact, order),
        _products(order) if counted else {},
        {order.customer_id: (1, order.total - fact.refunded_amount)} if counted else {},
    )


def _figures(fact: OrderFact, order: Placement) -> Figures:
    cancelled, delivered = int(fact.is_cancelled), int(Milestone.DELIVERED in fact.reached)
    if not fact.counts:
        return (1, 0, cancelled, delivered, *NOTHING[4:])
    preparation = fact.seconds(Milestone.CONFIRMED, Milestone.READY)
    delivery = fact.seconds(Milestone.DISPATCHED, Milestone.DELIVERED)
    return (
        1,
        1,
        cancelled,
        delivered,
        int(preparation is not None),
        preparation or 0,
        int(delivery is not None),
        delivery or 0,
        order.total,
        fact.refunded_amount,
        order.tax,
        order.delivery_fee,
        order.discount + order.loyalty_discount,
    )


def _products(order: Placement) -> dict[UUID, tuple[int, int, Decimal]]:
    """A product that stands on two lines is in one order."""
    products: dict[UUID, tuple[int, int, Decimal]] = {}
    for line in order.lines:
        quantity, _, sales = products.get(line.product_id, (0, 0, ZERO))
        products[line.product_id] = (quantity + line.quantity, 1, sales + line.sales)
    return products


class Differences:
    """What roll-ups must change by, gathered over many orders."""

    def __init__(self) -> None:
        self._hours: defaultdict[tuple[Any, ...], Figures] = defaultdict(lambda: NOTHING)
        self._products: defaultdict[tuple[Any, ...], Figures] = defaultdict(lambda: (0, 0, ZERO))
        self._customers: defaultdict[tuple[Any, ...], Figures] = defaultdict(lambda: (0, ZERO))

    def change(self, before: OrderFact, after: OrderFact, zone: str) -> None:
        """One order was `before` and is `after`."""
        old, new = contribution(before, zone), contribution(after, zone)
        for part, other, sign in ((old, new, -1), (new, old, 1)):
            if part is None:
                continue
            where = (part.store_id, zone, part.day)
            _sum(self._hours, (*where, part.hour), part.figures, sign)
            # Most events change times alone; what is the same before and after need not be taken off and put back.
            stays = other is not None and (other.store_id, other.day) == (part.store_id, part.day)
            if not (stays and other is not None and other.products == part.products):
                for product_id, figures in part.products.items():
                    _sum(self._products, (*where, product_id), figures, sign)
            if not (stays and other is not None and other.customers == part.customers):
                for customer_id, spent in part.customers.items():
                    _sum(self._customers, (*where, customer_id), spent, sign)

    def hours(self) -> list[Figures]:
        """Rows of sales_hours: store, zone, day, hour, measures; in one order, so that writers do not deadlock."""
        return _rows(self._hours)

    def days(self) -> list[Figures]:
        """Rows of sales_days: store, zone, day, measures."""
        days: defaultdict[tuple[Any, ...], Figures] = defaultdict(lambda: NOTHING)
        for key, figures in self._hours.items():
            _sum(days, key[:3], figures, 1)
        return _rows(days)

    def products(self) -> list[Figures]:
        """Rows of product_days: store, zone, day, product, quantity, orders, sales."""
        return _rows(self._products)

    def customers(self) -> list[Figures]:
        """Rows of customer_days: store, zone, day, customer, orders, revenue."""
        return _rows(self._customers)


def _sum(sums: defaultdict[tuple[Any, ...], Figures], key: tuple[Any, ...], figures: Figures, sign: int) -> None:
    change = add if sign > 0 else sub
    sums[key] = tuple(map(change, sums[key], figures))


def _rows(sums: Mapping[tuple[Any, ...], Figures]) -> list[Figures]:
    return [(*key, *figures) for key, figures in sorted(sums.items()) if any(figures)]


def zones_of(store_zone: str | None) -> tuple[str, ...]:
    """The zones whose days a store's orders are counted in: the platform's, and the store's own where it differs."""
    if store_zone in (None, PLATFORM_ZONE):
        return (PLATFORM_ZONE,)
    assert store_zone is not None
    return (PLATFORM_ZONE, store_zone)


@dataclass(frozen=True, slots=True)
class Period:
    """Days of a zone, and the stores that are asked for."""

    first: date
    last: date
    zone: str
    store_id: UUID | None
    everywhere: bool
    store_ids: list[UUID]

    @property
    def days(self) -> int:
        """How many."""
        return (self.last - self.first).days + 1

    @property
    def before(self) -> Period:
        """As many days, just before."""
        length = timedelta(days=self.days)
        return Period(
            self.first - length, self.last - length, self.zone, self.store_id, self.everywhere, self.store_ids
        )

    def of_days(self) -> dict[str, Any]:
        """Parameters of statements on roll-ups."""
        return {"first": self.first, "last": self.last, "zone": self.zone, **self._stores()}

    def of_moments(self) -> dict[str, Any]:
        """Parameters of statements on moments: from the first midnight to the one after the last day."""
        return {
            "start": self._midnight(self.first),
            "end": self._midnight(self.last + timedelta(days=1)),
            **self._stores(),
        }

    def _stores(self) -> dict[str, Any]:
        return {"everywhere": self.everywhere, "store_ids": self.store_ids}

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), ZoneInfo(self.zone)).astimezone(UTC)


class Base(DeclarativeBase):
    """Everything in analytics_db."""

    metadata = service_metadata()
    type_annotation_map = {**type_annotations, dict[str, Any]: JSONB(), Decimal: Amount, date: Date()}  # noqa: RUF012


class Event(Base):
    """An event of a service, as it was published. Dropped by the month."""

    __tablename__ = "events"
    __table_args__ = (
        PrimaryKeyConstraint("occurred_at", "id"),
        Index("idx_events_type", "type", "occurred_at"),
        Index("idx_events_store", "store_id", "occurred_at", postgresql_where=text("store_id IS NOT NULL")),
        {"postgresql_partition_by": "RANGE (occurred_at)"},
    )

    id: Mapped[UUID]
    type: Mapped[str]
    source: Mapped[str]
    key: Mapped[str]
    version: Mapped[int]
    store_id: Mapped[UUID | None]
    payload: Mapped[dict[str, Any]]
    occurred_at: Mapped[datetime]
    stored_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class ClientEvent(Base):
    """Something an app reported of its own use. It adds to no figure. Dropped by the month."""

    __tablename__ = "client_events"
    __table_args__ = (
        PrimaryKeyConstraint("received_at", "id"),
        Index("idx_client_events_name", "name", "received_at"),
        {"postgresql_partition_by": "RANGE (received_at)"},
    )

    id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(40))
    visit_id: Mapped[UUID | None]
    account_id: Mapped[UUID | None]
    store_id: Mapped[UUID | None]
    product_id: Mapped[UUID | None]
    properties: Mapped[dict[str, Any]]
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Store(Base):
    """A store as its events tell it. Version 0: only its id is known yet."""

    __tablename__ = "stores"
    __table_args__ = (Index("idx_stores_unknown", "store_id", postgresql_where=text("version = 0")),)

    store_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(server_default=text("''"))
    time_zone: Mapped[str] = mapped_column(String(50), server_default=text("'Asia/Kolkata'"))
    version: Mapped[int] = mapped_column(server_default=text("0"))


class Product(Base):
    """A product's newest known name."""

    __tablename__ = "products"

    product_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    category: Mapped[str]
    known_at: Mapped[datetime]


class StoredFact(Base):
    """An OrderFact."""

    __tablename__ = "order_facts"
    __table_args__ = (
        Index("idx_order_facts_placed_at", "placed_at"),
        Index("idx_order_facts_store", "store_id", "placed_at"),
    )

    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[str | None] = mapped_column(String(50))
    store_id: Mapped[UUID | None]
    customer_id: Mapped[UUID | None]
    placed_at: Mapped[datetime | None]
    fulfilment: Mapped[str | None] = mapped_column(String(20))
    payment_method: Mapped[str | None] = mapped_column(String(20))
    subtotal: Mapped[Decimal | None]
    tax: Mapped[Decimal | None]
    delivery_fee: Mapped[Decimal | None]
    discount: Mapped[Decimal | None]
    loyalty_discount: Mapped[Decimal | None]
    total: Mapped[Decimal | None]
    lines: Mapped[dict[str, Any] | None]
    refunds: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    confirmed_at: Mapped[datetime | None]
    preparing_at: Mapped[datetime | None]
    ready_at: Mapped[datetime | None]
    dispatched_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    refunded_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default=text("0"))


class _Measured:
    """The measures of a roll-up of orders."""

    placed: Mapped[int] = mapped_column(BigInteger)
    counted: Mapped[int] = mapped_column(BigInteger)
    cancelled: Mapped[int] = mapped_column(BigInteger)
    delivered: Mapped[int] = mapped_column(BigInteger)
    prepared: Mapped[int] = mapped_column(BigInteger)
    preparation_seconds: Mapped[int] = mapped_column(BigInteger)
    carried: Mapped[int] = mapped_column(BigInteger)
    delivery_seconds: Mapped[int] = mapped_column(BigInteger)
    gross: Mapped[Decimal] = mapped_column(Amount)
    refunds: Mapped[Decimal] = mapped_column(Amount)
    tax: Mapped[Decimal] = mapped_column(Amount)
    delivery_fees: Mapped[Decimal] = mapped_column(Amount)
    discounts: Mapped[Decimal] = mapped_column(Amount)


class SalesHour(_Measured, Base):
    """Orders by the hour of the zone in which they were placed."""

    __tablename__ = "sales_hours"
    __table_args__ = (
        PrimaryKeyConstraint("store_id", "report_zone", "day", "hour"),
        Index("idx_sales_hours_day", "report_zone", "day"),
    )

    store_id: Mapped[UUID]
    report_zone: Mapped[str] = mapped_column(String(50))
    day: Mapped[date]
    hour: Mapped[int] = mapped_column(SmallInteger)


class SalesDay(_Measured, Base):
    """Orders by the day of the zone on which they were placed."""

    __tablename__ = "sales_days"
    __table_args__ = (
        PrimaryKeyConstraint("store_id", "report_zone", "day"),
        Index("idx_sales_days_day", "report_zone", "day"),
    )

    store_id: Mapped[UUID]
    report_zone: Mapped[str] = mapped_column(String(50))
    day: Mapped[date]


class ProductDay(Base):
    """What was sold of a product on a day."""

    __tablename__ = "product_days"
    __table_args__ = (
        PrimaryKeyConstraint("store_id", "report_zone", "day", "product_id"),
        Index("idx_product_days_day", "report_zone", "day"),
    )

    store_id: Mapped[UUID]
    report_zone: Mapped[str] = mapped_column(String(50))
    day: Mapped[date]
    product_id: Mapped[UUID]
    quantity: Mapped[int] = mapped_column(BigInteger)
    orders: Mapped[int] = mapped_column(BigInteger)
    sales: Mapped[Decimal]


class CustomerDay(Base):
    """What a customer ordered on a day."""

    __tablename__ = "customer_days"
    __table_args__ = (
        PrimaryKeyConstraint("store_id", "report_zone", "day", "customer_id"),
        Index("idx_customer_days_day", "report_zone", "day"),
        Index("idx_customer_days_customer", "customer_id", "report_zone", "day"),
    )

    store_id: Mapped[UUID]
    report_zone: Mapped[str] = mapped_column(String(50))
    day: Mapped[date]
    customer_id: Mapped[UUID]
    orders: Mapped[int] = mapped_column(BigInteger)
    revenue: Mapped[Decimal]


class StockOut(Base):
    """A product ran out in a store."""

    __tablename__ = "stock_outs"
    __table_args__ = (
        Index("idx_stock_outs_store", "store_id", "occurred_at"),
        Index("idx_stock_outs_occurred_at", "occurred_at"),
    )

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    store_id: Mapped[UUID]
    product_id: Mapped[UUID]
    occurred_at: Mapped[datetime]


class Registration(Base):
    """An account came into being."""

    __tablename__ = "registrations"
    __table_args__ = (Index("idx_registrations_registered_at", "registered_at"),)

    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    registered_at: Mapped[datetime]


class Report(Base):
    """Figures as they were when somebody asked. `store_ids` says which stores they cover; NULL: all of them."""

    __tablename__ = "reports"
    __table_args__ = (
        CheckConstraint("kind IN ('sales', 'products', 'customers', 'orders')"),
        CheckConstraint("step IN ('hour', 'day', 'week', 'month')"),
        Index("idx_reports_created_at", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    kind: Mapped[str] = mapped_column(String(20))
    step: Mapped[str | None] = mapped_column(String(10))
    store_id: Mapped[UUID | None]
    store_ids: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid()))
    time_zone: Mapped[str] = mapped_column(String(50))
    from_date: Mapped[date]
    to_date: Mapped[date]
    column_names: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    row_count: Mapped[int] = mapped_column(Integer)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    created_by: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
