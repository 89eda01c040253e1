"""Rules of dispatches: whether a message is sent now, outcomes of attempts, retries, facts of security messages."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from chassis.security.encryption import FieldCipher
from services.notification.model.notification_types import Category, Channel
from services.notification.model.preferences import DeliveryPreferences
from services.notification.model.tables import ENCRYPTED_FACTS


class DispatchState(StrEnum):
    """The state of a dispatch."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


class DispatchReason(StrEnum):
    """Why a dispatch was skipped, failed or is unknown."""

    CHANNEL_OFF = "CHANNEL_OFF"
    MARKETING_OFF = "MARKETING_OFF"
    QUIET_HOURS = "QUIET_HOURS"
    PROVIDER_OFF = "PROVIDER_OFF"
    NO_ADDRESS = "NO_ADDRESS"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    ATTEMPTS_EXHAUSTED = "ATTEMPTS_EXHAUSTED"
    INTERRUPTED = "INTERRUPTED"


class Outcome(StrEnum):
    """The outcome of one attempt, as `deliveries.outcome` stores it."""

    SENT = "sent"
    # A temporary failure; a later attempt may succeed.
    DEFERRED = "refused"
    # A permanent failure.
    REJECTED = "rejected"
    # The provider may have accepted the message, so it must not be sent again.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SendNow:
    """The message is sent now."""


@dataclass(frozen=True, slots=True)
class Discard:
    """The message is not sent: SKIPPED because of preferences or providers, FAILED because it has expired."""

    state: DispatchState
    reason: DispatchReason


@dataclass(frozen=True, slots=True)
class Defer:
    """The decision is made again at that time."""

    until: datetime


def decide_delivery(
    category: Category,
    channel: Channel,
    preferences: DeliveryPreferences,
    *,
    providers: frozenset[Channel],
    expires_at: datetime,
    now: datetime,
) -> SendNow | Discard | Defer:
    """Whether a message is sent now.

    Security messages ignore preferences. In quiet hours, emails about an order are sent, since they make no sound; its
    SMS and push messages are dropped, since they are obsolete afterwards. Everything else is deferred.
    """
    if now >= expires_at:
        return Discard(DispatchState.FAILED, DispatchReason.EXPIRED)
    is_security = category is Category.SECURITY
    unwanted = None if is_security else _find_unwanted_reason(category, channel, preferences)
    if unwanted or channel not in providers:
        return Discard(DispatchState.SKIPPED, unwanted or DispatchReason.PROVIDER_OFF)
    quiet_hours = None if is_security else preferences.quiet_hours
    quiet_until = quiet_hours.get_end(now) if quiet_hours else None
    if quiet_until is None or (category is Category.ORDER and channel is Channel.EMAIL):
        return SendNow()
    if category is Category.ORDER:
        return Discard(DispatchState.SKIPPED, DispatchReason.QUIET_HOURS)
    return Defer(quiet_until)


def _find_unwanted_reason(
    category: Category, channel: Channel, preferences: DeliveryPreferences
) -> DispatchReason | None:
    if channel not in preferences.channels:
        return DispatchReason.CHANNEL_OFF
    is_unwanted_marketing = category is Category.MARKETING and not preferences.accepts_marketing
    return DispatchReason.MARKETING_OFF if is_unwanted_marketing else None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff: each delay is four times the previous one, up to `max_delay`."""

    first_delay: timedelta
    max_attempts: int
    max_delay: timedelta = timedelta(hours=6)

    def get_delay(self, attempts: int) -> timedelta | None:
        """The delay after that many attempts; None when no further attempt is made."""
        if attempts >= self.max_attempts:
            return None
        factor: int = 4 ** max(attempts - 1, 0)
        return min(self.first_delay * factor, self.max_delay)


@dataclass(frozen=True, slots=True)
class SecretFacts:
    """Recipient and code of a security message, which `sealed_facts` contains as encrypted JSON."""

    email: str
    name: str
    code: str
    locale: str
    # RFC 3339.
    expires_at: str

    def encrypt(self, cipher: FieldCipher) -> bytes:
        return cipher.encrypt(json.dumps(asdict(self)), ENCRYPTED_FACTS)

    @classmethod
    def decrypt(cls, encrypted: bytes, cipher: FieldCipher) -> SecretFacts:
        """Raises DecryptionError."""
        return cls(**json.loads(cipher.decrypt(encrypted, ENCRYPTED_FACTS)))
