"""Invalid tokens authenticate no request, and every service rejects a revoked session."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from devstack import menu, seed
from devstack.rest import Json, Session
from tests.e2e.hostile.conftest import Victim
from tests.e2e.hostile.forger import Forger
from tests.e2e.platform import PASSWORD, Platform, eventually

ME = "/api/auth/me"
REVOKED_WITHIN_SECONDS = 2.0


def get(platform: Platform, token: str, path: str = ME, **headers: str) -> httpx.Response:
    return platform.http.get(path, headers={"authorization": f"Bearer {token}", **headers})


def test_a_token_signed_with_the_current_key_is_accepted(platform: Platform, victim: Victim, forger: Forger) -> None:
    # Proves that the tests below fail only for the changed claim.
    answer = get(platform, forger.signed(forger.claims(victim.session.token)))
    assert answer.status_code == 200
    assert answer.json()["customer"]["id"] == victim.session.customer_id


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", "HS256", "EdDSA"])
def test_a_token_without_a_signature_is_rejected(
    platform: Platform, victim: Victim, forger: Forger, algorithm: str
) -> None:
    token = forger.unsigned(forger.claims(victim.session.token), algorithm)
    for text in (token, token.removesuffix("."), token + "AAAA"):
        assert get(platform, text).status_code == 401


def test_a_token_signed_with_the_public_key_as_a_shared_secret_is_rejected(
    platform: Platform, victim: Victim, forger: Forger
) -> None:
    jwks = platform.http.get("/.well-known/jwks.json")
    published = next(key for key in jwks.json()["keys"] if key["kid"] == forger.kid)
    assert "d" not in published, "the private half is published"
    for secret in (forger.public, published["x"].encode(), jwks.content, b"", b"secret"):
        assert get(platform, forger.by_public_key(forger.claims(victim.session.token), secret)).status_code == 401


def test_a_token_signed_with_a_foreign_key_is_rejected(platform: Platform, victim: Victim, forger: Forger) -> None:
    claims, foreign = forger.claims(victim.session.token, admin=True), Ed25519PrivateKey.generate()
    tokens = [
        forger.signed(claims, foreign),
        forger.signed(claims, foreign, kid="no-such-key"),
        forger.signed(claims, foreign, kid="../../../dev/null"),
        forger.signed(claims, foreign, jwk={"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}),
        forger.signed(claims, foreign, jku="http://127.0.0.1:1/jwks.json", x5u="http://127.0.0.1:1/"),
        jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers={"kid": forger.kid}),
    ]
    for token in tokens:
        assert get(platform, token).status_code == 401


def test_a_genuine_signature_with_changed_claims_is_rejected(
    platform: Platform, victim: Victim, mallory: Session, forger: Forger
) -> None:
    head, _, signature = mallory.token.split(".")
    wanted = forger.claims(mallory.token, sub=victim.session.customer_id, admin=True, roles=["CUSTOMER", "ADMIN"])
    payload = forger.signed(wanted).split(".")[1]
    assert get(platform, f"{head}.{payload}.{signature}").status_code == 401
    assert get(platform, f"{victim.session.token[:-4]}AAAA").status_code == 401


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": int(time.time()) - 60},
        {"exp": None},
        {"exp": int(time.time()) + 10 * 365 * 86_400},
        {"exp": "never"},
        {"nbf": int(time.time()) + 3600},
        {"aud": "another-api"},
        {"aud": None},
        {"aud": []},
        {"iss": "https://auth.evil.example"},
        {"iss": None},
    ],
    ids=["expired", "no expiry", "ten years", "expiry no number", "not yet", "foreign aud", "no aud", "empty aud",
         "foreign iss", "no iss"],
)  # fmt: skip
def test_a_token_with_invalid_times_audience_or_issuer_is_rejected(
    platform: Platform, victim: Victim, forger: Forger, changed: dict[str, Any]
) -> None:
    assert get(platform, forger.signed(forger.claims(victim.session.token, **changed))).status_code == 401


@pytest.mark.parametrize(
    "changed",
    [
        {"sid": None}, {"sid": "x"}, {"sub": "x"}, {"roles": None}, {"roles": "ADMIN"},
        {"grants": [{"job": "manager"}]}, {"grants": "all"}, {"sub": 7}, {"roles": [["ADMIN"]]}, {"roles": 1},
    ],
)  # fmt: skip
def test_malformed_claims_give_no_access_and_cause_no_internal_error(
    platform: Platform, victim: Victim, forger: Forger, changed: dict[str, Any]
) -> None:
    answer = get(platform, forger.signed(forger.claims(victim.session.token, **changed)))
    assert answer.status_code in {200, 401, 403}, answer.text
    listed = get(platform, forger.signed(forger.claims(victim.session.token, **changed)), "/api/suppliers")
    assert listed.status_code in {401, 403}, listed.text


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer null", "Basic {}", "Token {}", "{}", "Bearer {} x", "Bearer x, Bearer {}"]
)
def test_a_malformed_authorization_header_is_rejected(platform: Platform, victim: Victim, value: str) -> None:
    headers = {"authorization": value.format(victim.session.token)}
    assert platform.http.get(ME, headers=headers).status_code == 401


def test_a_token_outside_of_the_authorization_header_is_rejected(platform: Platform, victim: Victim) -> None:
    token = victim.session.token
    assert platform.http.get(f"{ME}?access_token={token}").status_code in {400, 401}
    for name in ("x-access-token", "x-auth-token", "proxy-authorization", "x-forwarded-access-token"):
        assert platform.http.get(ME, headers={name: f"Bearer {token}"}).status_code == 401


def test_a_refresh_token_is_rejected_as_access_token(platform: Platform, victim: Victim) -> None:
    tokens = log_in(platform, victim.session.email)
    assert get(platform, tokens["refreshToken"]).status_code == 401


def log_in(platform: Platform, email: str, password: str = PASSWORD) -> Json:
    return platform.rest.post("/api/auth/login", {"email": email, "password": password})


def test_every_service_rejects_a_revoked_session_within_two_seconds(platform: Platform) -> None:
    outlet = menu.OUTLETS[0]
    tokens = log_in(platform, seed.make_staff_email("MANAGER", outlet), seed.PASSWORD)
    store, unknown, product = platform.store_id, uuid4(), next(iter(platform.products.values()))["id"]
    places = {
        "store": f"/api/stores/{store}/staff",
        "inventory": f"/api/inventory/{product}?storeId={store}",
        "order": f"/api/orders?storeId={store}",
        "customer": ME,
        "payment": f"/api/payments/order/{unknown}",
        "loyalty": f"/api/loyalty/customer/{tokens['customerId']}",
        "notification": f"/api/notifications/user/{tokens['customerId']}",
        "analytics": f"/api/analytics/dashboard?storeId={store}",
        "review": f"/api/reviews/customer/{tokens['customerId']}",
    }
    for service, path in places.items():
        assert get(platform, tokens["accessToken"], path).status_code in {200, 404}, service

    ended = platform.http.post(
        "/api/auth/logout", json={}, headers={"authorization": f"Bearer {tokens['accessToken']}"}
    )
    assert ended.status_code == 200
    for service, path in places.items():
        eventually(
            lambda path=path: get(platform, tokens["accessToken"], path).status_code == 401,
            f"{service} rejects the revoked session",
            REVOKED_WITHIN_SECONDS,
        )
    # Public resources stay visible.
    assert get(platform, tokens["accessToken"], "/api/products").status_code == 200


def test_an_open_stream_of_a_revoked_session_ends(platform: Platform) -> None:
    customer = platform.new_customer()
    tokens = log_in(platform, customer.email)
    thief = Session(customer.customer_id, tokens["accessToken"], customer.email)
    order = platform.place(customer, platform.cart(platform.new_product(stock=5)))
    stream = platform.rest.stream(f"/api/orders/{order['id']}/watch", thief)
    assert "PENDING" in str(next(stream))

    headers = {"authorization": f"Bearer {tokens['accessToken']}"}
    assert platform.http.post("/api/auth/logout", json={}, headers=headers).status_code == 200
    path = f"/api/orders/{order['id']}"
    eventually(
        lambda: get(platform, thief.token, path).status_code == 401,
        "order rejects the revoked session",
        REVOKED_WITHIN_SECONDS,
    )
    platform.rest.post(f"{path}/cancel", {"reason": "changed my mind"}, customer)
    assert list(stream) == []


def test_a_refresh_token_reused_after_its_grace_period_revokes_the_session(platform: Platform) -> None:
    first = log_in(platform, platform.new_customer().email)

    def refresh(token: str) -> httpx.Response:
        return platform.http.post("/api/auth/refresh", json={"refreshToken": token})

    # Two browser tabs: both get the same successor, and the session stays valid.
    with ThreadPoolExecutor(max_workers=2) as pool:
        both = list(pool.map(refresh, [first["refreshToken"]] * 2))
    assert [answer.status_code for answer in both] == [200, 200]
    assert both[0].json()["refreshToken"] == both[1].json()["refreshToken"]
    second = both[0].json()
    assert get(platform, second["accessToken"]).status_code == 200

    # The first token is used again after two rotations, outside of the grace period: it was stolen.
    third = refresh(second["refreshToken"])
    assert third.status_code == 200
    assert refresh(first["refreshToken"]).status_code == 401
    assert refresh(third.json()["refreshToken"]).status_code == 401, "the token family is still valid"
    eventually(lambda: get(platform, third.json()["accessToken"]).status_code == 401, "the session is revoked", 2.0)


@pytest.mark.parametrize("token", ["", "x", "A" * 86, "../..", "' OR 1=1 --", "\x00", "é" * 40, "A" * 5000])
def test_a_forged_refresh_token_is_rejected(platform: Platform, token: str) -> None:
    assert platform.http.post("/api/auth/refresh", json={"refreshToken": token}).status_code in {400, 401}


def test_an_unknown_email_and_a_wrong_password_get_the_same_response(platform: Platform, victim: Victim) -> None:
    wrong = {"email": victim.session.email, "password": "Wrong-Password-1"}
    unknown = {"email": f"{uuid4().hex}@guests.example", "password": "Wrong-Password-1"}
    answers = [platform.http.post("/api/auth/login", json=body) for body in (wrong, unknown)]
    assert {answer.status_code for answer in answers} == {401}
    assert answers[0].content == answers[1].content
