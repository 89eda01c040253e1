"""Settings of the local payment gateway: merchant, webhook, injected faults."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Faults:
    """Faults to inject. All are off by default."""

    delay_ms: int = 0
    """Delay of each response of `/v1`."""
    silent: bool = False
    """`/v1` executes requests and never responds."""
    broken: bool = False
    """`/v1` returns 500 and executes nothing."""
    duplicate_webhooks: bool = False
    """Every webhook is sent twice at the same time."""
    drop_webhooks: bool = False
    """Webhooks are discarded."""
    wrong_amount: bool = False
    """The next payments capture one rupee more than the order's amount."""
    pending_refunds: bool = False
    """Refunds stay pending until `POST /refunds/ID/finish`."""


@dataclass
class Settings:
    """The merchant's credentials, and the URL of its webhook."""

    webhook_url: str
    key_id: str
    key_secret: str
    webhook_secret: str
    state: str = ":memory:"
    faults: Faults = field(default_factory=Faults)
