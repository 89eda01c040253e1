"""Refresh tokens, access tokens and the CSRF token, without a database."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from services.customer.keys import NoSigningKey, Signer, select_signer
from services.customer.tokens import RefreshTokens, Roles, create_access_token, create_csrf_token

KEY = b"s" * 32
TOKENS = RefreshTokens(KEY)
SESSION = uuid4()
STORE = uuid4()
START = datetime(2026, 1, 1, tzinfo=UTC)


def signer(signs_from: datetime = START) -> Signer:
    return Signer(f"k{signs_from:%d%H}", Ed25519PrivateKey.generate(), signs_from)


def test_a_token_names_its_session() -> None:
    presented = TOKENS.parse(TOKENS.create_first(SESSION))
    assert presented is not None
    assert (presented.session_id, presented.is_genuine) == (SESSION, True)


def test_two_first_tokens_differ() -> None:
    assert TOKENS.create_first(SESSION) != TOKENS.create_first(SESSION)


def test_the_successor_depends_on_the_token_and_the_salt() -> None:
    first, other = TOKENS.parse(TOKENS.create_first(SESSION)), TOKENS.parse(TOKENS.create_first(SESSION))
    assert first is not None
    assert other is not None
    salt, another = b"s" * 32, b"t" * 32
    assert TOKENS.create_successor(first, salt) == TOKENS.create_successor(first, salt)
    different = {
        TOKENS.create_successor(first, salt),
        TOKENS.create_successor(first, another),
        TOKENS.create_successor(other, salt),
    }
    assert len(different) == 3
    successor = TOKENS.parse(TOKENS.create_successor(first, salt))
    assert successor is not None
    assert (successor.session_id, successor.is_genuine) == (SESSION, True)


def test_a_token_of_another_service_key_is_not_genuine() -> None:
    foreign = RefreshTokens(b"t" * 32)
    presented = TOKENS.parse(foreign.create_first(SESSION))
    assert presented is not None
    assert not presented.is_genuine


@given(st.text(max_size=200))
def test_arbitrary_text_is_never_a_genuine_token(text: str) -> None:
    presented = TOKENS.parse(text)
    assert presented is None or not presented.is_genuine


@given(st.integers(0, 85), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"))
def test_a_token_with_a_changed_letter_is_never_genuine(position: int, letter: str) -> None:
    text = TOKENS.create_first(SESSION)
    changed = text[:position] + letter + text[position + 1 :]
    presented = TOKENS.parse(changed)
    assert changed == text or presented is None or not presented.is_genuine


@pytest.mark.parametrize("tail", ["=", "==", "\n", " ", "A"])
def test_a_token_has_one_spelling(tail: str) -> None:
    assert TOKENS.parse(TOKENS.create_first(SESSION) + tail) is None


def test_the_access_token_has_a_flat_list_of_roles_and_the_grants() -> None:
    key = signer()
    roles = Roles(is_admin=True, grants=((STORE, "MANAGER"), (SESSION, "CHEF"), (STORE, "CHEF")))
    token = create_access_token(
        key,
        issuer="i",
        audience="a",
        account_id=uuid4(),
        session_id=SESSION,
        roles=roles,
        csrf="c",
        at=datetime.now(UTC),
        seconds=900,
    )
    payload = jwt.decode(token, key.private_key.public_key(), algorithms=["EdDSA"], audience="a", issuer="i")
    assert payload["roles"] == ["CUSTOMER", "CHEF", "MANAGER", "ADMIN"]
    assert payload["admin"] is True
    assert payload["grants"][0] == {"store_id": str(STORE), "job": "MANAGER"}
    assert UUID(payload["sid"]) == SESSION
    assert payload["csrf"] == "c"
    assert jwt.get_unverified_header(token) == {"alg": "EdDSA", "kid": key.kid, "typ": "at+jwt"}


def test_the_csrf_token_is_constant_and_unique_for_a_session() -> None:
    assert create_csrf_token(KEY, SESSION) == create_csrf_token(KEY, SESSION)
    assert create_csrf_token(KEY, SESSION) != create_csrf_token(KEY, uuid4())
    assert create_csrf_token(KEY, SESSION).isascii()


def test_the_newest_valid_key_signs() -> None:
    old, new, next_one = (signer(datetime(2026, 1, day, tzinfo=UTC)) for day in (1, 2, 3))
    assert select_signer([new, next_one, old], datetime(2026, 1, 2, 12, tzinfo=UTC)) is new
    with pytest.raises(NoSigningKey):
        select_signer([next_one], datetime(2026, 1, 2, tzinfo=UTC))
