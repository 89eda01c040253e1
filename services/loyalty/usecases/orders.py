"""Benefits and points of orders, as the orders proceed. Each function runs in its caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from chassis.database import Transaction
from chassis.database.rows import parameters
from services.loyalty.app import LoyaltyApp
from services.loyalty.commands import AwardOrder, ReverseOrder
from services.loyalty.errors import CouponExhausted
from services.loyalty.model.benefits import Customer, Terms
from services.loyalty.model.points import calculate_base_points, calculate_bonus_points, calculate_share
from services.loyalty.queries import accounts, campaigns, reservations, rewards, tiers
from services.loyalty.queries import orders as queries
from services.loyalty.rows import CampaignRow, NewUsage, OrderPointsRow, ReservationRow
from services.loyalty.usecases.coupons import count_usage
from services.loyalty.usecases.ledger import NO_EXTENSION, Account, lock_accounts


async def redeem_benefits(app: LoyaltyApp, tx: Transaction, order_numbers: Mapping[UUID, str]) -> None:
    """Redeems the reserved benefits of confirmed orders; orders without reserved benefits are not changed."""
    reserved = await _lock_reservations(tx, list(order_numbers), {"reserved"})
    locked = await lock_accounts(app, tx, [customer_id for customer_id, _ in reserved])
    for customer_id, row in reserved:
        await _redeem(tx, locked[customer_id], row, order_numbers[row.order_id])


async def release_benefits(app: LoyaltyApp, tx: Transaction, order_ids: Sequence[UUID]) -> None:
    """Releases the reserved benefits of these orders; redeemed benefits stay redeemed."""
    await _return_all(app, tx, dict.fromkeys(order_ids, ""), {"reserved"})


async def return_benefits(app: LoyaltyApp, tx: Transaction, order_numbers: Mapping[UUID, str]) -> None:
    """Releases or returns the benefits of cancelled orders."""
    await _return_all(app, tx, order_numbers, {"reserved", "used"})


async def lock_orders(app: LoyaltyApp, tx: Transaction, customers: Mapping[UUID, UUID]) -> None:
    """Locks the rows of a batch of orders (order to customer) in one order, so that batches do not deadlock."""
    rows = await tx.all(reservations.LOCK_RESERVATIONS, order_ids=sorted(customers))
    referrers = {row.referrer_id for row in rows if row.referrer_id is not None}
    await lock_accounts(app, tx, {*customers.values(), *referrers})


async def award_order(app: LoyaltyApp, tx: Transaction, command: AwardOrder) -> None:
    """Awards the points of a delivered order once, and reverses those of earlier refunds in the same transaction."""
    order_id = command.order_id
    found = await tx.all(reservations.LOCK_RESERVATIONS, order_ids=[order_id])
    reservation = found[0] if found and found[0].customer_id else None
    referrer_id = reservation.referrer_id if reservation else None
    locked = await lock_accounts(app, tx, {command.customer_id} | ({referrer_id} if referrer_id else set()))
    account = locked[command.customer_id]
    recorded = await tx.one(
        queries.RECORD_DELIVERY,
        order_id=order_id,
        customer_id=command.customer_id,
        order_number=command.order_number,
        total=command.total,
        delivered_at=command.delivered_at,
    )
    if recorded is None:
        return
    if reservation is not None and reservation.state == "reserved":
        await _redeem(tx, account, reservation, command.order_number)
    earned = await _award(app, tx, account, command, reservation)
    referred = 0
    if referrer_id is not None and reservation is not None:
        referred = await _award_referrer(tx, locked.get(referrer_id), reservation)
    await tx.run(
        queries.RECORD_EARNED,
        order_id=order_id,
        earned=earned,
        referrer_id=referrer_id if referred else None,
        referrer_points=referred,
    )
    await tx.run(accounts.SET_LAST_ORDER, customer_id=command.customer_id, at=command.delivered_at)
    await _apply_refund(tx, locked, order_id)
    await account.update_tier()


async def reverse_order(app: LoyaltyApp, tx: Transaction, command: ReverseOrder) -> None:
    """Reverses earned points and returns redeemed ones, in proportion to the refunded amount.

    Totals only grow, so events may be repeated, late, or arrive before the delivery.
    """
    await tx.all(reservations.LOCK_RESERVATIONS, order_ids=[command.order_id])
    referrer_id = await tx.one(queries.GET_REFERRER, order_id=command.order_id)
    locked = await lock_accounts(app, tx, {command.customer_id} | ({referrer_id} if referrer_id else set()))
    await tx.run(
        queries.RECORD_REFUND,
        order_id=command.order_id,
        customer_id=command.customer_id,
        captured=command.captured,
        refunded=command.refunded,
    )
    await _apply_refund(tx, locked, command.order_id)
    await locked[command.customer_id].update_tier()


async def _lock_reservations(
    tx: Transaction, order_ids: Sequence[UUID], states: set[str]
) -> list[tuple[UUID, ReservationRow]]:
    """The reservations in one of these states, with their customers."""
    rows = await tx.all(reservations.LOCK_RESERVATIONS, order_ids=sorted(order_ids))
    return [(row.customer_id, row) for row in rows if row.state in states and row.customer_id is not None]


async def _redeem(tx: Transaction, account: Account, reservation: ReservationRow, order_number: str) -> None:
    order_id = reservation.order_id
    await tx.run(reservations.SET_STATE, order_id=order_id, state="used", points_returned=0)
    if reservation.points:
        await account.redeem_reserved(order_id, reservation.points, _describe("Used on order", order_number))
    if reservation.redemption_id is not None:
        await tx.run(rewards.USE_REDEMPTION, id=reservation.redemption_id, order_id=order_id)
    if reservation.campaign_id is not None:
        usage = NewUsage(
            campaign_id=reservation.campaign_id,
            customer_id=account.customer_id,
            order_id=order_id,
            discount_applied=reservation.discount_applied,
        )
        await tx.run(campaigns.INSERT_USAGE, **parameters(usage))


async def _return_all(app: LoyaltyApp, tx: Transaction, order_numbers: Mapping[UUID, str], states: set[str]) -> None:
    rows = await _lock_reservations(tx, list(order_numbers), states)
    locked = await lock_accounts(app, tx, [customer_id for customer_id, _ in rows])
    for customer_id, row in rows:
        await _return(app, tx, locked[customer_id], row, order_numbers[row.order_id])


async def _return(
    app: LoyaltyApp, tx: Transaction, account: Account, reservation: ReservationRow, order_number: str
) -> None:
    order_id, was_redeemed = reservation.order_id, reservation.state == "used"
    points = reservation.points - reservation.points_returned
    if points and was_redeemed:
        await account.return_redeemed(order_id, points, _describe("Returned from order", order_number))
    elif points:
        await account.release_points(order_id, points)
    await tx.run(
        reservations.SET_STATE,
        order_id=order_id,
        state="returned" if was_redeemed else "released",
        points_returned=reservation.points,
    )
    if reservation.redemption_id is not None:
        extends = was_redeemed and not account.is_erased
        at_least = app.settings.returned_points_validity if extends else NO_EXTENSION
        await tx.run(rewards.RELEASE_REDEMPTION, id=reservation.redemption_id, order_id=order_id, at_least=at_least)
    if reservation.campaign_id is not None:
        await tx.run(
            campaigns.RELEASE_USAGE,
            campaign_id=reservation.campaign_id,
            customer_id=reservation.customer_id,
            order_id=order_id,
        )


async def _award(
    app: LoyaltyApp, tx: Transaction, account: Account, command: AwardOrder, reservation: ReservationRow | None
) -> int:
    """Adds the order's points and bonuses; returns their sum."""
    multiplier = await tx.one(tiers.GET_MULTIPLIER, name=account.tier)
    assert multiplier is not None
    points = calculate_base_points(command.paid_for_food, app.settings.rupees_per_point, multiplier)
    if account.is_erased:
        return 0
    description = _describe("Order", command.order_number)
    await account.add_points("earn", points, description, order_id=command.order_id, order_points=points)
    total = points
    for campaign_id, name, bonus in await _find_bonuses(app, tx, account, command, reservation, points):
        total += bonus
        await account.add_points(
            "bonus", bonus, name, order_id=command.order_id, campaign_id=campaign_id, order_points=total
        )
    return total


async def _find_bonuses(
    app: LoyaltyApp,
    tx: Transaction,
    account: Account,
    command: AwardOrder,
    reservation: ReservationRow | None,
    points: int,
) -> list[tuple[UUID, str, int]]:
    """The bonus of the code that the order used, and the best of those without a code."""

    def calculate(terms: Terms) -> int:
        return calculate_bonus_points(terms, command.lines, command.subtotal, points)

    found: list[tuple[UUID, str, int]] = []
    if reservation is not None and reservation.campaign_id is not None:
        coded = await tx.one(campaigns.GET_CAMPAIGN, id=reservation.campaign_id)
        if coded is not None and coded.type == "loyalty_bonus":
            found.append((coded.id, coded.name, calculate(Terms.from_row(coded))))
    customer = Customer(account.tier, account.last_order_at)
    segments = customer.segments(command.delivered_at, app.settings.lapsed_after)
    offers: list[tuple[int, CampaignRow]] = []
    for campaign in await tx.all(campaigns.LIST_BONUS_CAMPAIGNS, at=command.delivered_at):
        terms = Terms.from_row(campaign)
        if not terms.segments or segments & set(terms.segments):
            offers.append((calculate(terms), campaign))
    for bonus, campaign in sorted(offers, key=lambda offer: (-offer[0], offer[1].id)):
        if bonus and await _count_bonus(tx, campaign, command):
            found.append((campaign.id, campaign.name, bonus))
            break
    return found


async def _count_bonus(tx: Transaction, campaign: CampaignRow, command: AwardOrder) -> bool:
    try:
        # An exhausted campaign must not leave its count of this customer behind.
        async with tx.savepoint():
            await count_usage(tx, campaign.id, campaign.usage_per_customer, command.customer_id, command.delivered_at)
    except CouponExhausted:
        return False
    usage = NewUsage(
        campaign_id=campaign.id,
        customer_id=command.customer_id,
        order_id=command.order_id,
        discount_applied=Decimal(0),
    )
    await tx.run(campaigns.INSERT_USAGE, **parameters(usage))
    return True


async def _award_referrer(tx: Transaction, referrer: Account | None, reservation: ReservationRow) -> int:
    campaign = await tx.one(campaigns.GET_CAMPAIGN, id=reservation.campaign_id)
    if referrer is None or campaign is None or not campaign.bonus_points or referrer.is_erased:
        return 0
    await referrer.add_points("bonus", campaign.bonus_points, campaign.name, campaign_id=campaign.id)
    return campaign.bonus_points


async def _apply_refund(tx: Transaction, locked: Mapping[UUID, Account], order_id: UUID) -> None:
    """Brings reversed and returned points to the share of the refunded amount."""
    order = await tx.one(queries.LOCK_ORDER_POINTS, order_id=order_id)
    if order is None or order.delivered_at is None or order.refunded <= 0:
        return
    account = locked[order.customer_id]
    await _return_share(tx, account, order)
    reversed_points = max(calculate_share(order.earned, order.refunded, order.captured), order.reversed)
    description = _describe("Refund of order", order.order_number)
    await account.reverse_points(
        reversed_points - order.reversed, description, order_id, order_points=order.earned - reversed_points
    )
    referrer_reversed = order.referrer_reversed
    if order.referrer_id is not None and order.refunded >= order.captured:
        referrer_reversed = order.referrer_points
        due = referrer_reversed - order.referrer_reversed
        await locked[order.referrer_id].reverse_points(due, "Referral refunded", order_id, order_points=None)
    await tx.run(
        queries.RECORD_REVERSED,
        order_id=order_id,
        reversed=reversed_points,
        referrer_reversed=referrer_reversed,
    )


async def _return_share(tx: Transaction, account: Account, order: OrderPointsRow) -> None:
    redeemed = await _lock_reservations(tx, [order.order_id], {"used"})
    if not redeemed or not redeemed[0][1].points:
        return
    _, reservation = redeemed[0]
    share = calculate_share(reservation.points, order.refunded, order.captured)
    target = max(share, reservation.points_returned)
    due = target - reservation.points_returned
    if due:
        description = _describe("Returned from order", order.order_number)
        await account.return_redeemed(order.order_id, due, description)
        await tx.run(reservations.SET_STATE, order_id=order.order_id, state="used", points_returned=target)


def _describe(what: str, order_number: str | None) -> str:
    return f"{what} {order_number}" if order_number else what
