"""Encryption of single fields, and blind indexes.

An encrypted field is `version (1) | length of key id (1) | key id | nonce (12) | AES-256-GCM ciphertext and tag`. Its
context (table and column, "customers.email") is authenticated too, so a value cannot be moved to another column. The
first key encrypts, every key decrypts: put a new key in front, run `rotate-keys`, then remove the old key.

An encrypted column with exact look-ups has two blind indexes beside it, each UNIQUE: `email_index` by the oldest index
key, `email_index_next` by the newest; with one key both are equal. Writers fill both and readers match either, so that
replicas with {old}, {new, old} and {new} find and exclude each other's rows while the key rotates.
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
    """A value cannot be decrypted: unknown key, other context or changed bytes."""


def decode_key(text: str) -> bytes:
    """The 32 bytes of a base64 key. Raises ValueError for any other text."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error as error:
        raise ValueError("a key must be base64") from error
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key must have {KEY_BYTES} bytes, this one has {len(key)}")
    return key


def keyed_digest(key: bytes, purpose: str, *parts: object) -> bytes:
    """HMAC-SHA256 of the parts, separate for each purpose."""
    return hmac.digest(key, "\0".join((purpose, *map(str, parts))).encode(), hashlib.sha256)


class FieldCipher:
    """Encrypts and decrypts fields, and makes blind indexes for exact look-ups."""

    def __init__(self, keys: dict[str, bytes], index_key: bytes, old_index_key: bytes | None = None) -> None:
        if not keys:
            raise ValueError("at least one field key is needed")
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self.newest = next(iter(keys))
        self._prefix = bytes([_VERSION, len(self.newest)]) + self.newest.encode()
        self._index_key, self._old_index_key = index_key, old_index_key or index_key

    @classmethod
    def parse(cls, field_keys: str, index_key: str) -> FieldCipher:
        """From settings: `id:base64` keys, comma separated, newest first; one base64 index key, or new and old."""
        pairs = (item.split(":", 1) for item in field_keys.split(",") if item.strip())
        newest, *older = (decode_key(key) for key in index_key.split(","))
        if len(older) > 1:
            raise ValueError("at most two index keys: there are two index columns")
        return cls({key_id.strip(): decode_key(key) for key_id, key in pairs}, newest, *older)

    def encrypt(self, text: str, context: str) -> bytes:
        """The text, encrypted with the newest key for this context."""
        nonce = os.urandom(_NONCE)
        return self._prefix + nonce + self._ciphers[self.newest].encrypt(nonce, text.encode(), context.encode())

    def decrypt(self, encrypted: bytes, context: str) -> str:
        """The text of an encrypted value. Raises DecryptionError."""
        start = 2 + encrypted[1] if len(encrypted) > 1 else 0
        cipher = self._ciphers.get(self.key_id(encrypted))
        if cipher is None:
            raise DecryptionError("encrypted with a key that this service does not have")
        try:
            plain = cipher.decrypt(encrypted[start : start + _NONCE], encrypted[start + _NONCE :], context.encode())
        except InvalidTag as error:
            raise DecryptionError("the value was changed or belongs to another column") from error
        return plain.decode()

    @staticmethod
    def key_id(encrypted: bytes) -> str:
        """The id of the key that encrypted the value; empty for anything but an encrypted value of this version."""
        if len(encrypted) < 2 + _NONCE or encrypted[0] != _VERSION:
            return ""
        return encrypted[2 : 2 + encrypted[1]].decode(errors="replace")

    def blind(self, normalised: str) -> bytes:
        """HMAC-SHA256 by the newest index key: equal values give equal digests.

        For data that may restart when the key rotates, such as counts of attempts; columns use `index`.
        """
        return hmac.digest(self._index_key, normalised.encode(), hashlib.sha256)

    def index(self, normalised: str, context: str) -> dict[str, bytes]:
        """Both blind indexes of an encrypted column by their column names, to write or to look up."""
        name, value = context.partition(".")[2], f"{context}\0{normalised}".encode()
        return {
            f"{name}_index": hmac.digest(self._old_index_key, value, hashlib.sha256),
            f"{name}_index_next": hmac.digest(self._index_key, value, hashlib.sha256),
        }

    def index_of_nothing(self, row_id: object, context: str) -> dict[str, bytes]:
        """Blind indexes of a row whose text is empty: unique, and never matched by a look-up."""
        return self.index(f"\0{row_id}", context)
