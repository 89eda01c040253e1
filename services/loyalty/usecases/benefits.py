"""What orders take: quoted, reserved, released. One computation serves both, the guards of the statements decide."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import structlog

from chassis.clock import now
from chassis.database import Row, Transaction
from chassis.database.retries import retry_on_deadlock
from chassis.money import ZERO
from services.loyalty import clients
from services.loyalty.app import LoyaltyApp
from services.loyalty.model.benefits import Benefits, Cart, Customer, price_benefits
from services.loyalty.model.campaigns import REFERRAL_LENGTH, new_code
from services.loyalty.model.refusals import CouponExhausted, CouponInvalid, ReservationReleased
from services.loyalty.queries import accounts, campaigns, rewards
from services.loyalty.queries import reservations as q
from services.loyalty.usecases import orders
from services.loyalty.usecases.coupons import NEWCOMER, check_coupon, guess_coupon, take_campaign
from services.loyalty.usecases.guesses import account_limit
from services.loyalty.usecases.ledger import lock_account

log = structlog.get_logger(__name__)


class UnknownCode(Exception):
    """Undoes a reservation whose coupon is none, so that the guess can be counted after it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a customer wants to use on a cart."""

    customer_id: UUID
    store_id: UUID
    coupon_code: str
    points: int
    cart: Cart


@dataclass(frozen=True, slots=True)
class Granted:
    """What comes off, and which code and campaign it comes from."""

    benefits: Benefits
    coupon_code: str = ""
    campaign_id: UUID | None = None


async def quote_benefits(app: LoyaltyApp, wish: Wish) -> Granted:
    """What the wish would take off. Holds nothing."""
    coupon = await _guess(app, wish)
    row = await app.db.one(accounts.CUSTOMER, customer_id=wish.customer_id)
    customer = Customer(row.tier, row.last_order_at) if row else NEWCOMER
    terms = check_coupon(app, coupon, customer) if coupon else None
    benefits = price_benefits(wish.cart, terms, wish.points, row.available if row else 0, app.settings.rupees_of_point)
    return _granted(benefits, coupon)


async def reserve_benefits(app: LoyaltyApp, order_id: UUID, wish: Wish) -> Granted:
    """Holds coupon and points for the order. The same order gets its first answer again."""
    if wish.coupon_code:
        await app.guesses.look(account_limit(app, wish.customer_id))

    async def reserve() -> Granted:
        async with app.db.transaction() as tx:
            return await _reserve(app, tx, order_id, wish)

    try:
        return await retry_on_deadlock(reserve)
    except UnknownCode:
        await app.guesses.count(account_limit(app, wish.customer_id))
        raise CouponInvalid.not_usable() from None


async def release_benefits(app: LoyaltyApp, order_id: UUID) -> None:
    """Gives back what the order holds, and remembers the release when it holds nothing yet."""

    async def release() -> None:
        async with app.db.transaction() as tx:
            await tx.run(q.MARK_RELEASED, order_id=order_id)
            await orders.release(app, tx, [order_id])

    await retry_on_deadlock(release)


async def settle_stale_reservations(app: LoyaltyApp) -> None:
    """The backstop: asks order about benefits that are held for long, and uses or releases what it forgot."""
    age = timedelta(minutes=app.settings.reservation_backstop_minutes)
    order_ids = [row.order_id for row in await app.db.all(q.STALE_RESERVATIONS, age=age)]
    if not order_ids:
        return
    known = await clients.order_states(app.channels, order_ids)
    accepted = [order_id for order_id in order_ids if known.get(order_id) is clients.Fate.ACCEPTED]
    dead = [order_id for order_id in order_ids if known.get(order_id, clients.Fate.DEAD) is clients.Fate.DEAD]
    if accepted or dead:
        log.warning("settling benefits that no event settled", used=len(accepted), released=len(dead))

    async def settle() -> None:
        async with app.db.transaction() as tx:
            await orders.use(app, tx, dict.fromkeys(accepted, ""))
            await orders.release(app, tx, dead)

    await retry_on_deadlock(settle)


async def _guess(app: LoyaltyApp, wish: Wish) -> Row | None:
    if not wish.coupon_code:
        return None
    coupon = await guess_coupon(app, wish.customer_id, wish.coupon_code)
    if coupon is None:
        raise CouponInvalid.not_usable()
    return coupon


async def _reserve(app: LoyaltyApp, tx: Transaction, order_id: UUID, wish: Wish) -> Granted:
    claimed = await tx.value(
        q.CLAIM_RESERVATION,
        order_id=order_id,
        customer_id=wish.customer_id,
        store_id=wish.store_id,
        referral_code=new_code("R", REFERRAL_LENGTH),
    )
    if claimed is None:
        return await _reserved_before(tx, order_id)
    account = await lock_account(app, tx, wish.customer_id)
    coupon = None
    if wish.coupon_code:
        coupon = await tx.one(campaigns.COUPON, customer_id=wish.customer_id, code=wish.coupon_code)
        if coupon is None:
            raise UnknownCode
    terms = check_coupon(app, coupon, Customer(account.tier, account.last_order_at)) if coupon else None
    available = await account.available() if wish.points else 0
    benefits = price_benefits(wish.cart, terms, wish.points, available, app.settings.rupees_of_point)
    if benefits.points_used:
        await account.hold(order_id, benefits.points_used)
    await tx.run(
        q.RECORD_RESERVATION,
        order=order_id,
        coupon_code=coupon.code if coupon else None,
        campaign_id=coupon.campaign_id if coupon else None,
        redemption_id=coupon.redemption_id if coupon else None,
        referrer_id=coupon.referrer_id if coupon else None,
        coupon_discount=benefits.coupon_discount,
        free_delivery=benefits.free_delivery,
        discount_applied=_applied(benefits, wish.cart),
        points=benefits.points_used,
        points_discount=benefits.points_discount,
    )
    if coupon is not None:
        await _take_coupon(tx, coupon, order_id, wish.customer_id)
    return _granted(benefits, coupon)


async def _reserved_before(tx: Transaction, order_id: UUID) -> Granted:
    row = (await tx.all(q.LOCK_RESERVATIONS, order_ids=[order_id]))[0]
    if row.state in {"released", "returned"}:
        raise ReservationReleased
    benefits = Benefits(row.coupon_discount, row.free_delivery, row.points, row.points_discount)
    return Granted(benefits, row.coupon_code or "", row.campaign_id)


async def _take_coupon(tx: Transaction, coupon: Row, order_id: UUID, customer_id: UUID) -> None:
    if coupon.redemption_id is None:
        await take_campaign(tx, coupon, customer_id, now())
    elif await tx.value(rewards.HOLD_REDEMPTION, id=coupon.redemption_id, order_id=order_id) is None:
        raise CouponExhausted


def _applied(benefits: Benefits, cart: Cart) -> Decimal:
    return benefits.coupon_discount + (cart.delivery_fee if benefits.free_delivery else ZERO)


def _granted(benefits: Benefits, coupon: Row | None) -> Granted:
    if coupon is None:
        return Granted(benefits)
    return Granted(benefits, coupon.code, coupon.campaign_id)
