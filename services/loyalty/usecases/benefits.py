"""Benefits of orders: quote, reserve, release.

Quotes and reservations use the same calculation; the guarded statements of the reservation decide.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import structlog

from chassis import Caller
from chassis.clock import now
from chassis.database import Transaction
from chassis.database.retries import retry_on_deadlock
from chassis.database.rows import parameters
from chassis.money import ZERO
from services.loyalty import clients
from services.loyalty.app import LoyaltyApp
from services.loyalty.commands import UseBenefits
from services.loyalty.errors import CouponExhausted, CouponInvalid, ReservationReleased
from services.loyalty.model.benefits import Benefits, Cart, Customer, GrantedBenefits, calculate_benefits
from services.loyalty.model.campaigns import REFERRAL_LENGTH, new_code
from services.loyalty.queries import accounts, campaigns, rewards
from services.loyalty.queries import reservations as queries
from services.loyalty.rows import CouponRow, ReservedBenefits
from services.loyalty.usecases import orders
from services.loyalty.usecases.coupon_limits import account_limit
from services.loyalty.usecases.coupons import NEW_CUSTOMER, check_coupon, count_usage, find_coupon
from services.loyalty.usecases.ledger import lock_account

log = structlog.get_logger(__name__)


class UnknownCode(Exception):
    """Rolls back a reservation with an unknown coupon code, so that the wrong code can be counted afterwards."""


async def quote_benefits(app: LoyaltyApp, caller: Caller, command: UseBenefits) -> GrantedBenefits:
    """The discounts for a cart; reserves nothing. Raises CouponInvalid, CouponExhausted, InsufficientPoints."""
    coupon = None
    if command.coupon_code:
        coupon = await find_coupon(app, command.customer_id, command.coupon_code)
        if coupon is None:
            raise CouponInvalid.not_usable()
    row = await app.db.one(accounts.GET_CUSTOMER, customer_id=command.customer_id)
    customer = Customer(row.tier, row.last_order_at) if row else NEW_CUSTOMER
    terms = check_coupon(app, coupon, customer) if coupon else None
    available = row.available if row else 0
    rate = app.settings.rupees_of_point
    return _grant(calculate_benefits(command.cart, terms, command.points, available, rate), coupon)


async def reserve_benefits(app: LoyaltyApp, caller: Caller, order_id: UUID, command: UseBenefits) -> GrantedBenefits:
    """Reserves coupon and points for the order; the same order gets its first result again.

    Raises CouponInvalid, CouponExhausted, InsufficientPoints, ReservationReleased, TooManyGuesses.
    """
    if command.coupon_code:
        await app.guesses.check(account_limit(app, command.customer_id))

    async def reserve() -> GrantedBenefits:
        async with app.db.transaction() as tx:
            return await _reserve(app, tx, order_id, command)

    try:
        return await retry_on_deadlock(reserve)
    except UnknownCode:
        await app.guesses.count_attempt(account_limit(app, command.customer_id))
        raise CouponInvalid.not_usable() from None


async def release_benefits(app: LoyaltyApp, caller: Caller, order_id: UUID) -> None:
    """Releases the benefits of the order; a release that comes first prevents the reservation."""

    async def release() -> None:
        async with app.db.transaction() as tx:
            await tx.run(queries.INSERT_RELEASE, order_id=order_id)
            await orders.release_benefits(app, tx, [order_id])

    await retry_on_deadlock(release)


async def settle_stale_reservations(app: LoyaltyApp) -> None:
    """Redeems or releases benefits that are reserved for long, by the state of their orders."""
    age = timedelta(minutes=app.settings.reservation_backstop_minutes)
    order_ids = await app.db.all(queries.LIST_STALE_RESERVATIONS, age=age)
    if not order_ids:
        return
    outcomes = await clients.get_order_outcomes(app.channels, order_ids)
    accepted = [order_id for order_id in order_ids if outcomes.get(order_id) is clients.Outcome.ACCEPTED]
    cancelled = [
        order_id
        for order_id in order_ids
        if outcomes.get(order_id, clients.Outcome.CANCELLED) is clients.Outcome.CANCELLED
    ]
    if accepted or cancelled:
        log.warning("settling stale reservations", redeemed=len(accepted), released=len(cancelled))

    async def settle() -> None:
        async with app.db.transaction() as tx:
            await orders.redeem_benefits(app, tx, dict.fromkeys(accepted, ""))
            await orders.release_benefits(app, tx, cancelled)

    await retry_on_deadlock(settle)


async def _reserve(app: LoyaltyApp, tx: Transaction, order_id: UUID, command: UseBenefits) -> GrantedBenefits:
    inserted = await tx.one(
        queries.INSERT_RESERVATION,
        order_id=order_id,
        customer_id=command.customer_id,
        store_id=command.store_id,
        referral_code=new_code("R", REFERRAL_LENGTH),
    )
    if inserted is None:
        return await _get_reserved(tx, order_id)
    account = await lock_account(app, tx, command.customer_id)
    coupon = None
    if command.coupon_code:
        coupon = await tx.one(campaigns.GET_COUPON, customer_id=command.customer_id, code=command.coupon_code)
        if coupon is None:
            raise UnknownCode
    terms = check_coupon(app, coupon, Customer(account.tier, account.last_order_at)) if coupon else None
    available = await account.get_available() if command.points else 0
    benefits = calculate_benefits(command.cart, terms, command.points, available, app.settings.rupees_of_point)
    if benefits.points_used:
        await account.reserve_points(order_id, benefits.points_used)
    reserved = ReservedBenefits(
        coupon_code=coupon.code if coupon else None,
        campaign_id=coupon.campaign_id if coupon else None,
        redemption_id=coupon.redemption_id if coupon else None,
        referrer_id=coupon.referrer_id if coupon else None,
        coupon_discount=benefits.coupon_discount,
        free_delivery=benefits.free_delivery,
        discount_applied=_applied_discount(benefits, command.cart),
        points=benefits.points_used,
        points_discount=benefits.points_discount,
    )
    await tx.run(queries.UPDATE_RESERVATION, order=order_id, **parameters(reserved))
    if coupon is not None:
        await _reserve_coupon(tx, coupon, order_id, command.customer_id)
    return _grant(benefits, coupon)


async def _get_reserved(tx: Transaction, order_id: UUID) -> GrantedBenefits:
    (row,) = await tx.all(queries.LOCK_RESERVATIONS, order_ids=[order_id])
    if row.state in {"released", "returned"}:
        raise ReservationReleased
    benefits = Benefits(row.coupon_discount, row.free_delivery, row.points, row.points_discount)
    return GrantedBenefits(benefits, row.coupon_code or "", row.campaign_id)


async def _reserve_coupon(tx: Transaction, coupon: CouponRow, order_id: UUID, customer_id: UUID) -> None:
    if coupon.redemption_id is not None:
        if await tx.one(rewards.HOLD_REDEMPTION, id=coupon.redemption_id, order_id=order_id) is None:
            raise CouponExhausted
    elif coupon.campaign_id is not None:
        await count_usage(tx, coupon.campaign_id, coupon.usage_per_customer, customer_id, now())


def _applied_discount(benefits: Benefits, cart: Cart) -> Decimal:
    return benefits.coupon_discount + (cart.delivery_fee if benefits.free_delivery else ZERO)


def _grant(benefits: Benefits, coupon: CouponRow | None) -> GrantedBenefits:
    if coupon is None:
        return GrantedBenefits(benefits)
    return GrantedBenefits(benefits, coupon.code, coupon.campaign_id)
