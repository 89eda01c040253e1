"""Invalid access tokens, signed with the key of the customer service, or with other keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import jwt
import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis.security.encryption import FieldCipher

KEY_COLUMN = "signing_keys.private_key"
SIGNING_KEY = """
    SELECT kid, private_key, public_key FROM signing_keys WHERE signs_from <= now() ORDER BY signs_from DESC LIMIT 1
"""


class Forger:
    """Has the signing key of the customer service: a rejected token differs from a genuine one only in a claim."""

    def __init__(self, database: psycopg.Connection[Any], environment: Mapping[str, str]) -> None:
        cipher = FieldCipher.parse(environment["CUSTOMER_FIELD_KEYS"], environment["CUSTOMER_INDEX_KEY"])
        row = database.execute(SIGNING_KEY).fetchone()
        assert row is not None
        self.kid: str = row[0]
        self.key = Ed25519PrivateKey.from_private_bytes(b64decode(cipher.decrypt(row[1], KEY_COLUMN)))
        self.public: bytes = row[2]

    @staticmethod
    def claims(token: str, **changed: Any) -> dict[str, Any]:
        """The claims of a genuine token, with new times and changes; None removes a claim."""
        now = int(time.time())
        found = jwt.decode(token, options={"verify_signature": False})
        found |= {"iat": now, "exp": now + 600} | changed
        return {name: value for name, value in found.items() if value is not None}

    def signed(self, claims: dict[str, Any], key: Any = None, kid: str | None = None, **header: Any) -> str:
        """Signed with the key of the customer service, or with another one."""
        headers = {"kid": kid or self.kid, "typ": "at+jwt", **header}
        return jwt.encode(claims, key or self.key, algorithm="EdDSA", headers=headers)

    def unsigned(self, claims: dict[str, Any], algorithm: str = "none") -> str:
        """`alg: none`, in any spelling."""
        return f"{_part({'alg': algorithm, 'kid': self.kid, 'typ': 'at+jwt'})}.{_part(claims)}."

    def by_public_key(self, claims: dict[str, Any], key: bytes) -> str:
        """HS256 with a public value as the secret, for verifiers that let the token choose the algorithm."""
        text = f"{_part({'alg': 'HS256', 'kid': self.kid, 'typ': 'JWT'})}.{_part(claims)}"
        return f"{text}.{_encode(hmac.digest(key, text.encode(), hashlib.sha256))}"


def _part(content: dict[str, Any]) -> str:
    return _encode(json.dumps(content).encode())


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
