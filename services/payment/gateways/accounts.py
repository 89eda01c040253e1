"""Which gateways this platform has accounts at, from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from services.payment.gateways.port import ForgedNotice, Gateway, Notice
from services.payment.gateways.threads import Threads
from services.payment.model import OnlinePaymentOff
from services.payment.settings import PaymentSettings


class Accounts:
    """The configured gateways by name. New payments go to the one that the settings choose."""

    def __init__(self, gateways: Mapping[str, Gateway], chosen: str) -> None:
        self._gateways, self._chosen = dict(gateways), chosen

    def chosen(self) -> Gateway:
        """The gateway of new payments. Raises OnlinePaymentOff when it is not configured."""
        gateway = self._gateways.get(self._chosen)
        if gateway is None:
            raise OnlinePaymentOff
        return gateway

    def named(self, provider: str | None) -> Gateway | None:
        """The gateway of a payment; None for cash and for an account that is gone."""
        return self._gateways.get(provider) if provider else None

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> tuple[Gateway, Notice]:
        """The gateway that signed a webhook, and what it says. Raises ForgedNotice when none did."""
        for gateway in self._gateways.values():
            if gateway.signature_header in headers:
                return gateway, gateway.read_notice(headers, body)
        raise ForgedNotice("no configured gateway signs like this")


def open_accounts(settings: PaymentSettings, threads: Threads) -> Accounts:
    """Connects nothing yet. An SDK is loaded only when its gateway is configured: they cost memory and start-up."""
    gateways: dict[str, Gateway] = {}
    if settings.razorpay_key_id:
        gateways["razorpay"] = _adapter("razorpay").RazorpayGateway(
            settings.razorpay_key_id,
            _secret(settings.razorpay_key_secret),
            _secrets(settings.razorpay_webhook_secret),
            settings.razorpay_url,
            threads,
        )
    if settings.stripe_secret_key:
        gateways["stripe"] = _adapter("stripe").StripeGateway(
            _secret(settings.stripe_secret_key),
            settings.stripe_public_key or "",
            _secrets(settings.stripe_webhook_secret),
            settings.stripe_url,
            threads,
        )
    return Accounts(gateways, settings.provider)


def _adapter(name: str) -> Any:
    return import_module(f"services.payment.gateways.{name}")


def _secret(value: Any) -> str:
    return str(value.get_secret_value())


def _secrets(value: Any) -> list[str]:
    return [secret.strip() for secret in _secret(value).split(",") if secret.strip()]
