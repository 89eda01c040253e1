"""Callers read from the payload of a verified token, and malformed payloads."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from chassis import ids
from chassis.errors import Unauthenticated
from chassis.rpc.interceptors.identity import read_payload
from services.identity import IDENTITY

ACCOUNT, SESSION, STORE = ids.new_id(), ids.new_id(), ids.new_id()
CLAIMS = {
    "sub": str(ACCOUNT),
    "sid": str(SESSION),
    "roles": ["CUSTOMER", "MANAGER"],
    "grants": [{"store_id": str(STORE), "job": "manager"}],
}


def payload(claims: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()


def test_a_payload_has_account_session_roles_and_grants() -> None:
    caller = read_payload(IDENTITY, payload(CLAIMS))
    assert (caller.account_id, caller.session_id) == (ACCOUNT, SESSION)
    assert caller.roles == {"CUSTOMER", "MANAGER"}
    assert [(grant.tenant_id, grant.role) for grant in caller.grants] == [(STORE, "MANAGER")]


@pytest.mark.parametrize(
    "claims",
    [
        None, [], "x", 7, {},
        CLAIMS | {"sub": "x"}, CLAIMS | {"sub": 7}, CLAIMS | {"sid": None}, CLAIMS | {"roles": None},
        CLAIMS | {"roles": [["ADMIN"]]}, CLAIMS | {"grants": "all"}, CLAIMS | {"grants": [{"job": "manager"}]},
        CLAIMS | {"grants": [{"store_id": str(STORE), "job": None}]},
    ],
)  # fmt: skip
def test_malformed_claims_are_unauthenticated(claims: Any) -> None:
    with pytest.raises(Unauthenticated):
        read_payload(IDENTITY, payload(claims))


@pytest.mark.parametrize("text", ["x", "%%%", "e30", "AAAA", "/w==", "é"])
def test_a_malformed_payload_is_unauthenticated(text: str) -> None:
    with pytest.raises(Unauthenticated):
        read_payload(IDENTITY, text)
