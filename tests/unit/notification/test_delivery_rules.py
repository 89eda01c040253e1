"""Rules of delivery: preferences, quiet hours, expiry, retries, languages."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from services.notification.model.dispatches import (
    Defer,
    Discard,
    DispatchReason,
    DispatchState,
    RetryPolicy,
    SendNow,
    decide_delivery,
)
from services.notification.model.notification_types import Category, Channel
from services.notification.model.preferences import DeliveryPreferences, QuietHours
from services.notification.model.templates import choose_language, merge_order_facts

NIGHT = QuietHours(time(22), time(8), "Asia/Kolkata")
ALL = frozenset(Channel)


def at(hour: int, minute: int = 0) -> datetime:
    """This time of day in India on 14 January 2026."""
    return datetime(2026, 1, 14, hour, minute, tzinfo=UTC) - timedelta(hours=5, minutes=30)


def decide(
    category: Category = Category.ORDER,
    channel: Channel = Channel.EMAIL,
    preferences: DeliveryPreferences | None = None,
    now: datetime | None = None,
    providers: frozenset[Channel] = ALL,
) -> SendNow | Discard | Defer:
    return decide_delivery(
        category,
        channel,
        preferences or DeliveryPreferences(),
        providers=providers,
        expires_at=at(12) + timedelta(days=3),
        now=now or at(12),
    )


def skipped(reason: DispatchReason) -> Discard:
    return Discard(DispatchState.SKIPPED, reason)


def test_by_default_everything_except_marketing_is_sent() -> None:
    for category in Category:
        expected = skipped(DispatchReason.MARKETING_OFF) if category is Category.MARKETING else SendNow()
        assert decide(category) == expected


def test_marketing_is_sent_with_consent() -> None:
    assert decide(Category.MARKETING, preferences=DeliveryPreferences(accepts_marketing=True)) == SendNow()


def test_a_disabled_channel_is_skipped() -> None:
    preferences = DeliveryPreferences(channels=frozenset({Channel.PUSH}))
    assert decide(preferences=preferences) == skipped(DispatchReason.CHANNEL_OFF)
    assert decide(channel=Channel.PUSH, preferences=preferences) == SendNow()


def test_security_messages_ignore_preferences() -> None:
    preferences = DeliveryPreferences(channels=frozenset(), quiet_hours=NIGHT)
    assert decide(Category.SECURITY, preferences=preferences, now=at(23)) == SendNow()


def test_a_channel_without_a_provider_is_skipped() -> None:
    decision = decide(channel=Channel.SMS, providers=frozenset({Channel.EMAIL}))
    assert decision == skipped(DispatchReason.PROVIDER_OFF)


def test_an_expired_message_is_not_sent() -> None:
    expired = Discard(DispatchState.FAILED, DispatchReason.EXPIRED)
    assert decide(now=at(12) + timedelta(days=3)) == expired
    assert decide(Category.SECURITY, now=at(12) + timedelta(days=4)) == expired


def test_a_points_message_is_deferred_to_the_end_of_quiet_hours() -> None:
    preferences = DeliveryPreferences(quiet_hours=NIGHT)
    assert decide(Category.LOYALTY, preferences=preferences, now=at(23)) == Defer(at(8) + timedelta(days=1))
    assert decide(Category.LOYALTY, preferences=preferences, now=at(3)) == Defer(at(8))
    assert decide(Category.LOYALTY, preferences=preferences, now=at(8)) == SendNow()


def test_in_quiet_hours_an_order_causes_an_email_but_no_sms_or_push_message() -> None:
    preferences = DeliveryPreferences(quiet_hours=NIGHT)
    assert decide(preferences=preferences, now=at(23)) == SendNow()
    for channel in (Channel.SMS, Channel.PUSH):
        assert decide(channel=channel, preferences=preferences, now=at(23)) == skipped(DispatchReason.QUIET_HOURS)


@pytest.mark.parametrize(
    ("start", "end", "now", "ends"),
    [
        (time(13), time(15), at(12, 59), None),
        (time(13), time(15), at(13), at(15)),
        (time(13), time(15), at(14, 59), at(15)),
        (time(13), time(15), at(15), None),
        (time(22), time(8), at(21, 59), None),
        (time(22), time(8), at(22), at(8) + timedelta(days=1)),
        (time(22), time(8), at(0), at(8)),
        (time(22), time(8), at(7, 59), at(8)),
        (time(22), time(0), at(23), at(0) + timedelta(days=1)),
    ],
)
def test_quiet_hours_end_in_their_time_zone(start: time, end: time, now: datetime, ends: datetime | None) -> None:
    assert QuietHours(start, end, "Asia/Kolkata").get_end(now) == ends


def test_delays_grow_fourfold_up_to_six_hours_until_no_attempt_is_left() -> None:
    retries = RetryPolicy(timedelta(seconds=30), 8)
    delays = [retries.get_delay(attempts) for attempts in range(1, 9)]
    assert delays[:4] == [timedelta(seconds=seconds) for seconds in (30, 120, 480, 1920)]
    assert delays[6] == timedelta(hours=6)
    assert delays[7] is None


@pytest.mark.parametrize(
    ("preferred", "locale", "language"),
    [
        (None, "", "en"),
        (None, "hi-IN", "hi"),
        (None, "HI_in", "hi"),
        (None, "gu", "en"),
        ("en", "hi-IN", "en"),
        ("hi", "en", "hi"),
    ],
)
def test_the_preferred_language_comes_before_that_of_the_account(
    preferred: str | None, locale: str, language: str
) -> None:
    assert choose_language(preferred, locale) == language


def test_facts_of_the_event_override_those_of_the_created_order() -> None:
    order = merge_order_facts(
        {"order": {"number": "B", "expected_at": "later"}}, {"number": "A", "lines": [1], "total": 5}
    )
    assert (order["number"], order["lines"], order["total"], order["expected_at"]) == ("B", [1], 5, "later")
