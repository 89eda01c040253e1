"""Preferences of recipients: channels, marketing, quiet hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from services.notification.model.notification_types import Channel
from services.notification.rows import ClaimedDispatchRow

DEFAULT_TIME_ZONE: Final = "Asia/Kolkata"


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A daily time span without disturbance, in a time zone; it may cross midnight."""

    start: time
    end: time
    zone: str

    def get_end(self, now: datetime) -> datetime | None:
        """When the quiet hours that contain `now` end, in UTC; None outside of quiet hours."""
        local = now.astimezone(ZoneInfo(self.zone))
        clock = local.time()
        if self.start < self.end:
            is_quiet, ends_tomorrow = self.start <= clock < self.end, False
        else:
            is_quiet, ends_tomorrow = clock >= self.start or clock < self.end, clock >= self.start
        if not is_quiet:
            return None
        day = local.date() + timedelta(days=1) if ends_tomorrow else local.date()
        return datetime.combine(day, self.end, ZoneInfo(self.zone)).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class DeliveryPreferences:
    """What decides about the delivery of a message; the defaults apply to accounts without a row."""

    channels: frozenset[Channel] = frozenset(Channel)
    accepts_marketing: bool = False
    quiet_hours: QuietHours | None = None

    @classmethod
    def from_row(cls, row: ClaimedDispatchRow) -> DeliveryPreferences:
        """The preferences of the recipient of a claimed dispatch."""
        if row.email is None:
            return cls()
        quiet_hours = None
        if row.quiet_start is not None and row.quiet_end is not None and row.quiet_zone is not None:
            quiet_hours = QuietHours(row.quiet_start, row.quiet_end, row.quiet_zone)
        enabled = {Channel.EMAIL: row.email, Channel.SMS: row.sms, Channel.PUSH: row.push}
        channels = frozenset(channel for channel, is_enabled in enabled.items() if is_enabled)
        return cls(channels, bool(row.marketing), quiet_hours)
