"""How orders become figures: whatever the order of arrival, and exactly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from services.analytics.model.facts import ZERO, Line, Milestone, OrderFact, Placement
from services.analytics.model.period import PLATFORM_ZONE, list_zones
from services.analytics.model.rollups import MEASURES, NOTHING, Differences, calculate_contribution

STORE, CUSTOMER, ORDER = uuid4(), uuid4(), uuid4()
NOON = datetime(2026, 1, 14, 6, 30, tzinfo=UTC)  # 12:00 in India
Change = Callable[[OrderFact], OrderFact]


def placement(total: str = "522.90", placed_at: datetime = NOON) -> Placement:
    lines = (
        Line(UUID(int=1), "Jain Pav Bhaji", "snacks", 2, Decimal("398.00")),
        Line(UUID(int=2), "Shikanji", "drinks", 1, Decimal("60.00")),
        Line(UUID(int=1), "Jain Pav Bhaji", "snacks", 1, Decimal("40.00")),
    )
    return Placement(
        number="ORD-1",
        store_id=STORE,
        customer_id=CUSTOMER,
        placed_at=placed_at,
        fulfilment="DELIVERY",
        payment_method="UPI",
        subtotal=Decimal("498.00"),
        tax=Decimal("24.90"),
        delivery_fee=Decimal("20.00"),
        discount=Decimal("15.00"),
        loyalty_discount=Decimal("5.00"),
        total=Decimal(total),
        lines=lines,
    )


def at(milestone: Milestone, minutes: int) -> Change:
    return lambda fact: fact.with_milestone(milestone, NOON + timedelta(minutes=minutes), minutes)


def place(fact: OrderFact) -> OrderFact:
    return fact.with_placement(placement(), 1)


def refund(refund_id: str, amount: str) -> Change:
    return lambda fact: fact.with_refund(refund_id, Decimal(amount))


DELIVERED: list[Change] = [
    place,
    at(Milestone.CONFIRMED, 1),
    at(Milestone.PREPARING, 3),
    at(Milestone.READY, 16),
    at(Milestone.DISPATCHED, 20),
    at(Milestone.DELIVERED, 45),
    refund("r1", "100.00"),
    refund("r2", "22.90"),
]


def folded(changes: list[Change]) -> OrderFact:
    fact = OrderFact(ORDER)
    for change in changes:
        fact = change(fact)
    return fact


def measures(fact: OrderFact, zone: str = PLATFORM_ZONE) -> dict[str, Any]:
    part = calculate_contribution(fact, zone)
    return dict(zip(MEASURES, part.figures if part else NOTHING, strict=True))


@given(st.permutations(DELIVERED), st.lists(st.sampled_from(DELIVERED), max_size=6))
def test_neither_the_order_of_arrival_nor_repetitions_change_a_fact(order: list[Change], repeats: list[Change]) -> None:
    assert folded(order + repeats) == folded(DELIVERED)


def test_a_delivered_order_counts_with_its_refunds() -> None:
    assert measures(folded(DELIVERED)) == {
        "placed": 1,
        "counted": 1,
        "cancelled": 0,
        "delivered": 1,
        "prepared": 1,
        "preparation_seconds": 15 * 60,
        "carried": 1,
        "delivery_seconds": 25 * 60,
        "gross": Decimal("522.90"),
        "refunds": Decimal("122.90"),
        "tax": Decimal("24.90"),
        "delivery_fees": Decimal("20.00"),
        "discounts": Decimal("20.00"),
    }


def test_an_unconfirmed_order_is_placed_but_not_a_sale() -> None:
    assert measures(folded([place])) == {**dict(zip(MEASURES, NOTHING, strict=True)), "placed": 1}


def test_a_cancelled_order_is_neither_sale_nor_refund() -> None:
    fact = folded([place, at(Milestone.CONFIRMED, 1), refund("r", "522.90"), at(Milestone.CANCELLED, 5)])
    assert measures(fact) == {**dict(zip(MEASURES, NOTHING, strict=True)), "placed": 1, "cancelled": 1}
    part = calculate_contribution(fact, PLATFORM_ZONE)
    assert part is not None
    assert (part.products, part.customers) == ({}, {})


def test_nothing_counts_before_the_first_event_of_the_order() -> None:
    assert calculate_contribution(folded(DELIVERED[1:]), PLATFORM_ZONE) is None


def test_any_later_event_implies_the_confirmation() -> None:
    assert folded([place, at(Milestone.DELIVERED, 45)]).counts


def test_a_product_on_two_lines_counts_one_order() -> None:
    part = calculate_contribution(folded(DELIVERED), PLATFORM_ZONE)
    assert part is not None
    assert part.products == {UUID(int=1): (3, 1, Decimal("438.00")), UUID(int=2): (1, 1, Decimal("60.00"))}
    assert part.customers == {CUSTOMER: (1, Decimal("400.00"))}


def test_the_day_is_that_of_the_time_zone() -> None:
    late = OrderFact(ORDER).with_placement(placement(placed_at=datetime(2026, 1, 14, 19, 0, tzinfo=UTC)), 1)
    in_india, in_dubai = calculate_contribution(late, "Asia/Kolkata"), calculate_contribution(late, "Asia/Dubai")
    assert in_india is not None
    assert in_dubai is not None
    assert (in_india.day, in_india.hour) == (date(2026, 1, 15), 0)
    assert (in_dubai.day, in_dubai.hour) == (date(2026, 1, 14), 23)


def test_a_store_is_counted_in_its_own_time_zone_and_in_that_of_the_platform() -> None:
    assert list_zones(None) == list_zones(PLATFORM_ZONE) == (PLATFORM_ZONE,)
    assert list_zones("Asia/Dubai") == (PLATFORM_ZONE, "Asia/Dubai")


CHANGES = st.lists(
    st.one_of(
        st.just(place),
        st.builds(at, st.sampled_from(list(Milestone)), st.integers(0, 90)),
        st.builds(refund, st.sampled_from("abc"), st.sampled_from(["1.00", "22.90", "0.01"])),
    ),
    max_size=12,
)


@given(st.lists(CHANGES, max_size=5))
def test_the_sum_of_the_differences_is_the_sum_over_the_facts(orders: list[list[Change]]) -> None:
    days: defaultdict[Any, list[Any]] = defaultdict(lambda: list(NOTHING))
    hours: defaultdict[Any, list[Any]] = defaultdict(lambda: list(NOTHING))
    facts = [OrderFact(uuid4()) for _ in orders]
    for step in range(12):  # one change of each order at a time, as batches interleave them
        differences = Differences()
        for index, changes in enumerate(orders):
            if step < len(changes):
                after = changes[step](facts[index])
                differences.change(facts[index], after, PLATFORM_ZONE)
                facts[index] = after
        for rows, roll_up, keys in ((differences.days(), days, 3), (differences.hours(), hours, 4)):
            for row in rows:
                roll_up[row[:keys]] = [old + new for old, new in zip(roll_up[row[:keys]], row[keys:], strict=True)]
    expected = [sum(column) for column in zip(*(measures(fact).values() for fact in facts), strict=True)] or None
    for roll_up in (days, hours):
        got = [sum(column) for column in zip(*roll_up.values(), strict=True)] or None
        assert (got or list(NOTHING)) == (expected or list(NOTHING))


def test_rows_are_sorted_so_that_writers_do_not_deadlock() -> None:
    differences = Differences()
    for _ in range(20):
        fact = OrderFact(uuid4())
        other = Placement(**{**_fields(placement()), "store_id": uuid4()})
        differences.change(fact, fact.with_placement(other, 1), PLATFORM_ZONE)
    keys = [row[:4] for row in differences.hours()]
    assert keys == sorted(keys)
    assert len(keys) == 20


def _fields(order: Placement) -> dict[str, Any]:
    return {name: getattr(order, name) for name in Placement.__dataclass_fields__}


def test_a_repeated_fact_changes_no_figure() -> None:
    fact = folded(DELIVERED)
    differences = Differences()
    differences.change(fact, DELIVERED[1](fact), PLATFORM_ZONE)
    assert differences.hours() == differences.days() == differences.products() == differences.customers() == []
    assert Decimal(0) == ZERO
