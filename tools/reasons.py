"""The reasons of refusals: the machine-readable half of every error, read from the code that raises them."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import grpc
import yaml
from google.protobuf import descriptor_pb2

from chassis.errors import DomainError, RemoteError
from tools.edge import renderer

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
# Where Envoy puts a text of its own, which differs from case to case.
_OWN_TEXT = "%LOCAL_REPLY_BODY%"


@dataclass(frozen=True, order=True)
class Reason:
    """One row of the list: who gives it, what it is called, its HTTP status, the code of gRPC, and what it means."""

    owner: str
    name: str
    status: int
    code: str
    meaning: str


def of_services() -> list[Reason]:
    """Reasons of all refusals of chassis and services that are imported; also of kinds that others derive from."""
    found = []
    for refusal in _descendants(DomainError):
        package, module = refusal.__module__.split(".")[:2]
        if package not in {"chassis", "services"}:
            continue
        owner = module if package == "services" else EVERYWHERE
        found.append(Reason(owner, refusal.reason, _HTTP[refusal.code], refusal.code.name, _first_paragraph(refusal)))
    return sorted(found)


def of_edge(descriptors: descriptor_pb2.FileDescriptorSet) -> list[Reason]:
    """Reasons that Envoy gives by itself, from the configuration that it gets."""
    config = yaml.safe_load(renderer.render(renderer.EdgeSettings(), descriptors))
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    texts: dict[tuple[str, int, str], dict[str, None]] = {}
    for mapper in manager["local_reply_config"]["mappers"]:
        body = mapper["body_format_override"]["json_format"]
        status = mapper.get("status_code") or _status(mapper["filter"])
        text = "otherwise the message says what" if body["message"] == _OWN_TEXT else body["message"]
        texts.setdefault((body["details"][0]["reason"], status, _code(body["code"])), {})[text] = None
    return sorted(Reason(EDGE, *key, _sentence(said)) for key, said in texts.items())


def _status(condition: dict[str, Any]) -> int:
    """The status that a condition asks for; 500 for the last, which takes whatever no other did."""
    parts = [condition, *condition.get("and_filter", {}).get("filters", ())]
    [comparison] = [part["status_code_filter"]["comparison"] for part in parts if "status_code_filter" in part]
    is_exact = comparison["op"] == "EQ"
    return int(comparison["value"]["default_value"] if is_exact else HTTPStatus.INTERNAL_SERVER_ERROR)


def _code(number: int) -> str:
    return next(code.name for code in grpc.StatusCode if code.value[0] == number)


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
            lines += ["", f"## {owner}", "", "| reason | HTTP | gRPC | meaning |", "| --- | --- | --- | --- |"]
            lines += [f"| `{reason.name}` | {reason.status} | {reason.code} | {reason.meaning} |" for reason in mine]
    return "\n".join(lines) + "\n"


def _sentence(said: Iterable[str]) -> str:
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def _descendants(kind: type[DomainError]) -> list[type[DomainError]]:
    """All kinds of refusal but the one that passes on another service's."""
    direct = [refusal for refusal in kind.__subclasses__() if refusal is not RemoteError]
    return [*direct, *(further for refusal in direct for further in _descendants(refusal))]


def _first_paragraph(refusal: type[DomainError]) -> str:
    return " ".join((inspect.getdoc(refusal) or "").split("\n\n")[0].split())
