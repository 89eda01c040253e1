"""Access tokens as customer would never issue them: signed with its very key, or with what an attacker has."""

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

SEALED_AS = "signing_keys.private_key"
SIGNING_KEY = """
    SELECT kid, private_key, public_key FROM signing_keys WHERE signs_from <= now() ORDER BY signs_from DESC LIMIT 1
"""


class Forger:
    """Knows what a thief of customer's key would know, so that it is the claim at fault that is refused."""

    def __init__(self, database: psycopg.Connection[Any], environment: Mapping[str, str]) -> None:
        cipher = FieldCipher.parse(environment["CUSTOMER_FIELD_KEYS"], environment["CUSTOMER_INDEX_KEY"])
        row = database.execute(SIGNING_KEY).fetchone()
        assert row is not None
        self.kid: str = row[0]
        self.key = Ed25519PrivateKey.from_private_bytes(b64decode(cipher.decrypt(row[1], SEALED_AS)))
        self.public: bytes = row[2]

    @staticmethod
    def claims(token: str, **changed: Any) -> dict[str, Any]:
        """The claims of a genuine token, fresh, with changes; None takes a claim away."""
        now = int(time.time())
        found = jwt.decode(token, options={"verify_signature": False})
        found |= {"iat": now, "exp": now + 600} | changed
        return {name: value for name, value in found.items() if value is not None}

    def signed(self, claims: dict[str, Any], key: Any = None, kid: str | None = None, **header: Any) -> str:
        """Signed as customer signs, or with another key."""
        headers = {"kid": kid or self.kid, "typ": "at+jwt", **header}
        return jwt.encode(claims, key or self.key, algorithm="EdDSA", headers=headers)

    def unsigned(self, claims: dict[str, Any], algorithm: str = "none") -> str:
        """`alg: none`, in any spelling."""
        return f"{_part({'alg': algorithm, 'kid': self.kid, 'typ': 'at+jwt'})}.{_part(claims)}."

    def by_public_key(self, claims: dict[str, Any], key: bytes) -> str:
        """HS256 with something public as the secret: it fools verifiers that let the token choose the algorithm."""
        text = f"{_part({'alg': 'HS256', 'kid': self.kid, 'typ': 'JWT'})}.{_part(claims)}"
        return f"{text}.{_encode(hmac.digest(key, text.encode(), hashlib.sha256))}"


def _part(content: dict[str, Any]) -> str:
    return _encode(json.dumps(content).encode())


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
