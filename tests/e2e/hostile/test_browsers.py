"""A foreign page in the browser of a logged-in user can neither write nor read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.e2e.hostile.conftest import Victim
from tests.e2e.platform import PASSWORD, Platform

EVIL = "https://evil.example"
TOKENLESS = ("register", "login", "refresh", "verify", "password/forgot", "password/reset")


@dataclass(frozen=True)
class Browser:
    """The cookies and tokens of a browser after a login with cookies."""

    access: str
    refresh: str
    csrf: str
    profile: str
    origin: str


@pytest.fixture(scope="module")
def browser(running: Platform, victim: Victim) -> Browser:
    origin = running.processes.edge_url
    body = {"email": victim.session.email, "password": PASSWORD, "useCookies": True}
    answer = running.http.post("/api/auth/login", json=body, headers={"origin": origin})
    jar = dict(answer.cookies)
    running.http.cookies.clear()
    path = f"/api/customers/{victim.session.customer_id}"
    return Browser(jar["at"], jar["rt"], answer.json()["csrfToken"], path, origin)


@pytest.fixture
def http(running: Platform) -> Iterator[httpx.Client]:
    """A client without a cookie jar: each test sets the cookies."""
    with httpx.Client(base_url=running.processes.edge_url, timeout=20.0) as client:
        yield client


def write(http: httpx.Client, path: str, **headers: Any) -> httpx.Response:
    named = [(name.replace("_", "-").encode(), _raw(value)) for name, value in headers.items() if value is not None]
    return http.request("PUT", path, json={"displayName": "Vasu"}, headers=named)


def _raw(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def reason(answer: httpx.Response) -> str:
    return str(answer.json()["details"][0]["reason"])


def test_the_page_of_the_shop_writes_with_cookie_origin_and_csrf_token(http: httpx.Client, browser: Browser) -> None:
    answer = write(
        http, browser.profile, cookie=f"at={browser.access}", origin=browser.origin, x_csrf_token=browser.csrf
    )
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("origin", [None, "null", EVIL, "http://127.0.0.1", "", "http://localhost.evil.example:3000"])
@pytest.mark.parametrize("has_token", [True, False])
def test_a_cookie_with_another_origin_or_none_writes_nothing(
    http: httpx.Client, browser: Browser, origin: str | None, has_token: bool
) -> None:
    token = browser.csrf if has_token else None
    answer = write(http, browser.profile, cookie=f"at={browser.access}", origin=origin, x_csrf_token=token)
    assert (answer.status_code, reason(answer)) == (403, "ORIGIN_REFUSED")


def test_a_referer_does_not_replace_the_origin(http: httpx.Client, browser: Browser) -> None:
    for referer in (f"{EVIL}/?{browser.origin}", "", "about:blank"):
        answer = write(http, browser.profile, cookie=f"at={browser.access}", referer=referer, x_csrf_token=browser.csrf)
        assert (answer.status_code, reason(answer)) == (403, "ORIGIN_REFUSED")


@pytest.mark.parametrize("token", [None, "", "x", "null", "undefined"])
def test_a_cookie_without_its_own_csrf_token_writes_nothing(
    http: httpx.Client, browser: Browser, token: str | None
) -> None:
    answer = write(http, browser.profile, cookie=f"at={browser.access}", origin=browser.origin, x_csrf_token=token)
    assert answer.status_code == 403


def test_the_csrf_token_of_another_session_is_rejected(running: Platform, http: httpx.Client, browser: Browser) -> None:
    other = running.new_customer()
    body = {"email": other.email, "password": PASSWORD, "useCookies": True}
    theirs = http.post("/api/auth/login", json=body, headers={"origin": browser.origin}).json()["csrfToken"]
    http.cookies.clear()
    for token in (theirs, f"{browser.csrf},{theirs}", browser.csrf[:-1], browser.csrf.upper()):
        answer = write(http, browser.profile, cookie=f"at={browser.access}", origin=browser.origin, x_csrf_token=token)
        assert answer.status_code == 403


@pytest.mark.parametrize(
    "cookie",
    [
        b"x=\xff; at=%s", b"at=%s; x=\xff\xfe", b"x=1;\tat=%s", b";at=%s", b"a=b,at=%s", b"at=%s; at=x", b"at=x; at=%s",
        b'at="%s"', b"at =%s", b"AT=%s", b"x; at=%s", b"x=\"; at=%s", b"at=%s\xa0",
    ],
)  # fmt: skip
def test_no_spelling_of_the_cookie_bypasses_the_csrf_check(http: httpx.Client, browser: Browser, cookie: bytes) -> None:
    # 403 when the edge reads the session, since Origin and token are missing; 401 when it does not; never 200.
    answer = write(http, browser.profile, cookie=cookie % browser.access.encode())
    assert answer.status_code in {401, 403}, answer.text


def test_cookies_in_several_headers_are_checked(http: httpx.Client, browser: Browser) -> None:
    headers = [(b"cookie", b"a=b"), (b"cookie", b"at=" + browser.access.encode())]
    answer = http.request("PUT", browser.profile, json={"displayName": "Vasu"}, headers=headers)
    assert answer.status_code in {401, 403}


def test_of_two_credentials_both_must_be_valid(http: httpx.Client, browser: Browser, victim: Victim) -> None:
    def me(bearer: str, cookie: str) -> int:
        headers = {"authorization": f"Bearer {bearer}", "cookie": f"at={cookie}"}
        return http.get("/api/auth/me", headers=headers).status_code

    assert me(victim.session.token, browser.access) == 200
    assert me(victim.session.token, "x.y.z") == 401
    assert me("x.y.z", browser.access) == 401
    assert me("x.y.z", "x.y.z") == 401


def test_a_bearer_token_does_not_replace_the_csrf_check_of_a_cookie(
    http: httpx.Client, browser: Browser, victim: Victim
) -> None:
    bearer = f"Bearer {victim.session.token}"
    assert write(http, browser.profile, cookie=f"at={browser.access}", authorization=bearer).status_code == 403
    assert write(http, browser.profile, authorization=bearer).status_code == 200


@pytest.mark.parametrize("route", TOKENLESS)
def test_unauthenticated_endpoints_need_no_csrf_token_but_reject_a_foreign_origin(
    http: httpx.Client, browser: Browser, route: str
) -> None:
    cookies = f"at={browser.access}; rt={browser.refresh}x"
    ours = http.post(f"/api/auth/{route}", json={}, headers={"cookie": cookies, "origin": browser.origin})
    # The checks of Origin and token pass; the empty body is rejected.
    assert ours.status_code in {400, 401}, ours.text
    foreign = http.post(f"/api/auth/{route}", json={}, headers={"cookie": cookies, "origin": EVIL})
    assert (foreign.status_code, reason(foreign)) == (403, "ORIGIN_REFUSED")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/auth/logout"),
        ("DELETE", "/api/auth/sessions"),
        ("POST", "/api/auth/password/change"),
        ("POST", "/api/auth/verify/resend"),
        ("POST", "/api/auth/logout/"),
        ("POST", "/api/orders"),
        ("POST", "/api/payments/verify"),
    ],
)
def test_no_other_route_is_exempt_from_the_csrf_check(
    http: httpx.Client, browser: Browser, method: str, path: str
) -> None:
    cookies = f"at={browser.access}"
    answer = http.request(method, path, json={}, headers={"cookie": cookies, "origin": browser.origin})
    assert (answer.status_code, reason(answer)) == (403, "CSRF_TOKEN_REQUIRED"), answer.text


def test_a_form_on_a_foreign_page_cannot_post(http: httpx.Client, browser: Browser) -> None:
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
    ):
        for path in ("/api/auth/login", "/api/orders", "/api/analytics/event"):
            headers = {"content-type": kind, "origin": EVIL}
            answer = http.post(path, content=b'{"email":"a@b.example"}', headers=headers)
            assert (answer.status_code, reason(answer)) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_a_safe_method_with_a_cookie_changes_nothing_and_needs_no_token(http: httpx.Client, browser: Browser) -> None:
    headers = {"cookie": f"at={browser.access}"}
    assert http.get("/api/auth/me", headers=headers).status_code == 200
    for name in ("x-http-method-override", "x-method-override", "x-http-method"):
        for method in ("DELETE", "PUT"):
            http.get(browser.profile, headers=headers | {name: method})
    assert http.get("/api/auth/me", headers=headers).status_code == 200


def test_cookies_are_http_only_and_same_site(running: Platform, victim: Victim) -> None:
    body = {"email": victim.session.email, "password": PASSWORD, "useCookies": True}
    answer = httpx.post(f"{running.processes.edge_url}/api/auth/login", json=body)
    cookies = {text.split("=")[0]: text for text in answer.headers.get_list("set-cookie")}
    assert set(cookies) == {"at", "rt", "csrf"}
    for name in ("at", "rt"):
        assert "HttpOnly" in cookies[name]
        assert "SameSite=Lax" in cookies[name]
    assert "Path=/api/auth;" in cookies["rt"]
    tokens = answer.json()
    assert (tokens["accessToken"], tokens["refreshToken"]) == ("", "")


@pytest.mark.parametrize(
    "origin", [EVIL, "null", "http://localhost.evil.example:3000", "http://localhost:3000.evil.example"]
)
def test_a_foreign_page_may_read_no_response(http: httpx.Client, browser: Browser, origin: str) -> None:
    answer = http.get("/api/auth/me", headers={"origin": origin, "cookie": f"at={browser.access}"})
    assert "access-control-allow-origin" not in answer.headers
    preflight_headers = {
        "origin": origin,
        "access-control-request-method": "PUT",
        "access-control-request-headers": "content-type",
    }
    preflight = http.options(browser.profile, headers=preflight_headers)
    assert "access-control-allow-origin" not in preflight.headers


def test_only_the_page_of_the_shop_may_read_responses(http: httpx.Client) -> None:
    origin = "http://localhost:3000"
    answer = http.get("/api/products", headers={"origin": origin})
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "origin" in answer.headers["vary"]
    preflight_headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-csrf-token",
    }
    preflight = http.options("/api/orders", headers=preflight_headers)
    assert preflight.status_code in {200, 204}
    assert "x-csrf-token" in preflight.headers["access-control-allow-headers"]
    assert "*" not in preflight.headers["access-control-allow-origin"]


@pytest.mark.parametrize(
    ("path", "code"),
    [("/api/products", 200), ("/api/orders", 401), ("/api/nothing", 404), ("/api/products?x=1", 400), ("/", 404),
     ("/api/products/%2e%2e%2f", 400), ("/healthz", 200)],
)  # fmt: skip
def test_every_response_has_the_security_headers(http: httpx.Client, path: str, code: int) -> None:
    answer = http.get(path)
    assert answer.status_code == code
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "max-age=" in answer.headers["strict-transport-security"]
    for name in ("x-powered-by", "x-envoy-upstream-service-time", "grpc-status", "grpc-message"):
        assert name not in answer.headers
    assert answer.headers["server"] == "edge"
