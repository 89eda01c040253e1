"""Session cookies of browsers: two that scripts cannot read, and the CSRF token that scripts send back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chassis import Call


@dataclass(frozen=True, slots=True)
class CookieNames:
    """Browsers enforce the prefixes: `__Host-` requires Secure and Path=/, `__Secure-` requires Secure."""

    access: str
    refresh: str
    csrf: str


SECURE = CookieNames("__Host-at", "__Secure-rt", "__Host-csrf")
# Browsers reject the prefixes without HTTPS.
PLAIN = CookieNames("at", "rt", "csrf")

ROOT = "/"
# The refresh token is sent only to the routes that need it.
AUTH = "/api/auth"


class Cookies:
    """Sets and clears the three cookies of a session."""

    def __init__(self, *, secure: bool, access_seconds: int, refresh_seconds: int) -> None:
        self.names = SECURE if secure else PLAIN
        self._secure = "; Secure" if secure else ""
        self._access_seconds, self._refresh_seconds = access_seconds, refresh_seconds

    def set_tokens(self, call: Call, *, access: str, refresh: str, csrf: str) -> None:
        """Adds the tokens to the response headers."""
        self._set(call, self.names.access, access, ROOT, self._access_seconds)
        self._set(call, self.names.refresh, refresh, AUTH, self._refresh_seconds)
        self._set(call, self.names.csrf, csrf, ROOT, self._refresh_seconds, readable=True)

    def clear(self, call: Call) -> None:
        """Makes the browser delete all three cookies."""
        self._set(call, self.names.access, "", ROOT, 0)
        self._set(call, self.names.refresh, "", AUTH, 0)
        self._set(call, self.names.csrf, "", ROOT, 0, readable=True)

    def _set(self, call: Call, name: str, value: str, path: str, seconds: int, *, readable: bool = False) -> None:
        http_only = "" if readable else "; HttpOnly"
        text = f"{name}={value}; Path={path}; Max-Age={seconds}{self._secure}{http_only}; SameSite=Lax"
        call.set_header("set-cookie", text)


def find_cookie(metadata: Mapping[str, str], name: str) -> str:
    """The value of a cookie of the request; empty without one."""
    for pair in metadata.get("cookie", "").split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            return value
    return ""
