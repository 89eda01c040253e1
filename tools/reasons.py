"""The reasons of refusals: the machine-readable half of every error, read from the code that raises them."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from http import HTTPStatus

import grpc

from chassis.errors import PeerRefused, Refusal

EVERYWHERE = "every service"
EDGE = "the edge"

# What the edge's transcoder makes of a status; docs/api speaks HTTP.
_HTTP = {
    grpc.StatusCode.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    grpc.StatusCode.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    grpc.StatusCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    grpc.StatusCode.ABORTED: HTTPStatus.CONFLICT,
    grpc.StatusCode.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    grpc.StatusCode.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    grpc.StatusCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
    grpc.StatusCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    grpc.StatusCode.UNIMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
}
# reply(413, 3, "BODY_TOO_LARGE", "the request body is too large") in the edge's template.
_REPLY = re.compile(r'reply\((?:"(?:[^"\\]|\\.)*", )?(\d{3}), \d+, "(\w+)", "([^"]+)"\)')


@dataclass(frozen=True, order=True)
class Reason:
    """One row of the list: who gives it, what it is called, its HTTP status, and what it means."""

    owner: str
    name: str
    status: int
    meaning: str


def of_services() -> list[Reason]:
    """Reasons of all refusals whose modules are imported. The kinds that others derive from are listed as well."""
    found = []
    for refusal in _descendants(Refusal):
        owner = refusal.__module__.split(".")[1] if refusal.__module__.startswith("services.") else EVERYWHERE
        found.append(Reason(owner, refusal.reason, _HTTP[refusal.code], _first_paragraph(refusal)))
    return sorted(found)


def of_edge(template: str) -> list[Reason]:
    """Reasons that Envoy gives by itself, by its template; a text that it takes from elsewhere is left out."""
    texts: dict[tuple[str, int], list[str]] = {}
    for status, name, text in _REPLY.findall(template):
        if "%" not in text:
            texts.setdefault((name, int(status)), []).append(text)
    return sorted(Reason(EDGE, name, status, _sentence(said)) for (name, status), said in texts.items())


def render(reasons: list[Reason], services: tuple[str, ...]) -> str:
    lines = [
        "# Why a request is refused",
        "",
        "Generated from the refusals of the code and the template of the edge by `make docs`. Every answer that is not",
        "200 is a `google.rpc.Status` whose `ErrorInfo` has one of these reasons, the domain `jainshikanji` and facts",
        "in `metadata`. Reasons are part of the API: programs decide by them, `message` is for people. 400 also has",
        "the wrong fields in `BadRequest`; 409 does not pass by repeating the request; 429 and 503 may, 429 after",
        "`Retry-After`.",
    ]
    for owner in (EVERYWHERE, EDGE, *services):
        mine = [reason for reason in reasons if reason.owner == owner]
        if mine:
            lines += ["", f"## {owner}", "", "| reason | HTTP | meaning |", "| --- | --- | --- |"]
            lines += [f"| `{reason.name}` | {reason.status} | {reason.meaning} |" for reason in mine]
    return "\n".join(lines) + "\n"


def _sentence(said: list[str]) -> str:
    text = "; ".join(dict.fromkeys(said))
    return f"{text[0].upper()}{text[1:]}."


def _descendants(kind: type[Refusal]) -> list[type[Refusal]]:
    """All kinds of refusal but the one that passes on another service's."""
    direct = [refusal for refusal in kind.__subclasses__() if refusal is not PeerRefused]
    return [*direct, *(further for refusal in direct for further in _descendants(refusal))]


def _first_paragraph(refusal: type[Refusal]) -> str:
    return " ".join((inspect.getdoc(refusal) or "").split("\n\n")[0].split())
