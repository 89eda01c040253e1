"""Signed prices: what a quote promises for ten minutes, to one customer, for one store and cart.

A token is `key id.payload.signature`, in URL-safe base64. The payload is the digest of the cart, the digest of the
whole price, the total in minor units and the second it expires. Nothing in it is personal; nothing is stored.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chassis.errors import InvalidArgument
from services.order.model.cart import Cart
from services.order.model.pricing import Price
from services.order.model.refusals import PriceChanged, QuoteExpired

LIFE = timedelta(minutes=10)
_PAYLOAD = struct.Struct(">16s16sqq")
_PURPOSE = b"order quote v1"


def price_digest(price: Price) -> bytes:
    """Tells prices apart: every line, every tax, every sum."""
    lines = [
        (item.line.product_id, item.line.unit_price, item.line.quantity, item.discount, item.tax)
        for item in price.lines
    ]
    sums = (price.subtotal, price.discount, price.loyalty_discount, price.delivery_fee, price.delivery_tax, price.total)
    return hashlib.sha256(repr((lines, sums)).encode()).digest()[:16]


@dataclass(frozen=True, slots=True)
class Promise:
    """A price that was promised."""

    price_digest: bytes
    total: int

    def check(self, price: Price) -> None:
        """Raises PriceChanged unless the price is the promised one, to the paisa of each line."""
        if not hmac.compare_digest(self.price_digest, price_digest(price)):
            raise PriceChanged(self.total, price.total)


class QuoteSigner:
    """Signs with the first key, believes all: an old key stays for ten minutes after a new one came."""

    def __init__(self, keys: list[bytes]) -> None:
        self._keys: Mapping[str, bytes] = {_key_id(key): hmac.digest(key, _PURPOSE, hashlib.sha256) for key in keys}
        self._newest = _key_id(keys[0])

    def sign(self, cart: Cart, price: Price, now: datetime) -> tuple[str, datetime]:
        """The token and the moment it expires."""
        expires = (now + LIFE).replace(microsecond=0)
        payload = _PAYLOAD.pack(cart.digest(), price_digest(price), price.total, int(expires.timestamp()))
        signature = self._signature(self._newest, payload)
        return f"{self._newest}.{_encode(payload)}.{_encode(signature)}", expires

    def open(self, token: str, cart: Cart, now: datetime) -> Promise:
        """What was promised. Raises InvalidArgument when it is not for this cart, QuoteExpired after its life."""
        key_id, _, rest = token.partition(".")
        payload_text, _, signature_text = rest.partition(".")
        try:
            payload, signature = _decode(payload_text), _decode(signature_text)
        except (binascii.Error, ValueError):
            raise _foreign() from None
        if key_id not in self._keys or not hmac.compare_digest(signature, self._signature(key_id, payload)):
            raise _foreign()
        cart_digest, promised, total, expires = _PAYLOAD.unpack(payload)
        if not hmac.compare_digest(cart_digest, cart.digest()):
            raise _foreign()
        if now >= datetime.fromtimestamp(expires, UTC):
            raise QuoteExpired
        return Promise(promised, total)

    def _signature(self, key_id: str, payload: bytes) -> bytes:
        return hmac.digest(self._keys[key_id], payload, hashlib.sha256)


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"key id" + key).hexdigest()[:8]


def _foreign() -> InvalidArgument:
    return InvalidArgument("quote", "is not a quote for this customer, store and cart")


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
