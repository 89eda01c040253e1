"""Who the merchant is, where it listens, and what goes wrong on purpose."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Faults:
    """What may go wrong on purpose. All off by default."""

    delay_ms: int = 0
    """Each answer of `/v1` comes this late."""
    silent: bool = False
    """`/v1` does its work and never answers."""
    broken: bool = False
    """`/v1` answers 500 and does nothing."""
    duplicate_webhooks: bool = False
    """Every webhook is sent twice at the same time."""
    drop_webhooks: bool = False
    """No webhook is sent, now or later."""
    wrong_amount: bool = False
    """The next payments capture one rupee more than the order's amount."""
    pending_refunds: bool = False
    """Refunds stay pending until `POST /refunds/ID/finish`."""


@dataclass
class Settings:
    """Who the merchant is and where its webhook listens."""

    webhook_url: str
    key_id: str
    key_secret: str
    webhook_secret: str
    state: str = ":memory:"
    faults: Faults = field(default_factory=Faults)
