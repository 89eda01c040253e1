"""Encryption of single fields and blind indexes.

A sealed field is `version (1) | length of key id (1) | key id | nonce (12) | AES-256-GCM ciphertext and tag`; the
context ("customers.email": its table and column) is authenticated with it, so a value cannot be moved to another
column. The first key seals, every key opens: a new key goes in front, `rotate-keys` re-seals, the old key is dropped.

A sealed column that is looked up has two blind indexes beside it, each UNIQUE: `email_index` by the oldest index key,
`email_index_next` by the newest; with one key they are equal. Whoever writes fills both and whoever looks up asks for
either, so replicas with {old}, {new, old} and {new} find and exclude each other's rows while the key rotates.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = 1
_NONCE = 12
KEY_BYTES = 32


class DecryptionError(Exception):
    """A sealed value does not open: unknown key, other context or changed bytes."""


def decode_key(text: str) -> bytes:
    """32 bytes from base64. ValueError with a sentence when it is not that."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error as error:
        raise ValueError("a key must be base64") from error
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key must have {KEY_BYTES} bytes, this one has {len(key)}")
    return key


def keyed_digest(key: bytes, purpose: str, *parts: object) -> bytes:
    """HMAC-SHA256 of the parts for one purpose; what one purpose is given says nothing to another."""
    return hmac.digest(key, "\0".join((purpose, *map(str, parts))).encode(), hashlib.sha256)


class FieldCipher:
    """Seals and opens fields; blinds values for exact look-up."""

    def __init__(self, keys: dict[str, bytes], index_key: bytes, old_index_key: bytes | None = None) -> None:
        if not keys:
            raise ValueError("at least one field key is needed")
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self.newest = next(iter(keys))
        self._prefix = bytes([_VERSION, len(self.newest)]) + self.newest.encode()
        self._index_key, self._old_index_key = index_key, old_index_key or index_key

    @classmethod
    def parse(cls, field_keys: str, index_key: str) -> FieldCipher:
        """From settings: `id:base64` keys, comma separated, newest first; one index key in base64, or new and old."""
        pairs = (item.split(":", 1) for item in field_keys.split(",") if item.strip())
        newest, *older = (decode_key(key) for key in index_key.split(","))
        if len(older) > 1:
            raise ValueError("at most two index keys: there are two index columns")
        return cls({key_id.strip(): decode_key(key) for key_id, key in pairs}, newest, *older)

    def encrypt(self, text: str, context: str) -> bytes:
        nonce = os.urandom(_NONCE)
        return self._prefix + nonce + self._ciphers[self.newest].encrypt(nonce, text.encode(), context.encode())

    def decrypt(self, sealed: bytes, context: str) -> str:
        """The text. Raises DecryptionError."""
        sealed = bytes(sealed)
        start = 2 + sealed[1] if len(sealed) > 1 else 0
        cipher = self._ciphers.get(self.key_id(sealed))
        if cipher is None:
            raise DecryptionError("sealed with a key that this service does not have")
        try:
            plain = cipher.decrypt(sealed[start : start + _NONCE], sealed[start + _NONCE :], context.encode())
        except InvalidTag as error:
            raise DecryptionError("the sealed value was changed or belongs elsewhere") from error
        return plain.decode()

    @staticmethod
    def key_id(sealed: bytes) -> str:
        """Which key sealed the value; empty when it is not a sealed value of this version."""
        if len(sealed) < 2 + _NONCE or sealed[0] != _VERSION:
            return ""
        return bytes(sealed[2 : 2 + sealed[1]]).decode(errors="replace")

    def blind(self, normalised: str) -> bytes:
        """HMAC-SHA256 by the newest index key: equal values give equal digests, nothing else can be read from one.

        For what may start anew when the key rotates, such as a count of attempts; columns use `index`.
        """
        return hmac.digest(self._index_key, normalised.encode(), hashlib.sha256)

    def index(self, normalised: str, context: str) -> dict[str, bytes]:
        """Both blind indexes of a sealed column by their columns' names, to write or to look up."""
        name, value = context.partition(".")[2], f"{context}\0{normalised}".encode()
        return {
            f"{name}_index": hmac.digest(self._old_index_key, value, hashlib.sha256),
            f"{name}_index_next": hmac.digest(self._index_key, value, hashlib.sha256),
        }

    def index_of_nothing(self, row_id: object, context: str) -> dict[str, bytes]:
        """For a row whose sealed text is empty: unique, and what no text is looked up by."""
        return self.index(f"\0{row_id}", context)
