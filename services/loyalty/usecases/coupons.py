"""Coupons: what a code means for a customer, and whether it may be used."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from chassis import Caller
from chassis.clock import now
from chassis.database import Transaction
from chassis.errors import NotFound
from services.loyalty.app import LoyaltyApp
from services.loyalty.errors import CouponExhausted, CouponInvalid
from services.loyalty.model.benefits import Customer, Terms, Usage
from services.loyalty.queries import accounts
from services.loyalty.queries import campaigns as queries
from services.loyalty.rows import CouponRow
from services.loyalty.usecases.coupon_limits import account_limit, address_limit

NEW_CUSTOMER: Final = Customer()


def check_coupon(app: LoyaltyApp, coupon: CouponRow, customer: Customer) -> Terms:
    """The terms of a coupon that the customer may use. Raises CouponInvalid, CouponExhausted."""
    terms = Terms.from_row(coupon)
    terms.check_customer(customer.segments(now(), app.settings.lapsed_after))
    Usage.from_coupon(coupon).check()
    return terms


async def find_coupon(app: LoyaltyApp, customer_id: UUID, code: str, address: str | None = None) -> CouponRow | None:
    """The coupon of a code, or None. Counts wrong codes. Raises TooManyGuesses."""
    limits = [account_limit(app, customer_id)]
    if address is not None:
        limits.append(address_limit(app, address))
    await app.guesses.count_attempt(*limits)
    coupon = await app.db.one(queries.GET_COUPON, customer_id=customer_id, code=code)
    if coupon is not None:
        await app.guesses.subtract_attempt(*limits)
    return coupon


async def get_coupon(app: LoyaltyApp, caller: Caller, code: str, address: str | None) -> tuple[CouponRow, int | None]:
    """The coupon, and how often the caller may still use it. Raises NotFound for an unusable code."""
    coupon = await find_coupon(app, caller.account, code, address)
    if coupon is None:
        raise NotFound
    row = await app.db.one(accounts.GET_CUSTOMER, customer_id=caller.account)
    customer = Customer(row.tier, row.last_order_at) if row else NEW_CUSTOMER
    try:
        check_coupon(app, coupon, customer)
    except (CouponInvalid, CouponExhausted):
        raise NotFound from None
    return coupon, Usage.from_coupon(coupon).left


async def count_usage(
    tx: Transaction, campaign_id: UUID, usage_per_customer: int | None, customer_id: UUID, at: datetime
) -> None:
    """Counts one more use of a campaign. Raises CouponExhausted; rolling back `tx` then undoes the count."""
    counted = await tx.one(
        queries.COUNT_USAGE,
        campaign_id=campaign_id,
        customer_id=customer_id,
        per_customer=usage_per_customer,
        at=at,
    )
    if counted is None:
        raise CouponExhausted
