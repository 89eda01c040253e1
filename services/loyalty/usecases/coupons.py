"""Codes: what one means for a customer, and whether it still may be used."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from chassis.clock import now
from chassis.database import Row, Transaction
from chassis.errors import NotFound
from services.loyalty.app import LoyaltyApp
from services.loyalty.model.benefits import Customer, Terms, Usage
from services.loyalty.model.refusals import CouponExhausted, CouponInvalid
from services.loyalty.queries import accounts
from services.loyalty.queries import campaigns as q
from services.loyalty.usecases.guesses import account_limit, address_limit

NEWCOMER: Final = Customer()


def terms_of(row: Row) -> Terms:
    """The terms in a row of `campaigns` or of COUPON."""
    return Terms(
        type=row.type,
        discount_type=row.discount_type,
        discount_value=row.discount_value,
        min_order_value=row.min_order_value,
        max_discount=row.max_discount,
        products=frozenset(row.applicable_products or ()),
        categories=frozenset(row.applicable_categories or ()),
        segments=frozenset(row.customer_segments or ()),
        bonus_points=row.bonus_points,
    )


def usage_of(coupon: Row) -> Usage:
    """The limits in a row of COUPON."""
    return Usage(coupon.usage_limit, coupon.current_usage, coupon.usage_per_customer, coupon.uses)


def check_coupon(app: LoyaltyApp, coupon: Row, customer: Customer) -> Terms:
    """The coupon's terms when this customer may use it once more. Raises CouponInvalid, CouponExhausted."""
    terms = terms_of(coupon)
    terms.check_customer(customer.segments(now(), app.settings.lapsed_after))
    usage_of(coupon).check()
    return terms


async def guess_coupon(app: LoyaltyApp, customer_id: UUID, code: str, address: str = "") -> Row | None:
    """The row of COUPON behind the code, or None. Wrong codes are counted. Raises TooManyGuesses."""
    limits = [account_limit(app, customer_id)]
    if address:
        limits.append(address_limit(app, address))
    await app.guesses.count(*limits)
    coupon = await app.db.one(q.COUPON, customer_id=customer_id, code=code)
    if coupon is not None:
        await app.guesses.forgive(*limits)
    return coupon


async def get_coupon(app: LoyaltyApp, customer_id: UUID, code: str, address: str) -> tuple[Row, int | None]:
    """The coupon and how often the customer may still use it. NotFound for every code that does not work for them."""
    coupon = await guess_coupon(app, customer_id, code, address)
    if coupon is None:
        raise NotFound
    row = await app.db.one(accounts.CUSTOMER, customer_id=customer_id)
    customer = Customer(row.tier, row.last_order_at) if row else NEWCOMER
    try:
        check_coupon(app, coupon, customer)
    except (CouponInvalid, CouponExhausted):
        raise NotFound from None
    return coupon, usage_of(coupon).left


async def take_campaign(tx: Transaction, campaign: Row, customer_id: UUID, at: datetime) -> None:
    """Counts one more use, for the customer and for all. Raises CouponExhausted; the count is then undone with `tx`."""
    taken = await tx.value(
        q.TAKE_CAMPAIGN,
        campaign_id=campaign.campaign_id,
        customer_id=customer_id,
        per_customer=campaign.usage_per_customer,
        at=at,
    )
    if taken is None:
        raise CouponExhausted
