"""Signed quotes: a price that is guaranteed for ten minutes to one customer, for one store and cart.

A token is `key id.payload.signature`, in URL-safe base64. The payload has the digest of the cart, the digest of the
price, the total in minor units and the expiry in Unix seconds. It has no personal data, and nothing is stored.
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
from decimal import Decimal

from chassis.errors import InvalidArgument
from chassis.money import from_minor_units, to_minor_units
from services.order.errors import PriceChanged, QuoteExpired
from services.order.model.cart import Cart
from services.order.model.pricing import Price, Tax

LIFETIME = timedelta(minutes=10)
_PAYLOAD = struct.Struct(">16s16sqq")
_PURPOSE = b"order quote v1"


def price_digest(price: Price) -> bytes:
    """Hash of every amount of the price in minor units: equal amounts have one digest, whatever their decimals."""
    lines = [
        (
            item.line.product_id,
            to_minor_units(item.line.unit_price),
            item.line.quantity,
            to_minor_units(item.discount),
            _tax(item.tax),
        )
        for item in price.lines
    ]
    sums = (
        *map(to_minor_units, (price.subtotal, price.discount, price.loyalty_discount, price.delivery_fee, price.total)),
        _tax(price.delivery_tax),
    )
    return hashlib.sha256(repr((lines, sums)).encode()).digest()[:16]


def _tax(tax: Tax) -> tuple[int, ...]:
    return (tax.rate, *map(to_minor_units, (tax.taxable, tax.cgst, tax.sgst, tax.igst)))


@dataclass(frozen=True, slots=True)
class Quote:
    """What a valid token guarantees."""

    price_digest: bytes
    total: Decimal

    def check(self, price: Price) -> None:
        """Raises PriceChanged unless every amount of the price is the quoted one."""
        if not hmac.compare_digest(self.price_digest, price_digest(price)):
            raise PriceChanged(self.total, price.total)


class QuoteSigner:
    """Signs with the first key and verifies with all: an old key stays ten minutes after its replacement."""

    def __init__(self, keys: list[bytes]) -> None:
        self._keys: Mapping[str, bytes] = {_key_id(key): hmac.digest(key, _PURPOSE, hashlib.sha256) for key in keys}
        self._newest = _key_id(keys[0])

    def sign(self, cart: Cart, price: Price, now: datetime) -> tuple[str, datetime]:
        """The token and its expiry."""
        expires = (now + LIFETIME).replace(microsecond=0)
        payload = _PAYLOAD.pack(
            cart.digest(), price_digest(price), to_minor_units(price.total), int(expires.timestamp())
        )
        signature = self._signature(self._newest, payload)
        return f"{self._newest}.{_encode(payload)}.{_encode(signature)}", expires

    def verify(self, token: str, cart: Cart, now: datetime) -> Quote:
        """The quote. Raises InvalidArgument for a token of another cart or without valid signature, QuoteExpired."""
        key_id, _, rest = token.partition(".")
        payload_text, _, signature_text = rest.partition(".")
        try:
            payload, signature = _decode(payload_text), _decode(signature_text)
        except (binascii.Error, ValueError):
            raise _invalid_token() from None
        if key_id not in self._keys or not hmac.compare_digest(signature, self._signature(key_id, payload)):
            raise _invalid_token()
        cart_digest, quoted_digest, total, expires = _PAYLOAD.unpack(payload)
        if not hmac.compare_digest(cart_digest, cart.digest()):
            raise _invalid_token()
        if now >= datetime.fromtimestamp(expires, UTC):
            raise QuoteExpired
        return Quote(quoted_digest, from_minor_units(total))

    def _signature(self, key_id: str, payload: bytes) -> bytes:
        return hmac.digest(self._keys[key_id], payload, hashlib.sha256)


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"key id" + key).hexdigest()[:8]


def _invalid_token() -> InvalidArgument:
    return InvalidArgument("quote", "is not a quote for this customer, store and cart")


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
