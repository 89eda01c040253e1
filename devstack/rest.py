"""The platform's REST API as a client sees it, and the local mailbox: what seeding and the demo speak."""

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
# A heartbeat comes each 15 seconds.
_STREAM_TIMEOUT = httpx.Timeout(10.0, read=40.0)
_POLL_SECONDS = 0.05
_RETRY_SECONDS = 0.5
_AWAY = (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT)
# A code stands on a line of its own: eight letters and digits, with or without a dash in the middle.
_CODE = re.compile(r"^\s*([A-Z0-9]{4}-?[A-Z0-9]{4})\s*$", re.MULTILINE)


class Unexpected(RuntimeError):
    """The API answered something else than what was due. The text holds request and answer."""

    def __init__(self, request: str, status: int, body: str) -> None:
        self.status = status
        self.body = body
        super().__init__(f"{request} answered {status}: {body}")


class NoMail(RuntimeError):
    """A mail that was due did not arrive."""


@dataclass(frozen=True)
class Session:
    """Somebody who has logged in."""

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
    """JSON over HTTP to the edge. Every call names the status that is due; anything else raises Unexpected."""

    def __init__(self, base_url: str, *, patience: float = 20.0) -> None:
        """`patience`: seconds during which a service that is away (503, 504) is asked again, with the same key."""
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
        due: int = 200,
    ) -> Json:
        """One request. `key` is its Idempotency-Key, `due` the status that must come."""
        headers = {"authorization": f"Bearer {who.token}"} if who else {}
        if key:
            headers["idempotency-key"] = key
        answer = self._send(method, path, json=body, params=query, headers=headers)
        if answer.status_code != due:
            raise Unexpected(f"{method} {path}", answer.status_code, answer.text)
        found: Json = answer.json() if answer.content else {}
        return found

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        deadline = time.monotonic() + self._patience
        may_repeat = method in {"GET", "PUT", "DELETE"} or "idempotency-key" in content["headers"]
        while True:
            try:
                answer = self._client.request(method, path, **content)
                if answer.status_code not in _AWAY or time.monotonic() > deadline:
                    return answer
            except httpx.ConnectError:
                if time.monotonic() > deadline:
                    raise
            except httpx.TransportError:
                # The request may have been carried out before the connection broke.
                if not may_repeat or time.monotonic() > deadline:
                    raise
            time.sleep(_RETRY_SECONDS)

    def refused(
        self, method: str, path: str, who: Session | None, reason: str, *, body: Json, status: int = 409
    ) -> Json:
        """A request that must be refused with this reason."""
        key = str(uuid4())
        answer = self.call(method, path, who, body=body, key=key, due=status)
        reasons = [detail.get("reason") for detail in answer["details"]]
        if reason not in reasons:
            raise Unexpected(f"{method} {path} (refusal {reason} was due)", status, str(answer))
        return answer

    def pages(self, path: str, items: str, who: Session | None = None, **query: object) -> Iterator[Json]:
        """All items of a list, page by page."""
        token = ""
        while True:
            page = self.get(path, who, **query, **({"pageToken": token} if token else {}))
            yield from page[items]
            token = page["nextPageToken"]
            if not token:
                return

    def log_in(self, email: str, password: str) -> Session | None:
        """A session, or None when email and password do not fit."""
        try:
            tokens = self.post("/api/auth/login", {"email": email, "password": password})
        except Unexpected as refusal:
            if refusal.status == httpx.codes.UNAUTHORIZED:
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
                raise Unexpected(f"GET {path}", answer.status_code, answer.text)
            fields: dict[str, str] = {}
            for line in answer.iter_lines():
                if line:
                    name, _, value = line.partition(":")
                    fields[name] = value.removeprefix(" ")
                elif "data" in fields:
                    yield Event(fields.get("id", ""), fields.get("event", "message"), json.loads(fields["data"]))
                    fields = {}


class Mailbox:
    """What the local mailbox received."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=_TIMEOUT_SECONDS)

    def mails(self, to: str) -> list[Json]:
        """Mails to an address, newest first. None while the mailbox is away, which a restart mends."""
        try:
            answer = self._client.get("/messages", params={"to": to})
        except httpx.TransportError:
            return []
        answer.raise_for_status()
        found: list[Json] = answer.json()
        return found

    def wait_for(self, to: str, containing: str, *, seconds: float = _MAIL_SECONDS) -> Json:
        """The newest mail to the address whose subject or text contains the words; waits for it. Raises NoMail."""
        deadline = time.monotonic() + seconds
        while True:
            mails = self.mails(to)
            for mail in mails:
                if containing in mail["subject"] or containing in mail["text"]:
                    return mail
            if time.monotonic() > deadline:
                subjects = ", ".join(mail["subject"] for mail in mails) or "none at all"
                raise NoMail(f"no mail to {to} with {containing!r} within {seconds:.0f} s; there are: {subjects}")
            time.sleep(_POLL_SECONDS)

    def wait_for_code(self, to: str, subject: str, *, other_than: frozenset[str] = frozenset()) -> str:
        """The code in the newest mail with that subject; codes that were used already are passed over."""
        deadline = time.monotonic() + _MAIL_SECONDS
        while True:
            mail = self.wait_for(to, subject)
            found = _CODE.search(mail["text"])
            if found and found[1] not in other_than:
                return found[1]
            if time.monotonic() > deadline:
                raise NoMail(f"the mail {mail['subject']!r} to {to} has no new code")
            time.sleep(_POLL_SECONDS)


def rupees(amount: float | str) -> Json:
    """An amount of rupees as the API writes money."""
    whole, _, part = str(amount).partition(".")
    return {"currencyCode": CURRENCY, "minorUnits": str(int(whole) * 100 + int((part + "00")[:2]))}


def shown(money: Json) -> str:
    """₹1,249.50"""
    paise = int(money["minorUnits"])
    return f"₹{paise // 100:,}.{paise % 100:02d}"
