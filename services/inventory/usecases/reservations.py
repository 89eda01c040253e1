"""Stock for orders: held before the order is written, committed when it is confirmed, given back when it is not.

current_stock falls when stock is held. Committing changes no stock: it says that the goods will not come back by
release any more, and takes them out of their batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from jainshikanji.inventory.v1.events_pb2 import StockReleased, StockReserved

from chassis.clock import now
from chassis.database import Row, Transaction
from chassis.errors import DomainError, Unavailable
from chassis.events import outbox
from chassis.timestamps import timestamp_to_proto
from services.inventory import clients, wire
from services.inventory.app import InventoryApp
from services.inventory.model import stock as rules
from services.inventory.model.refusals import (
    OutOfStock,
    ReservationCommitted,
    ReservationMismatch,
    ReservationReleased,
)
from services.inventory.queries import stock as q

ORDER = "order"
INVENTORY = "inventory"
# An order that is still pending is asked about again after this.
PAUSE = timedelta(minutes=10)
# The longest that an order may put the first question off.
LONGEST = timedelta(hours=24)
# States of an order whose stock can still come back, or must.
_STILL_PLACING = "PENDING"
_GIVEN_UP = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Wish:
    """What an order wants to hold; `lines` has each product once, in order."""

    order_id: UUID
    store_id: UUID
    lines: Mapping[UUID, int]
    ask_after: datetime


def wish(
    order_id: UUID, store_id: UUID, lines: Iterable[tuple[UUID, int]], expires_at: datetime | None, minutes: float
) -> Wish:
    """A wish with its lines added up, and with the moment from which order may be asked about it."""
    moment = now()
    earliest, latest = moment + timedelta(minutes=minutes), moment + LONGEST
    ask_after = max(earliest, min(expires_at, latest)) if expires_at else earliest
    return Wish(order_id, store_id, rules.sum_lines(lines), ask_after)


async def hold_all(app: InventoryApp, wishes: Sequence[Wish]) -> list[DomainError | None]:
    """Holds the lines of each order, all or none, in one transaction. Answers None for held, else why not."""
    first: dict[UUID, Wish] = {}
    for each in wishes:
        first.setdefault(each.order_id, each)
    not_held = await _hold(app, list(first.values()))
    answers = {each.order_id: await _answer(app, each, not_held, alone=len(first) == 1) for each in first.values()}
    return [_answer_twin(each, first[each.order_id], answers[each.order_id]) for each in wishes]


def _answer_twin(each: Wish, first: Wish, answer: DomainError | None) -> DomainError | None:
    """What a second call for the same order in a batch gets: the answer of the first, if both ask for the same."""
    if answer is None and (each.store_id, each.lines) != (first.store_id, first.lines):
        return ReservationMismatch(each.order_id)
    return answer


async def _hold(app: InventoryApp, wishes: Sequence[Wish]) -> dict[UUID, list[UUID] | None]:
    """What orders that hold nothing new are short of: no product where another order, or an earlier reservation, stood
    in front. Orders that are held now are left out.
    """
    lines = [(each.order_id, product_id, quantity) for each in wishes for product_id, quantity in each.lines.items()]
    not_held: dict[UUID, list[UUID] | None] = {}
    async with app.db.transaction() as tx:
        rows = await tx.all(
            q.RESERVE,
            order_ids=[each.order_id for each in wishes],
            store_ids=[each.store_id for each in wishes],
            ask_after=[each.ask_after for each in wishes],
            line_orders=[order_id for order_id, _, _ in lines],
            product_ids=[product_id for _, product_id, _ in lines],
            quantities=[quantity for _, _, quantity in lines],
            actor_service=ORDER,
            **outbox.columns([(_reserved(each), str(each.order_id), 0) for each in wishes]),
        )
        tx.after_commit(app.outbox.wake)
        crossed = [row for row in rows if row.order_id is None]
        for row in rows:
            if row.order_id is not None and not row.held:
                not_held[row.order_id] = row.short
        announce(app, tx, crossed)
    return not_held


def _reserved(each: Wish) -> StockReserved:
    return StockReserved(
        order_id=str(each.order_id),
        store_id=str(each.store_id),
        lines=wire.stock_lines(each.lines.keys(), each.lines.values()),
        occurred_at=timestamp_to_proto(now()),
    )


async def _answer(
    app: InventoryApp, each: Wish, not_held: Mapping[UUID, list[UUID] | None], *, alone: bool
) -> DomainError | None:
    if each.order_id not in not_held:
        return None
    known = await app.db.one(q.RESERVATION, order_id=each.order_id)
    if known is not None:
        return _answer_repeat(each, known)
    if short := not_held[each.order_id]:
        return OutOfStock(short)
    if alone:
        return Unavailable("the reservation changed meanwhile")
    return (await hold_all(app, [each]))[0]


def _answer_repeat(each: Wish, known: Row) -> DomainError | None:
    if known.status in {rules.RELEASED, rules.RETURNED}:
        return ReservationReleased(each.order_id)
    same = known.store_id == each.store_id and dict(zip(known.product_ids, known.quantities, strict=True)) == each.lines
    return None if same else ReservationMismatch(each.order_id)


async def release(app: InventoryApp, order_id: UUID, *, actor: str = ORDER) -> None:
    """Gives back what an unconfirmed order holds; without a reservation a later one is refused.

    Raises ReservationCommitted once the order was confirmed.
    """
    async with app.db.transaction() as tx:
        rows = await tx.all(q.RELEASE_RESERVATIONS, order_ids=[order_id])
        if not rows:
            known = await tx.one(q.RESERVATION, order_id=order_id)
            if known is not None and known.status != rules.RELEASED:
                raise ReservationCommitted(order_id)
        await _give_back(app, tx, rows, rules.RELEASE, actor)


async def settle(
    app: InventoryApp, tx: Transaction, confirmed: set[UUID], given_up: set[UUID], eaten: set[UUID]
) -> None:
    """What became of orders: confirmed ones commit; given up ones get everything back, committed or not; those that
    were cancelled after their food was begun commit too. What is settled already stays.
    """
    known = await tx.all(q.LOCK_RESERVATIONS, order_ids=sorted(confirmed | given_up | eaten))
    product_ids, store_ids = _places(row for row in known if row.product_ids)
    await tx.all(q.LOCK_STOCK, product_ids=product_ids, store_ids=store_ids)

    held = {row.order_id for row in known if row.status == rules.HELD}
    await _commit(tx, sorted((confirmed | eaten) & held))
    if lost := [
        str(row.order_id) for row in known if row.status == rules.RELEASED and row.order_id in confirmed - given_up
    ]:
        app.log.warning("orders were confirmed after their stock was released", order_ids=lost)
    if given_up:
        released = await tx.all(q.RELEASE_RESERVATIONS, order_ids=sorted(given_up - confirmed - eaten))
        await _give_back(app, tx, released, rules.RELEASE, ORDER)
        returned = await tx.all(q.RETURN_RESERVATIONS, order_ids=sorted(given_up))
        await _give_back(app, tx, returned, rules.RETURN, ORDER)


async def _commit(tx: Transaction, order_ids: Sequence[UUID]) -> None:
    if not order_ids:
        return
    rows = await tx.all(q.COMMIT_RESERVATIONS, order_ids=order_ids)
    product_ids, store_ids = _places(rows)
    await tx.run(
        q.RECORD_COMMITS,
        order_ids=[row.order_id for row in rows for _ in row.product_ids],
        product_ids=product_ids,
        store_ids=store_ids,
        actor_service=ORDER,
    )
    await tx.run(
        q.TAKE_FROM_BATCHES,
        product_ids=product_ids,
        store_ids=store_ids,
        quantities=[quantity for row in rows for quantity in row.quantities],
    )


async def _give_back(app: InventoryApp, tx: Transaction, reservations: Sequence[Row], kind: str, actor: str) -> None:
    rows = [row for row in reservations if row.product_ids]  # a tombstone held nothing
    if not rows:
        return
    product_ids, store_ids = _places(rows)
    quantities = [quantity for row in rows for quantity in row.quantities]
    crossed = await tx.all(
        q.GIVE_BACK,
        order_ids=[row.order_id for row in rows for _ in row.product_ids],
        product_ids=product_ids,
        store_ids=store_ids,
        quantities=quantities,
        kind=kind,
        actor_service=actor,
    )
    if kind == rules.RETURN:
        await tx.run(q.RETURN_TO_BATCHES, product_ids=product_ids, store_ids=store_ids, quantities=quantities)
    for row in rows:
        tx.publish(
            StockReleased(
                order_id=str(row.order_id),
                store_id=str(row.store_id),
                lines=wire.stock_lines(row.product_ids, row.quantities),
                returned=kind == rules.RETURN,
                occurred_at=timestamp_to_proto(now()),
            ),
            key=row.order_id,
        )
    announce(app, tx, crossed)


def _places(rows: Iterable[Row]) -> tuple[list[UUID], list[UUID]]:
    """Product and store of each line."""
    places = [(product_id, row.store_id) for row in rows for product_id in row.product_ids]
    return [product_id for product_id, _ in places], [store_id for _, store_id in places]


def announce(app: InventoryApp, tx: Transaction, crossed: Iterable[Row]) -> None:
    """Tells of thresholds that stock went across; the cached messages that show it are dropped after the commit."""
    for row in crossed:
        events = wire.stock_events(
            rules.crossing(rules.Level(row.before, row.min_before), rules.Level(row.after, row.min_after)),
            product_id=row.product_id,
            store_id=row.store_id,
            product_name=row.product_name,
            stock=row.after,
            min_stock=row.min_after,
            reorder=row.reorder_point,
        )
        for event in events:
            tx.publish(event, key=row.product_id)
        if (row.before == 0) != (row.after == 0):
            tx.after_commit(partial(app.forget_product, row.product_id))


async def recover_forgotten(app: InventoryApp) -> None:
    """The backstop: asks order about reservations that nobody settled, and releases only what order disowns."""
    while order_ids := [row.order_id for row in await app.db.all(q.FORGOTTEN_RESERVATIONS, limit=clients.MOST_STATES)]:
        states = await clients.order_states(app.channels, order_ids)
        placing = [order_id for order_id in order_ids if states.get(order_id) == _STILL_PLACING]
        dead = [order_id for order_id in order_ids if states.get(order_id, _GIVEN_UP) == _GIVEN_UP]
        alive = set(order_ids) - set(placing) - set(dead)
        app.log.warning(
            "reservations that nobody settled", pending=len(placing), released=len(dead), committed=len(alive)
        )
        if placing:
            await app.db.run(q.ASK_LATER, order_ids=placing, pause=PAUSE)
        async with app.db.transaction() as tx:
            await settle(app, tx, confirmed=alive, given_up=set(), eaten=set())
        for order_id in dead:
            await _release_dead(app, order_id)


async def _release_dead(app: InventoryApp, order_id: UUID) -> None:
    try:
        await release(app, order_id, actor=INVENTORY)
    except ReservationCommitted:  # its confirmation arrived in between
        app.log.info("a reservation was settled meanwhile", order_id=str(order_id))


async def forget_settled(app: InventoryApp) -> None:
    """Deletes reservations that were settled long ago; their movements stay."""
    keep = timedelta(days=app.settings.reservation_keep_days)
    most = 5000
    while await app.db.run(q.FORGET_RESERVATIONS, keep=keep, limit=most) == most:
        pass
