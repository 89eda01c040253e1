"""Asks a running platform, through its edge, whether it works: `helm test` runs this.

Everything is ready; the menu can be read; an account logs in and is given a quote. With CHECK_PLACE_ORDER it also
places an order for pick-up, paid in cash, and cancels it. A platform without stores refuses the quote as it should, and
that is what is checked then: the question has gone through the edge, order and store.
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

from pydantic import PositiveFloat, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

Json = dict[str, Any]

_OK, _UNAUTHORIZED, _NOT_FOUND, _CONFLICT = 200, 401, 404, 409
_AWAY = {502, 503, 504}
_PAUSE_SECONDS = 1.0


class CheckSettings(BaseSettings):
    """Prefix `CHECK_`."""

    model_config = SettingsConfigDict(env_prefix="CHECK_", extra="ignore", env_ignore_empty=True)

    edge_url: str
    email: str | None = None
    password: SecretStr | None = None
    place_order: bool = False
    verify_tls: bool = True
    patience_seconds: PositiveFloat = 60.0


class Deviation(RuntimeError):
    """The platform did something else than it should. The text holds question and answer."""


class Edge:
    """JSON over HTTP. What is away for a moment is asked again until the patience ends."""

    def __init__(self, settings: CheckSettings) -> None:
        self._url = settings.edge_url.rstrip("/")
        self._deadline = time.monotonic() + settings.patience_seconds
        self._context = None if settings.verify_tls else ssl._create_unverified_context()  # noqa: S323
        self.token: str | None = None

    def ask(self, verb: str, path: str, body: Json | None = None, *due: int, key: str = "") -> tuple[int, Json]:
        """Status and body. Raises Deviation for a status that is not due; 200 is, without any other."""
        due = due or (_OK,)
        headers = {"accept": "application/json", "content-type": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        if key:
            headers["idempotency-key"] = key
        while True:
            status, text = self._send(verb, path, body, headers)
            if status in due:
                return status, json.loads(text) if text.startswith("{") else {}
            if (status and status not in _AWAY) or time.monotonic() > self._deadline:
                raise Deviation(f"{verb} {path}: {status or 'no answer'} instead of {due}: {text[:500]}")
            time.sleep(_PAUSE_SECONDS)

    def _send(self, verb: str, path: str, body: Json | None, headers: dict[str, str]) -> tuple[int, str]:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self._url + path, method=verb, data=data, headers=headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=15, context=self._context) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)


def check(settings: CheckSettings) -> None:
    """Raises Deviation at the first thing that is not as it should be."""
    edge = Edge(settings)
    edge.ask("GET", "/healthz")
    _say("all nine services are ready")
    _, stores = edge.ask("GET", "/api/stores?pageSize=1")
    _, products = edge.ask("GET", "/api/products?pageSize=20")
    store = next(iter(stores["stores"]), None)
    cart = _cart(store, products["products"])
    _say(f"the menu can be read: {'no store yet' if store is None else store['name']}")
    edge.ask("POST", "/api/orders/quote", cart, _UNAUTHORIZED)
    _say("nobody is given a quote without a log-in")
    if settings.email is None or settings.password is None:
        _say("no account is named (test.accountSecret): the quote is not asked for")
        return
    _, tokens = edge.ask("POST", "/api/auth/login", {"email": settings.email, "password": _plain(settings.password)})
    edge.token = tokens["accessToken"]
    _say("the account logs in")
    status, quote = edge.ask("POST", "/api/orders/quote", cart, _OK, _NOT_FOUND, _CONFLICT)
    if status != _OK:
        if store is None and status == _NOT_FOUND:
            _say("there is no store, and the quote says so")
        else:
            _say(f"the quote is refused for now: {quote['message']}")
        if settings.place_order:
            raise Deviation("an order was to be placed, and there is no quote for it")
        return
    _say(f"a quote: {quote['amounts']['total']}")
    if settings.place_order:
        _place_and_cancel(edge, {**cart, "quote": quote["quote"], "paymentMethod": "COD"})


def _plain(password: SecretStr) -> str:
    return password.get_secret_value()


def _place_and_cancel(edge: Edge, cart: Json) -> None:
    key = str(uuid4())
    _, order = edge.ask("POST", "/api/orders", cart, key=key)
    _, again = edge.ask("POST", "/api/orders", cart, key=key)
    if again["id"] != order["id"]:
        raise Deviation(f"one Idempotency-Key made the orders {order['id']} and {again['id']}")
    edge.ask("POST", f"/api/orders/{order['id']}/cancel", {"reason": "helm test"})
    _say(f"{order['orderNumber']} was placed and cancelled")


def _cart(store: Json | None, products: list[Json]) -> Json:
    """One piece of the first dish without a choice to make; unknown ids where there is nothing to choose from."""
    plain = next((product for product in products if not product.get("customizations")), None)
    return {
        "storeId": store["id"] if store else str(uuid4()),
        "fulfilmentType": "PICKUP",
        "lines": [{"productId": plain["id"] if plain else str(uuid4()), "quantity": 1}],
    }


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - what `helm test --logs` shows


def main() -> None:
    try:
        check(CheckSettings())  # type: ignore[call-arg]
    except Deviation as deviation:
        raise SystemExit(str(deviation)) from None
