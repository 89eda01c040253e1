"""Cookies, client data and settings."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from services.customer import wire
from services.customer.cookies import Cookies, find_cookie
from services.customer.settings import CustomerSettings

SETTINGS: dict[str, Any] = {
    "database_url": "postgresql://x/customer_db",
    "field_keys": "1:" + "A" * 43 + "=",
    "index_key": "A" * 43 + "=",
    "signing_key": "A" * 43 + "=",
}


class Response:
    """Collects response headers as a Call does."""

    def __init__(self) -> None:
        self.headers: list[tuple[str, str]] = []

    def set_header(self, name: str, value: str) -> None:
        self.headers.append((name, value))


def given(cookies: Cookies, *, clear: bool = False) -> dict[str, str]:
    response: Any = Response()
    if clear:
        cookies.clear(response)
    else:
        cookies.set_tokens(response, access="A", refresh="R", csrf="C")
    assert {name for name, _ in response.headers} == {"set-cookie"}
    return dict(value.split("=", 1) for _, value in response.headers)


def test_cookies_of_production_are_secure_and_have_prefixes() -> None:
    cookies = given(Cookies(secure=True, access_seconds=900, refresh_seconds=2_592_000))
    assert cookies == {
        "__Host-at": "A; Path=/; Max-Age=900; Secure; HttpOnly; SameSite=Lax",
        "__Secure-rt": "R; Path=/api/auth; Max-Age=2592000; Secure; HttpOnly; SameSite=Lax",
        "__Host-csrf": "C; Path=/; Max-Age=2592000; Secure; SameSite=Lax",
    }


def test_cookies_are_cleared_with_the_same_names_and_paths() -> None:
    cookies = given(Cookies(secure=True, access_seconds=900, refresh_seconds=1), clear=True)
    assert cookies == {
        "__Host-at": "; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax",
        "__Secure-rt": "; Path=/api/auth; Max-Age=0; Secure; HttpOnly; SameSite=Lax",
        "__Host-csrf": "; Path=/; Max-Age=0; Secure; SameSite=Lax",
    }


def test_a_cookie_is_found_by_its_whole_name() -> None:
    metadata = {"cookie": "art=no; xrt=no; rt=a=b==; rt2=no"}
    assert find_cookie(metadata, "rt") == "a=b=="
    assert find_cookie(metadata, "t") == ""
    assert find_cookie({}, "rt") == ""


def test_a_long_user_agent_is_cut() -> None:
    assert len(wire.client_from_metadata({"user-agent": "x" * 5000}).user_agent or "") == 500


@pytest.mark.parametrize("host", ["[::]", "192.0.2.1", "10.0.0.1", "customer"])
def test_development_with_plain_cookies_does_not_start_beyond_loopback(host: str) -> None:
    with pytest.raises(ValidationError, match="loopback only"):
        CustomerSettings(environment="development", grpc_host=host, **SETTINGS)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_development_runs_on_loopback_with_plain_cookies(host: str) -> None:
    settings = CustomerSettings(environment="development", grpc_host=host, **SETTINGS)
    assert not settings.has_secure_cookies


def test_production_is_the_default_and_has_secure_cookies() -> None:
    assert CustomerSettings(**SETTINGS).has_secure_cookies


def test_a_failed_start_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(f"CUSTOMER_{name.upper()}", value)
    monkeypatch.setenv("CUSTOMER_ENVIRONMENT", "development")
    with pytest.raises(SystemExit, match="loopback"):
        CustomerSettings.load("customer")
