"""What becomes of an order's benefits and points as the order goes on. Each runs in its caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from chassis.database import Row, Transaction
from services.loyalty.app import LoyaltyApp
from services.loyalty.model.benefits import Customer, Line, Terms
from services.loyalty.model.points import base_points, bonus_points, share
from services.loyalty.model.refusals import CouponExhausted
from services.loyalty.queries import accounts, campaigns, reservations, rewards, tiers
from services.loyalty.queries import orders as q
from services.loyalty.usecases.coupons import take_campaign, terms_of
from services.loyalty.usecases.ledger import AT_ONCE, Account, lock_accounts


@dataclass(frozen=True, slots=True)
class Delivery:
    """An order that was handed over. `paid_for_food` is the lines without discounts and tax: what earns points."""

    order_id: UUID
    order_number: str
    customer_id: UUID
    total: Decimal
    subtotal: Decimal
    paid_for_food: Decimal
    lines: Sequence[Line]
    delivered_at: datetime


@dataclass(frozen=True, slots=True)
class Refund:
    """How much of what was captured for an order has gone back in all."""

    order_id: UUID
    customer_id: UUID
    refunded: Decimal
    captured: Decimal


async def use(app: LoyaltyApp, tx: Transaction, order_numbers: Mapping[UUID, str]) -> None:
    """Uses what confirmed orders hold. Orders that hold nothing, or were given up since, stay as they are."""
    held = await _reservations(tx, list(order_numbers), {"reserved"})
    locked = await lock_accounts(app, tx, {row.customer_id for row in held})
    for row in held:
        await _use(tx, locked[row.customer_id], row, order_numbers[row.order_id])


async def release(app: LoyaltyApp, tx: Transaction, order_ids: Sequence[UUID]) -> None:
    """Gives back what these orders hold; what confirmed orders have used stays used."""
    await _give_back(app, tx, dict.fromkeys(order_ids, ""), {"reserved"})


async def give_back(app: LoyaltyApp, tx: Transaction, order_numbers: Mapping[UUID, str]) -> None:
    """Gives back what cancelled orders hold or have used."""
    await _give_back(app, tx, order_numbers, {"reserved", "used"})


async def lock_ahead(app: LoyaltyApp, tx: Transaction, customers: Mapping[UUID, UUID]) -> None:
    """Locks what a batch of orders (and whose they are) will touch, in one order, so that two batches never cross."""
    rows = await tx.all(reservations.LOCK_RESERVATIONS, order_ids=sorted(customers))
    referrers = {row.referrer_id for row in rows if row.referrer_id is not None}
    await lock_accounts(app, tx, {*customers.values(), *referrers})


async def deliver(app: LoyaltyApp, tx: Transaction, delivery: Delivery) -> None:
    """Awards the points of a delivered order, once, and takes back at once what was refunded before."""
    order_id = delivery.order_id
    found = await tx.all(reservations.LOCK_RESERVATIONS, order_ids=[order_id])
    reservation = found[0] if found and found[0].customer_id else None
    referrer_id = reservation.referrer_id if reservation else None
    locked = await lock_accounts(app, tx, {delivery.customer_id} | ({referrer_id} if referrer_id else set()))
    account = locked[delivery.customer_id]
    fresh = await tx.value(
        q.RECORD_DELIVERY,
        order_id=order_id,
        customer_id=delivery.customer_id,
        order_number=delivery.order_number,
        total=delivery.total,
        delivered_at=delivery.delivered_at,
    )
    if fresh is None:
        return
    if reservation is not None and reservation.state == "reserved":
        await _use(tx, account, reservation, delivery.order_number)
    earned = await _award(app, tx, account, delivery, reservation)
    referred = await _thank_referrer(tx, locked.get(referrer_id), reservation) if referrer_id else 0
    await tx.run(
        q.RECORD_EARNED,
        order_id=order_id,
        earned=earned,
        referrer_id=referrer_id if referred else None,
        referrer_points=referred,
    )
    await tx.run(accounts.NOTE_DELIVERY, customer_id=delivery.customer_id, at=delivery.delivered_at)
    await _follow_refund(tx, locked, order_id)
    await account.follow_tier()


async def refund(app: LoyaltyApp, tx: Transaction, refund: Refund) -> None:
    """Takes back earned points, and gives back used ones, in proportion to the money that went back.

    Totals only grow, so events may come twice, late or before the delivery.
    """
    await tx.all(reservations.LOCK_RESERVATIONS, order_ids=[refund.order_id])
    referrer_id = await tx.value(q.REFERRER, order_id=refund.order_id)
    locked = await lock_accounts(app, tx, {refund.customer_id} | ({referrer_id} if referrer_id else set()))
    await tx.run(
        q.RECORD_REFUND,
        order_id=refund.order_id,
        customer_id=refund.customer_id,
        captured=refund.captured,
        refunded=refund.refunded,
    )
    await _follow_refund(tx, locked, refund.order_id)
    await locked[refund.customer_id].follow_tier()


async def _reservations(tx: Transaction, order_ids: Sequence[UUID], states: set[str]) -> list[Row]:
    rows = await tx.all(reservations.LOCK_RESERVATIONS, order_ids=sorted(order_ids))
    return [row for row in rows if row.state in states and row.customer_id is not None]


async def _use(tx: Transaction, account: Account, reservation: Row, order_number: str) -> None:
    order_id = reservation.order_id
    await tx.run(reservations.SET_STATE, order_id=order_id, state="used", points_returned=0)
    if reservation.points:
        await account.use_held(order_id, reservation.points, _line("Used on order", order_number))
    if reservation.redemption_id is not None:
        await tx.run(rewards.USE_REDEMPTION, id=reservation.redemption_id, order_id=order_id)
    if reservation.campaign_id is not None:
        await tx.run(
            campaigns.INSERT_USAGE,
            campaign_id=reservation.campaign_id,
            customer_id=reservation.customer_id,
            order_id=order_id,
            discount_applied=reservation.discount_applied,
        )


async def _give_back(app: LoyaltyApp, tx: Transaction, order_numbers: Mapping[UUID, str], states: set[str]) -> None:
    rows = await _reservations(tx, list(order_numbers), states)
    locked = await lock_accounts(app, tx, {row.customer_id for row in rows})
    for row in rows:
        await _give_back_one(app, tx, locked[row.customer_id], row, order_numbers[row.order_id])


async def _give_back_one(
    app: LoyaltyApp, tx: Transaction, account: Account, reservation: Row, order_number: str
) -> None:
    order_id, was_used = reservation.order_id, reservation.state == "used"
    points = reservation.points - reservation.points_returned
    if points and was_used:
        await account.return_used(order_id, points, _line("Returned from order", order_number))
    elif points:
        await account.release_held(order_id, points)
    await tx.run(
        reservations.SET_STATE,
        order_id=order_id,
        state="returned" if was_used else "released",
        points_returned=reservation.points,
    )
    if reservation.redemption_id is not None:
        at_least = app.settings.returned_points_validity if was_used and not account.is_erased else AT_ONCE
        await tx.run(rewards.GIVE_BACK_REDEMPTION, id=reservation.redemption_id, order_id=order_id, at_least=at_least)
    if reservation.campaign_id is not None:
        await tx.run(
            campaigns.GIVE_BACK_CAMPAIGN,
            campaign_id=reservation.campaign_id,
            customer_id=reservation.customer_id,
            order_id=order_id,
        )


async def _award(
    app: LoyaltyApp, tx: Transaction, account: Account, delivery: Delivery, reservation: Row | None
) -> int:
    """Gives the order's points and bonuses; returns their sum."""
    multiplier = await tx.value(tiers.MULTIPLIER, name=account.tier)
    points = base_points(delivery.paid_for_food, app.settings.rupees_per_point, multiplier)
    if account.is_erased:
        return 0
    description = _line("Order", delivery.order_number)
    await account.give("earn", points, description, order_id=delivery.order_id, order_points=points)
    total = points
    for campaign_id, name, bonus in await _bonuses(app, tx, account, delivery, reservation, points):
        total += bonus
        await account.give(
            "bonus", bonus, name, order_id=delivery.order_id, campaign_id=campaign_id, order_points=total
        )
    return total


async def _bonuses(
    app: LoyaltyApp, tx: Transaction, account: Account, delivery: Delivery, reservation: Row | None, points: int
) -> list[tuple[UUID, str, int]]:
    """The bonus whose code the order used, and the best of those that need no code."""

    def worth(terms: Terms) -> int:
        return bonus_points(terms, delivery.lines, delivery.subtotal, points)

    found: list[tuple[UUID, str, int]] = []
    if reservation is not None and reservation.campaign_id is not None:
        coded = await tx.one(campaigns.CAMPAIGN, id=reservation.campaign_id)
        if coded is not None and coded.type == "loyalty_bonus":
            found.append((coded.id, coded.name, worth(terms_of(coded))))
    customer = Customer(account.tier, account.last_order_at)
    segments = customer.segments(delivery.delivered_at, app.settings.lapsed_after)
    offers = []
    for campaign in await tx.all(campaigns.BONUS_CAMPAIGNS, at=delivery.delivered_at):
        terms = terms_of(campaign)
        if not terms.segments or segments & set(terms.segments):
            offers.append((worth(terms), campaign))
    for bonus, campaign in sorted(offers, key=lambda offer: (-offer[0], offer[1].id)):
        if bonus and await _take_bonus(tx, campaign, delivery):
            found.append((campaign.id, campaign.name, bonus))
            break
    return found


async def _take_bonus(tx: Transaction, campaign: Row, delivery: Delivery) -> bool:
    try:
        # A campaign that is used up must not leave its count of this customer behind.
        async with tx.savepoint():
            await take_campaign(tx, campaign, delivery.customer_id, delivery.delivered_at)
    except CouponExhausted:
        return False
    await tx.run(
        campaigns.INSERT_USAGE,
        campaign_id=campaign.id,
        customer_id=delivery.customer_id,
        order_id=delivery.order_id,
        discount_applied=Decimal(0),
    )
    return True


async def _thank_referrer(tx: Transaction, referrer: Account | None, reservation: Row | None) -> int:
    assert reservation is not None
    campaign = await tx.one(campaigns.CAMPAIGN, id=reservation.campaign_id)
    if referrer is None or campaign is None or not campaign.bonus_points or referrer.is_erased:
        return 0
    await referrer.give("bonus", campaign.bonus_points, campaign.name, campaign_id=campaign.id)
    points: int = campaign.bonus_points
    return points


async def _follow_refund(tx: Transaction, locked: Mapping[UUID, Account], order_id: UUID) -> None:
    """Brings what is reversed and returned to where the refunded share of the money stands."""
    order = await tx.one(q.ORDER_POINTS, order_id=order_id)
    if order is None or order.delivered_at is None or order.refunded <= 0:
        return
    account = locked[order.customer_id]
    await _return_share(tx, account, order)
    reversed_points = max(share(order.earned, order.refunded, order.captured), order.reversed)
    description = _line("Refund of order", order.order_number)
    await account.reverse(
        reversed_points - order.reversed, description, order_id, order_points=order.earned - reversed_points
    )
    referrer_reversed = order.referrer_reversed
    if order.referrer_id is not None and order.refunded >= order.captured:
        referrer_reversed = order.referrer_points
        due = referrer_reversed - order.referrer_reversed
        await locked[order.referrer_id].reverse(due, "Referral refunded", order_id, order_points=None)
    await tx.run(
        q.RECORD_REVERSED,
        order_id=order_id,
        reversed=reversed_points,
        referrer_reversed=referrer_reversed,
    )


async def _return_share(tx: Transaction, account: Account, order: Row) -> None:
    used = await _reservations(tx, [order.order_id], {"used"})
    if not used or not used[0].points:
        return
    target = max(share(used[0].points, order.refunded, order.captured), used[0].points_returned)
    due = target - used[0].points_returned
    if due:
        await account.return_used(order.order_id, due, _line("Returned from order", order.order_number))
        await tx.run(reservations.SET_STATE, order_id=order.order_id, state="used", points_returned=target)


def _line(what: str, order_number: str | None) -> str:
    return f"{what} {order_number}".rstrip() if order_number else f"{what}".strip()
