"""Who is told when: preferences, quiet hours, lateness, retries, languages."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from services.notification.model import (
    Category,
    Channel,
    Leave,
    QuietHours,
    Reason,
    Retries,
    Send,
    State,
    Wait,
    Wishes,
    choose_language,
    decide,
    merge_order,
)

NIGHT = QuietHours(time(22), time(8), "Asia/Kolkata")
ALL = frozenset(Channel)


def at(hour: int, minute: int = 0) -> datetime:
    """That time of day in India on 14 January 2026."""
    return datetime(2026, 1, 14, hour, minute, tzinfo=UTC) - timedelta(hours=5, minutes=30)


def decided(
    category: Category = Category.ORDER,
    channel: Channel = Channel.EMAIL,
    wishes: Wishes | None = None,
    now: datetime | None = None,
    providers: frozenset[Channel] = ALL,
) -> Send | Leave | Wait:
    now = now or at(12)
    expires_at = at(12) + timedelta(days=3)
    return decide(category, channel, wishes or Wishes(), providers=providers, expires_at=expires_at, now=now)


def test_by_default_everything_goes_out_but_marketing() -> None:
    for category in Category:
        expected = Leave(State.SKIPPED, Reason.MARKETING_OFF) if category is Category.MARKETING else Send()
        assert decided(category) == expected


def test_marketing_goes_to_those_who_asked_for_it() -> None:
    assert decided(Category.MARKETING, wishes=Wishes(marketing=True)) == Send()


def test_a_channel_that_is_switched_off_is_left_alone() -> None:
    wishes = Wishes(channels=frozenset({Channel.PUSH}))
    assert decided(wishes=wishes) == Leave(State.SKIPPED, Reason.CHANNEL_OFF)
    assert decided(channel=Channel.PUSH, wishes=wishes) == Send()


def test_a_code_comes_whatever_the_preferences_say() -> None:
    wishes = Wishes(channels=frozenset(), quiet=NIGHT)
    assert decided(Category.SECURITY, wishes=wishes, now=at(23)) == Send()


def test_a_channel_without_a_provider_is_skipped() -> None:
    skipped = decided(channel=Channel.SMS, providers=frozenset({Channel.EMAIL}))
    assert skipped == Leave(State.SKIPPED, Reason.PROVIDER_OFF)


def test_what_is_too_late_is_not_sent() -> None:
    assert decided(now=at(12) + timedelta(days=3)) == Leave(State.FAILED, Reason.EXPIRED)
    assert decided(Category.SECURITY, now=at(12) + timedelta(days=4)) == Leave(State.FAILED, Reason.EXPIRED)


def test_in_quiet_hours_points_wait_for_their_end() -> None:
    assert decided(Category.LOYALTY, wishes=Wishes(quiet=NIGHT), now=at(23)) == Wait(at(8) + timedelta(days=1))
    assert decided(Category.LOYALTY, wishes=Wishes(quiet=NIGHT), now=at(3)) == Wait(at(8))
    assert decided(Category.LOYALTY, wishes=Wishes(quiet=NIGHT), now=at(8)) == Send()


def test_in_quiet_hours_an_order_is_told_by_mail_and_makes_no_noise() -> None:
    wishes = Wishes(quiet=NIGHT)
    assert decided(wishes=wishes, now=at(23)) == Send()
    for channel in (Channel.SMS, Channel.PUSH):
        assert decided(channel=channel, wishes=wishes, now=at(23)) == Leave(State.SKIPPED, Reason.QUIET_HOURS)


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
def test_quiet_hours_end_in_their_own_zone(start: time, end: time, now: datetime, ends: datetime | None) -> None:
    assert QuietHours(start, end, "Asia/Kolkata").ends(now) == ends


def test_pauses_grow_fourfold_up_to_six_hours_and_end() -> None:
    retries = Retries(timedelta(seconds=30), 8)
    pauses = [retries.next_after(made) for made in range(1, 9)]
    assert pauses[:4] == [timedelta(seconds=seconds) for seconds in (30, 120, 480, 1920)]
    assert pauses[6] == timedelta(hours=6)
    assert pauses[7] is None


@pytest.mark.parametrize(
    ("chosen", "locale", "language"),
    [
        (None, "", "en"),
        (None, "hi-IN", "hi"),
        (None, "HI_in", "hi"),
        (None, "gu", "en"),
        ("en", "hi-IN", "en"),
        ("hi", "en", "hi"),
    ],
)
def test_the_chosen_language_comes_before_the_account_s(chosen: str | None, locale: str, language: str) -> None:
    assert choose_language(chosen, locale) == language


def test_an_event_s_own_facts_win_over_those_of_the_first_event() -> None:
    order = merge_order({"order": {"number": "B", "expected_at": "later"}}, {"number": "A", "lines": [1], "total": 5})
    assert (order["number"], order["lines"], order["total"], order["expected_at"]) == ("B", [1], 5, "later")
