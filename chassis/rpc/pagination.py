"""Keyset pages: a page starts after the last row of the one before, at any depth for the same price.

A token is `payload.signature`: the sort values of the last row, bound by HMAC to the method, its filters and the
caller, so that a forged token, or one of another list, is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from chassis.errors import InvalidArgument
from chassis.rpc.call import find_current_call

MAX_SIZE = 100
_SIGNATURE_BYTES = 16

T = TypeVar("T")


class Page:
    """Which page a request asks for."""

    def __init__(self, key: bytes, binding: bytes, size: int, after: tuple[str, ...] | None) -> None:
        self._key, self._binding = key, binding
        self.size = size
        # Sort values of the last row of the page before, as `next_token` was given them; None on the first page.
        self.after = after

    @property
    def limit(self) -> int:
        """How many rows to select: one more than shown tells whether there is a next page."""
        return self.size + 1

    def trim(self, rows: Sequence[T]) -> Sequence[T]:
        """The rows to show."""
        return rows[: self.size]

    def next_token(self, rows: Sequence[T], sort_values: Callable[[T], tuple[str, ...]]) -> str:
        """The token of the next page; empty when the rows end here."""
        if len(rows) <= self.size:
            return ""
        payload = json.dumps(sort_values(rows[self.size - 1]), separators=(",", ":")).encode()
        return f"{_encode(payload)}.{_encode(_sign(self._key, self._binding, payload))}"


class Pages:
    """Opens and signs page tokens with the service's key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def open(self, request: Any, default_size: int = 20) -> Page:
        """Reads `page_size` and `page_token`. Raises InvalidArgument for a token that is not of this very list."""
        size = min(request.page_size or default_size, MAX_SIZE)
        binding = _binding(request)
        if not request.page_token:
            return Page(self._key, binding, size, None)
        return Page(self._key, binding, size, self._read(request.page_token, binding))

    def _read(self, token: str, binding: bytes) -> tuple[str, ...]:
        payload_text, _, signature_text = token.partition(".")
        try:
            payload, signature = _decode(payload_text), _decode(signature_text)
        except (binascii.Error, ValueError):
            raise _foreign() from None
        if not hmac.compare_digest(signature, _sign(self._key, binding, payload)):
            raise _foreign()
        return tuple(json.loads(payload))


def _foreign() -> InvalidArgument:
    return InvalidArgument("pageToken", "is not a token of this list")


def _binding(request: Message) -> bytes:
    """The method, the caller and every other field of the request."""
    filters = type(request)()
    filters.CopyFrom(request)
    filters.ClearField("page_size")
    filters.ClearField("page_token")
    call = find_current_call()
    where = f"{call.method.path} {call.caller}" if call else request.DESCRIPTOR.full_name
    return where.encode() + b"\0" + filters.SerializeToString(deterministic=True)


def _sign(key: bytes, binding: bytes, payload: bytes) -> bytes:
    message = len(binding).to_bytes(4, "big") + binding + payload
    return hmac.digest(key, b"page" + message, hashlib.sha256)[:_SIGNATURE_BYTES]


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
