"""What comes from and goes to the edge: client addresses, cookies, settings."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from services.customer.client import Client, cookie
from services.customer.cookies import Cookies
from services.customer.settings import CustomerSettings

SETTINGS: dict[str, Any] = {
    "database_url": "postgresql://x/customer_db",
    "field_keys": "1:" + "A" * 43 + "=",
    "index_key": "A" * 43 + "=",
    "signing_key": "A" * 43 + "=",
}


class Answer:
    """Collects response headers as a Call does."""

    def __init__(self) -> None:
        self.headers: list[tuple[str, str]] = []

    def set_header(self, name: str, value: str) -> None:
        self.headers.append((name, value))


def given(cookies: Cookies, *, clear: bool = False) -> dict[str, str]:
    answer: Any = Answer()
    if clear:
        cookies.clear(answer)
    else:
        cookies.give(answer, access="A", refresh="R", csrf="C")
    assert {name for name, _ in answer.headers} == {"set-cookie"}
    return dict(value.split("=", 1) for _, value in answer.headers)


def test_production_s_cookies_are_secure_and_bound_by_their_names() -> None:
    cookies = given(Cookies(secure=True, access_seconds=900, refresh_seconds=2_592_000))
    assert cookies == {
        "__Host-at": "A; Path=/; Max-Age=900; Secure; HttpOnly; SameSite=Lax",
        "__Secure-rt": "R; Path=/api/auth; Max-Age=2592000; Secure; HttpOnly; SameSite=Lax",
        "__Host-csrf": "C; Path=/; Max-Age=2592000; Secure; SameSite=Lax",
    }


def test_clearing_uses_the_same_names_and_paths_so_that_browsers_obey() -> None:
    cookies = given(Cookies(secure=True, access_seconds=900, refresh_seconds=1), clear=True)
    assert cookies == {
        "__Host-at": "; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax",
        "__Secure-rt": "; Path=/api/auth; Max-Age=0; Secure; HttpOnly; SameSite=Lax",
        "__Host-csrf": "; Path=/; Max-Age=0; Secure; SameSite=Lax",
    }


def test_a_cookie_is_found_by_its_whole_name() -> None:
    metadata = {"cookie": "art=no; xrt=no; rt=a=b==; rt2=no"}
    assert cookie(metadata, "rt") == "a=b=="
    assert cookie(metadata, "t") == ""
    assert cookie({}, "rt") == ""


@pytest.mark.parametrize(
    ("metadata", "address"),
    [
        ({"x-forwarded-for": "203.0.113.9"}, "203.0.113.9"),
        ({"x-forwarded-for": "10.9.9.9, 203.0.113.9"}, "203.0.113.9"),
        ({"x-forwarded-for": "203.0.113.9, nonsense"}, None),
        ({"x-envoy-external-address": "203.0.113.1", "x-forwarded-for": "10.0.0.1"}, "203.0.113.1"),
        ({"x-forwarded-for": "::ffff:203.0.113.9"}, "203.0.113.9"),
        ({"x-forwarded-for": ""}, None),
        ({}, None),
    ],
)
def test_the_client_s_address_is_what_the_edge_saw(metadata: dict[str, str], address: str | None) -> None:
    assert Client.of(metadata).address == address


def test_addresses_of_one_household_are_one_network() -> None:
    one, two = (Client.of({"x-forwarded-for": f"2001:db8:1:2::{tail}"}) for tail in ("1", "ffff"))
    assert one.network == two.network == "2001:db8:1:2::/64"
    assert Client.of({"x-forwarded-for": "203.0.113.9"}).network == "203.0.113.9"
    assert Client.of({}).network == "unknown"


def test_a_long_user_agent_is_cut() -> None:
    assert len(Client.of({"user-agent": "x" * 5000}).user_agent or "") == 500


@pytest.mark.parametrize("host", ["[::]", "192.0.2.1", "10.0.0.1", "customer"])
def test_development_with_its_plain_cookies_is_refused_beyond_loopback(host: str) -> None:
    with pytest.raises(ValidationError, match="loopback only"):
        CustomerSettings(environment="development", grpc_host=host, **SETTINGS)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_development_runs_on_loopback_with_plain_cookies(host: str) -> None:
    settings = CustomerSettings(environment="development", grpc_host=host, **SETTINGS)
    assert not settings.has_secure_cookies


def test_production_is_the_default_and_has_secure_cookies() -> None:
    assert CustomerSettings(**SETTINGS).has_secure_cookies


def test_a_refusal_to_start_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(f"CUSTOMER_{name.upper()}", value)
    monkeypatch.setenv("CUSTOMER_ENVIRONMENT", "development")
    with pytest.raises(SystemExit, match="loopback"):
        CustomerSettings.load("customer")
