"""Tokens of browsers: in cookies that no script reads, and the value that only a script can send back."""

from __future__ import annotations

from dataclasses import dataclass

from chassis import Call


@dataclass(frozen=True, slots=True)
class CookieNames:
    """Names carry their rules: `__Host-` needs Secure and Path=/, `__Secure-` needs Secure."""

    access: str
    refresh: str
    csrf: str


SECURE = CookieNames("__Host-at", "__Secure-rt", "__Host-csrf")
# Browsers refuse the prefixes without https.
PLAIN = CookieNames("at", "rt", "csrf")

ROOT = "/"
# The refresh token travels to the routes that need it and to no other.
AUTH = "/api/auth"


class Cookies:
    """Writes the three cookies of a session."""

    def __init__(self, *, secure: bool, access_seconds: int, refresh_seconds: int) -> None:
        self.names = SECURE if secure else PLAIN
        self._secure = "; Secure" if secure else ""
        self._access_seconds, self._refresh_seconds = access_seconds, refresh_seconds

    def give(self, call: Call, *, access: str, refresh: str, csrf: str) -> None:
        """Puts the tokens into the answer's headers."""
        self._set(call, self.names.access, access, ROOT, self._access_seconds)
        self._set(call, self.names.refresh, refresh, AUTH, self._refresh_seconds)
        self._set(call, self.names.csrf, csrf, ROOT, self._refresh_seconds, readable=True)

    def clear(self, call: Call) -> None:
        """Makes the browser forget all three."""
        self._set(call, self.names.access, "", ROOT, 0)
        self._set(call, self.names.refresh, "", AUTH, 0)
        self._set(call, self.names.csrf, "", ROOT, 0, readable=True)

    def _set(self, call: Call, name: str, value: str, path: str, seconds: int, *, readable: bool = False) -> None:
        http_only = "" if readable else "; HttpOnly"
        text = f"{name}={value}; Path={path}; Max-Age={seconds}{self._secure}{http_only}; SameSite=Lax"
        call.set_header("set-cookie", text)
