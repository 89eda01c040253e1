"""The configured gateways."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pydantic import SecretStr

from services.payment.errors import OnlinePaymentOff
from services.payment.gateways.port import Gateway, GatewayUnavailable, WebhookEvent, WebhookSignatureError
from services.payment.gateways.thread_pool import GatewayThreadPool
from services.payment.settings import PaymentSettings


class GatewayRegistry:
    """The configured gateways by name. New payments use the default one."""

    def __init__(self, gateways: Mapping[str, Gateway], default: str) -> None:
        self._gateways, self._default = dict(gateways), default

    def get_default(self) -> Gateway:
        """The gateway of new payments. Raises OnlinePaymentOff when it is not configured."""
        gateway = self._gateways.get(self._default)
        if gateway is None:
            raise OnlinePaymentOff
        return gateway

    def find(self, provider: str | None) -> Gateway | None:
        """The gateway of a payment; None for cash, and for a gateway that is no longer configured."""
        return self._gateways.get(provider) if provider else None

    def get(self, provider: str | None) -> Gateway:
        """The gateway of an online payment. Raises GatewayUnavailable when it is no longer configured."""
        gateway = self.find(provider)
        if gateway is None:
            raise GatewayUnavailable(f"{provider} is no longer configured")
        return gateway

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> tuple[Gateway, WebhookEvent]:
        """The gateway that signed the webhook, and its event. Raises WebhookSignatureError, MalformedPayload."""
        for gateway in self._gateways.values():
            if gateway.signature_header in headers:
                return gateway, gateway.parse_webhook(headers, body)
        raise WebhookSignatureError("no signature header of a configured gateway")


def create_registry(settings: PaymentSettings, threads: GatewayThreadPool) -> GatewayRegistry:
    """Opens no connections. Imports only the SDKs of configured gateways: they cost memory and start-up time."""
    gateways: dict[str, Gateway] = {}
    if settings.razorpay_key_id:
        gateways["razorpay"] = _import_adapter("razorpay").RazorpayGateway(
            settings.razorpay_key_id,
            _secret(settings.razorpay_key_secret),
            _secrets(settings.razorpay_webhook_secret),
            settings.razorpay_url,
            threads,
        )
    if settings.stripe_secret_key:
        gateways["stripe"] = _import_adapter("stripe").StripeGateway(
            _secret(settings.stripe_secret_key),
            settings.stripe_public_key or "",
            _secrets(settings.stripe_webhook_secret),
            settings.stripe_url,
            threads,
        )
    return GatewayRegistry(gateways, settings.provider)


def _import_adapter(name: str) -> Any:
    return import_module(f"services.payment.gateways.{name}")


def _secret(value: SecretStr | None) -> str:
    assert value is not None, "the settings require it together with the gateway's key"
    return value.get_secret_value()


def _secrets(value: SecretStr | None) -> list[str]:
    return [secret.strip() for secret in _secret(value).split(",") if secret.strip()]
