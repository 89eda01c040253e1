"""The contracts as described by the generated code, for tests of the project's rules."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from google.api import annotations_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor, MethodDescriptor
from google.protobuf.message import Message
from jainshikanji.options.v1 import access_pb2

from devstack.postgres import DATABASES

ROOT = Path(__file__).resolve().parent.parent.parent
GEN = ROOT / "gen"
SERVICES = list(DATABASES)
PACKAGE = "jainshikanji"


@cache
def files() -> list[FileDescriptor]:
    """Every file of the platform's packages, in the order of their names."""
    modules = sorted(path.relative_to(GEN) for path in (GEN / PACKAGE).rglob("*_pb2.py"))
    return [importlib.import_module(".".join(module.with_suffix("").parts)).DESCRIPTOR for module in modules]


@dataclass(frozen=True)
class Rpc:
    """One method of a contract with its options."""

    method: MethodDescriptor

    def __str__(self) -> str:
        return f"{self.method.containing_service.full_name}.{self.method.name}"

    @property
    def package(self) -> str:
        return str(self.method.containing_service.file.package)

    @property
    def request(self) -> Descriptor:
        return self.method.input_type

    @property
    def options(self) -> Any:
        return self.method.GetOptions()

    @property
    def access(self) -> access_pb2.Access:
        found: access_pb2.Access = self.options.Extensions[access_pb2.access]
        return found

    @property
    def idempotency_level(self) -> str:
        return str(descriptor_pb2.MethodOptions.IdempotencyLevel.Name(self.options.idempotency_level))

    @property
    def routes(self) -> list[tuple[str, str]]:
        """Verb and template of each of its routes; none when it is internal."""
        if not self.options.HasExtension(annotations_pb2.http):
            return []
        rule = self.options.Extensions[annotations_pb2.http]
        return [_route(one) for one in [rule, *rule.additional_bindings]]


def _route(rule: Any) -> tuple[str, str]:
    verb = rule.WhichOneof("pattern")
    if verb == "custom":
        return rule.custom.kind, rule.custom.path
    return verb.upper(), getattr(rule, verb)


@cache
def rpcs() -> list[Rpc]:
    """Every rpc of every contract."""
    return [Rpc(method) for file in files() for service in file.services_by_name.values() for method in service.methods]


def own_messages() -> Iterator[Descriptor]:
    """Every message of the platform's packages, nested ones included."""
    for file in files():
        for message in file.message_types_by_name.values():
            yield from _with_nested(message)


def _with_nested(message: Descriptor) -> Iterator[Descriptor]:
    yield message
    for nested in message.nested_types:
        yield from _with_nested(nested)


def events() -> list[Descriptor]:
    """Every message of an events.proto whose name a service may publish: those that no other message contains."""
    found = [
        message
        for file in files()
        if file.name.endswith("/events.proto")
        for message in file.message_types_by_name.values()
    ]
    parts = {field.message_type.full_name for message in found for field in message.fields if field.message_type}
    return [message for message in found if message.full_name not in parts]


@dataclass(frozen=True)
class FieldPath:
    """A field and its path from a root message."""

    path: str
    field: FieldDescriptor


def reachable(message: Descriptor, prefix: str = "", seen: frozenset[str] = frozenset()) -> Iterator[FieldPath]:
    """Every field below the message, without the fields of foreign types (Timestamp, FieldMask ...)."""
    for field in message.fields:
        path = f"{prefix}{field.name}"
        yield FieldPath(path, field)
        part = field.message_type
        is_map = part is not None and part.GetOptions().map_entry
        if part is not None and part.full_name.startswith(PACKAGE) and not is_map and part.full_name not in seen:
            yield from reachable(part, f"{path}.", seen | {part.full_name})


def message_class(full_name: str) -> type[Message]:
    return message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(full_name))


# --- google.api.http path templates -----------------------------------------------------------------------------------

_SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")
_FIELD_PATH = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")


class InvalidTemplate(ValueError):
    """A path template outside the grammar of google.api.http, or outside the part of it that this platform uses."""


@dataclass(frozen=True)
class Template:
    """A parsed path: each segment is a literal, or the field that a variable fills."""

    text: str
    literals: tuple[str | None, ...]
    fields: tuple[str | None, ...]

    @property
    def positional(self) -> str:
        """With `{}` for each variable, so that `:customerId` equals `{customer_id}`."""
        return "/" + "/".join(literal or "{}" for literal in self.literals)


def parse(text: str) -> Template:
    """Raises InvalidTemplate. Variables are one whole segment: `{name}`; no wildcards, no custom verbs."""
    if not text.startswith("/") or text.endswith("/"):
        raise InvalidTemplate(f"{text}: must start and must not end with a slash")
    literals: list[str | None] = []
    fields: list[str | None] = []
    for segment in text[1:].split("/"):
        variable = segment.startswith("{") and segment.endswith("}")
        inner = segment[1:-1] if variable else segment
        if not (_FIELD_PATH if variable else _SEGMENT).fullmatch(inner):
            raise InvalidTemplate(f"{text}: segment {segment!r}")
        literals.append(None if variable else inner)
        fields.append(inner if variable else None)
    named = [field for field in fields if field]
    if len(set(named)) != len(named):
        raise InvalidTemplate(f"{text}: a variable occurs twice")
    return Template(text, tuple(literals), tuple(fields))


def overlap(one: Template, other: Template) -> bool:
    """Whether some path matches both."""
    if len(one.literals) != len(other.literals):
        return False
    pairs = zip(one.literals, other.literals, strict=True)
    return all(left == right or left is None or right is None for left, right in pairs)
