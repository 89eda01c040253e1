"""Clients of the platform's REST API and of the local mailbox, for seeding and the demo."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx

Json = dict[str, Any]

CURRENCY = "INR"
_TIMEOUT_SECONDS = 15.0
_MAIL_SECONDS = 20.0
# The server sends a heartbeat every 15 seconds.
_STREAM_TIMEOUT = httpx.Timeout(10.0, read=40.0)
_POLL_SECONDS = 0.05
_RETRY_SECONDS = 0.5
_UNAVAILABLE = (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT)
# A code is on a line of its own: eight letters and digits, with or without a dash in the middle.
_CODE = re.compile(r"^\s*([A-Z0-9]{4}-?[A-Z0-9]{4})\s*$", re.MULTILINE)


class UnexpectedResponse(RuntimeError):
    """The API gave an unexpected response. The text holds request and response."""

    def __init__(self, request: str, status: int, body: str) -> None:
        self.status = status
        self.body = body
        super().__init__(f"{request} returned {status}: {body}")


class MailNotReceived(RuntimeError):
    """An expected mail did not arrive."""


@dataclass(frozen=True)
class Session:
    """An account with its access token."""

    customer_id: str
    token: str
    email: str


@dataclass(frozen=True)
class Event:
    """One server-sent event; its data is JSON."""

    id: str
    kind: str
    data: Json


class Rest:
    """JSON over HTTP to the edge. A response with another status than expected raises UnexpectedResponse."""

    def __init__(self, base_url: str, *, patience: float = 20.0) -> None:
        """`patience`: for how many seconds requests are retried on 503 and 504, with the same Idempotency-Key."""
        self._client = httpx.Client(base_url=base_url, timeout=_TIMEOUT_SECONDS)
        self._patience = patience

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, path: str, who: Session | None = None, **query: object) -> Json:
        return self.call("GET", path, who, query=query)

    def post(self, path: str, body: Json, who: Session | None = None, *, key: str | None = None) -> Json:
        return self.call("POST", path, who, body=body, key=key)

    def put(self, path: str, body: Json, who: Session | None = None) -> Json:
        return self.call("PUT", path, who, body=body)

    def call(
        self,
        method: str,
        path: str,
        who: Session | None = None,
        *,
        body: Json | None = None,
        query: Json | None = None,
        key: str | None = None,
        expected_status: int = 200,
    ) -> Json:
        """Sends one request. `key` is its Idempotency-Key."""
        headers = {"authorization": f"Bearer {who.token}"} if who else {}
        if key:
            headers["idempotency-key"] = key
        answer = self._send(method, path, json=body, params=query, headers=headers)
        if answer.status_code != expected_status:
            raise UnexpectedResponse(f"{method} {path}", answer.status_code, answer.text)
        found: Json = answer.json() if answer.content else {}
        return found

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        deadline = time.monotonic() + self._patience
        is_repeatable = method in {"GET", "PUT", "DELETE"} or "idempotency-key" in content["headers"]
        while True:
            try:
                answer = self._client.request(method, path, **content)
                if answer.status_code not in _UNAVAILABLE or time.monotonic() > deadline:
                    return answer
            except httpx.ConnectError:
                if time.monotonic() > deadline:
                    raise
            except httpx.TransportError:
                # The server may have executed the request before the connection broke.
                if not is_repeatable or time.monotonic() > deadline:
                    raise
            time.sleep(_RETRY_SECONDS)

    def expect_error(
        self, method: str, path: str, who: Session | None, reason: str, *, body: Json, status: int = 409
    ) -> Json:
        """Sends a request that must fail with this reason; returns the error."""
        key = str(uuid4())
        answer = self.call(method, path, who, body=body, key=key, expected_status=status)
        reasons = [detail.get("reason") for detail in answer["details"]]
        if reason not in reasons:
            raise UnexpectedResponse(f"{method} {path} (expected the reason {reason})", status, str(answer))
        return answer

    def list_all(self, path: str, items: str, who: Session | None = None, **query: object) -> Iterator[Json]:
        """Iterates over all items of a paginated list."""
        token = ""
        while True:
            page = self.get(path, who, **query, **({"pageToken": token} if token else {}))
            yield from page[items]
            token = page["nextPageToken"]
            if not token:
                return

    def log_in(self, email: str, password: str) -> Session | None:
        """Logs in. None when email or password are wrong."""
        try:
            tokens = self.post("/api/auth/login", {"email": email, "password": password})
        except UnexpectedResponse as error:
            if error.status == httpx.codes.UNAUTHORIZED:
                return None
            raise
        return Session(tokens["customerId"], tokens["accessToken"], email)

    def stream(self, path: str, who: Session, last_id: str = "") -> Iterator[Event]:
        """Server-sent events after `last_id`, until the server or the network ends the stream."""
        headers = {"authorization": f"Bearer {who.token}", "accept": "text/event-stream"}
        if last_id:
            headers["last-event-id"] = last_id
        with self._client.stream("GET", path, headers=headers, timeout=_STREAM_TIMEOUT) as answer:
            if answer.status_code != httpx.codes.OK:
                answer.read()
                raise UnexpectedResponse(f"GET {path}", answer.status_code, answer.text)
            fields: dict[str, str] = {}
            for line in answer.iter_lines():
                if line:
                    name, _, value = line.partition(":")
                    fields[name] = value.removeprefix(" ")
                elif "data" in fields:
                    yield Event(fields.get("id", ""), fields.get("event", "message"), json.loads(fields["data"]))
                    fields = {}


class Mailbox:
    """Reads the mails that the local mailbox received."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=_TIMEOUT_SECONDS)

    def mails(self, to: str) -> list[Json]:
        """Mails to an address, newest first. An empty list while the mailbox does not run."""
        try:
            answer = self._client.get("/messages", params={"to": to})
        except httpx.TransportError:
            return []
        answer.raise_for_status()
        found: list[Json] = answer.json()
        return found

    def wait_for(self, to: str, containing: str, *, seconds: float = _MAIL_SECONDS) -> Json:
        """Waits for a mail to the address with this text in subject or body. Raises MailNotReceived."""
        deadline = time.monotonic() + seconds
        while True:
            mails = self.mails(to)
            for mail in mails:
                if containing in mail["subject"] or containing in mail["text"]:
                    return mail
            if time.monotonic() > deadline:
                subjects = ", ".join(mail["subject"] for mail in mails) or "none"
                raise MailNotReceived(
                    f"no mail to {to} with {containing!r} within {seconds:.0f} s; received: {subjects}"
                )
            time.sleep(_POLL_SECONDS)

    def wait_for_code(self, to: str, subject: str, *, other_than: frozenset[str] = frozenset()) -> str:
        """Waits for a mail with that subject and returns its code. Codes of `other_than` are ignored."""
        deadline = time.monotonic() + _MAIL_SECONDS
        while True:
            mail = self.wait_for(to, subject)
            found = _CODE.search(mail["text"])
            if found and found[1] not in other_than:
                return found[1]
            if time.monotonic() > deadline:
                raise MailNotReceived(f"the mail {mail['subject']!r} to {to} has no new code")
            time.sleep(_POLL_SECONDS)


def rupees_to_money(amount: float | str) -> Json:
    """An amount in rupees as the API's Money."""
    whole, _, part = str(amount).partition(".")
    return {"currencyCode": CURRENCY, "minorUnits": str(int(whole) * 100 + int((part + "00")[:2]))}


def format_money(money: Json) -> str:
    """Money as text: ₹1,249.50."""
    paise = int(money["minorUnits"])
    return f"₹{paise // 100:,}.{paise % 100:02d}"
