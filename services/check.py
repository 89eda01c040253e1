"""Checks a running platform through its edge; `helm test` runs it.

All services are ready, the menu is readable, and an account can log in and gets a quote. With CHECK_PLACE_ORDER it also
places a pick-up order, paid in cash, and cancels it. On a platform without stores it checks that the quote is rejected:
the request has then passed the edge, order and store.
"""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any
from uuid import uuid4

from pydantic import Field, PositiveFloat, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

Json = dict[str, Any]

_OK, _UNAUTHORIZED, _NOT_FOUND, _CONFLICT = 200, 401, 404, 409
_UNAVAILABLE = {502, 503, 504}
_PAUSE_SECONDS = 1.0


class CheckSettings(BaseSettings):
    """Prefix `CHECK_`."""

    model_config = SettingsConfigDict(env_prefix="CHECK_", extra="ignore", env_ignore_empty=True)

    edge_url: str = Field(description="URL of the edge")
    email: str | None = Field(None, description="mailbox of the account that requests the quote; unset skips the quote")
    password: SecretStr | None = Field(None, description="password of the account")
    place_order: bool = Field(False, description="also place an order and cancel it")
    verify_tls: bool = Field(True, description="verify the certificate of the edge")
    patience_seconds: PositiveFloat = Field(60.0, description="seconds in which unavailable services are retried")


class Deviation(RuntimeError):
    """The platform responded otherwise than expected; the message holds request and response."""


class Edge:
    """A JSON client. Requests to unavailable services are retried until the patience ends."""

    def __init__(self, settings: CheckSettings) -> None:
        self._url = settings.edge_url.rstrip("/")
        self._deadline = time.monotonic() + settings.patience_seconds
        self._context = None if settings.verify_tls else ssl._create_unverified_context()  # noqa: S323
        self.token: str | None = None

    def call(self, verb: str, path: str, body: Json | None = None, *expected: int, key: str = "") -> tuple[int, Json]:
        """Status and body. Raises Deviation for any other status than `expected`, by default 200."""
        expected = expected or (_OK,)
        headers = {"accept": "application/json", "content-type": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        if key:
            headers["idempotency-key"] = key
        while True:
            status, text = self._send(verb, path, body, headers)
            if status in expected:
                return status, json.loads(text) if text.startswith("{") else {}
            if (status and status not in _UNAVAILABLE) or time.monotonic() > self._deadline:
                raise Deviation(f"{verb} {path}: {status or 'no response'} instead of {expected}: {text[:500]}")
            time.sleep(_PAUSE_SECONDS)

    def _send(self, verb: str, path: str, body: Json | None, headers: dict[str, str]) -> tuple[int, str]:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self._url + path, method=verb, data=data, headers=headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=15, context=self._context) as response:  # noqa: S310
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)


def check(settings: CheckSettings) -> None:
    """Raises Deviation at the first unexpected response."""
    edge = Edge(settings)
    edge.call("GET", "/healthz")
    _print("all nine services are ready")
    _, stores = edge.call("GET", "/api/stores?pageSize=1")
    _, products = edge.call("GET", "/api/products?pageSize=20")
    store = next(iter(stores["stores"]), None)
    cart = _cart(store, products["products"])
    _print(f"the menu is readable: {'no store yet' if store is None else store['name']}")
    edge.call("POST", "/api/orders/quote", cart, _UNAUTHORIZED)
    _print("a quote without login is rejected")
    if settings.email is None or settings.password is None:
        _print("no account is configured (test.accountSecret): the quote is not checked")
        return
    _, tokens = edge.call("POST", "/api/auth/login", {"email": settings.email, "password": _plain(settings.password)})
    edge.token = tokens["accessToken"]
    _print("the account can log in")
    status, quote = edge.call("POST", "/api/orders/quote", cart, _OK, _NOT_FOUND, _CONFLICT)
    if status != _OK:
        if store is None and status == _NOT_FOUND:
            _print("there is no store: the quote is rejected")
        else:
            _print(f"the quote is rejected: {quote['message']}")
        if settings.place_order:
            raise Deviation("an order was to be placed, but the quote was rejected")
        return
    _print(f"a quote: {quote['amounts']['total']}")
    if settings.place_order:
        _place_and_cancel_order(edge, {**cart, "quote": quote["quote"], "paymentMethod": "COD"})


def _plain(password: SecretStr) -> str:
    return password.get_secret_value()


def _place_and_cancel_order(edge: Edge, cart: Json) -> None:
    key = str(uuid4())
    _, order = edge.call("POST", "/api/orders", cart, key=key)
    _, repeated = edge.call("POST", "/api/orders", cart, key=key)
    if repeated["id"] != order["id"]:
        raise Deviation(f"one Idempotency-Key created the orders {order['id']} and {repeated['id']}")
    edge.call("POST", f"/api/orders/{order['id']}/cancel", {"reason": "helm test"})
    _print(f"{order['orderNumber']} was placed and cancelled")


def _cart(store: Json | None, products: list[Json]) -> Json:
    """One unit of the first product without options; unknown ids when there is no store or product."""
    plain = next((product for product in products if not product.get("customizations")), None)
    return {
        "storeId": store["id"] if store else str(uuid4()),
        "fulfilmentType": "PICKUP",
        "lines": [{"productId": plain["id"] if plain else str(uuid4()), "quantity": 1}],
    }


def _print(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - shown by `helm test --logs`


def main() -> None:
    try:
        check(CheckSettings())  # type: ignore[call-arg]
    except Deviation as deviation:
        raise SystemExit(str(deviation)) from None
