"""Rules of campaigns and rewards: the fields that each type requires and excludes."""

from __future__ import annotations

import secrets
from datetime import datetime
from decimal import Decimal

from chassis.errors import InvalidArgument
from services.loyalty.model.benefits import HUNDRED, Terms

# Without characters that people confuse (I and 1, O and 0), and without U, which forms words.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTVWXYZ"
REFERRAL_LENGTH = 8
REWARD_LENGTH = 12

_NEEDS_CODE = {"discount", "bogo", "free_delivery"}
_DISCOUNT_TYPES: dict[str, set[str | None]] = {
    "discount": {"percentage", "fixed", "free_item"},
    "bogo": {"percentage", "free_item"},
    "free_delivery": {"free_delivery"},
    "loyalty_bonus": {"percentage", None},
    "referral": {"percentage", "fixed", "free_item", "free_delivery", None},
}
# The discount type of a campaign type when the request has none.
IMPLIED_DISCOUNT_TYPE = {"bogo": "free_item", "free_delivery": "free_delivery"}


def new_code(prefix: str, length: int) -> str:
    """A random code: `length` characters of an alphabet of 31, after the prefix of its kind."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(length))


def check_campaign(terms: Terms, code: str | None, start: datetime, end: datetime) -> None:
    """Raises InvalidArgument for fields that do not fit the campaign's type."""
    if terms.type in _NEEDS_CODE and not code:
        raise InvalidArgument("code", "is required: customers enter the code of this type of campaign")
    if terms.type == "referral" and code:
        raise InvalidArgument("code", "must be absent: referrals use the codes of the customers")
    if terms.discount_type not in _DISCOUNT_TYPES[terms.type]:
        raise InvalidArgument("discountType", "does not fit the campaign's type")
    if end <= start:
        raise InvalidArgument("endsAt", "must be after startsAt")
    _check_bonus(terms)
    _check_discount(terms)


def check_reward(terms: Terms) -> None:
    """Raises InvalidArgument for a reward without a discount."""
    _check_discount(terms)


def _check_bonus(terms: Terms) -> None:
    required = terms.type == "referral" or (terms.type == "loyalty_bonus" and terms.discount_type is None)
    if required and not terms.bonus_points:
        raise InvalidArgument("bonusPoints", "must be above 0 for this type")
    if not required and terms.bonus_points:
        raise InvalidArgument("bonusPoints", "is for REFERRAL, and for LOYALTY_BONUS without a percentage")


def _check_discount(terms: Terms) -> None:
    value = terms.discount_value
    if terms.discount_type == "percentage":
        if not value or value <= 0:
            raise InvalidArgument("percentBasisPoints", "must be above 0 with PERCENTAGE")
        if value > HUNDRED and terms.type != "loyalty_bonus":
            raise InvalidArgument("percentBasisPoints", "must be at most 10000")
    elif terms.discount_type == "fixed":
        if not value or value <= 0:
            raise InvalidArgument("amount", "must be above 0 with FIXED")
    elif value is not None:
        raise InvalidArgument("discountType", "takes neither percentBasisPoints nor amount")
    if terms.max_discount is not None and terms.discount_type in {"free_delivery", None}:
        raise InvalidArgument("maxDiscount", "does not fit this kind of discount")
    if terms.max_discount == Decimal(0):
        raise InvalidArgument("maxDiscount", "must be above 0")
