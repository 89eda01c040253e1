"""The contracts with their comments, as the source of the generated documentation."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from buf.validate import validate_pb2
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2
from jainshikanji.options.v1 import access_pb2, pii_pb2

from tools.generate import write_image

PACKAGE = "jainshikanji."

# Field numbers of the descriptor messages; the path of a comment consists of them.
_MESSAGE, _ENUM, _SERVICE, _METHOD, _FIELD, _NESTED, _NESTED_ENUM, _VALUE = 4, 5, 6, 2, 2, 3, 4, 2


@dataclass(frozen=True)
class Rpc:
    """One rpc with its options, comment and REST route."""

    service: str
    package: str
    method: descriptor_pb2.MethodDescriptorProto
    comment: str

    @property
    def options(self) -> Any:
        return self.method.options

    @property
    def access(self) -> Any:
        return self.options.Extensions[access_pb2.access]

    @property
    def callers(self) -> list[str]:
        return [access_pb2.Access.Caller.Value.Name(caller) for caller in self.access.callers]

    @property
    def scope(self) -> str:
        return str(access_pb2.Access.Scope.Value.Name(self.access.scope))

    @property
    def needs_key(self) -> bool:
        return bool(self.options.Extensions[access_pb2.idempotency_key])

    @cached_property
    def route(self) -> tuple[str, str, str] | None:
        """Verb, path and body of the REST route; None for an internal rpc."""
        http = self.options.Extensions[annotations_pb2.http]
        verb = http.WhichOneof("pattern")
        return (verb, getattr(http, verb), http.body) if verb else None


class Image:
    """All messages, enums, rpcs and events of the contracts by name, with comments."""

    def __init__(self, files: descriptor_pb2.FileDescriptorSet) -> None:
        self.files = files
        self.messages: dict[str, descriptor_pb2.DescriptorProto] = {}
        self.enums: dict[str, descriptor_pb2.EnumDescriptorProto] = {}
        self.comments: dict[str, str] = {}
        self.rpcs: list[Rpc] = []
        self.events: dict[str, str] = {}
        for file in files.file:
            self._read_file(file)
        # A message in events.proto that is the type of a field is part of an event and not an event.
        parts = {field.type_name[1:] for message in self.messages.values() for field in message.field}
        self.events = {name: service for name, service in self.events.items() if name not in parts}

    def _read_file(self, file: descriptor_pb2.FileDescriptorProto) -> None:
        comments = {tuple(at.path): _text(at.leading_comments) for at in file.source_code_info.location}
        for index, message in enumerate(file.message_type):
            self._read_message(file.package, message, (_MESSAGE, index), comments)
            if file.name.endswith("/events.proto"):
                self.events[f"{file.package}.{message.name}"] = file.package.split(".")[1]
        for index, enum in enumerate(file.enum_type):
            self._read_enum(file.package, enum, (_ENUM, index), comments)
        if file.package.startswith(PACKAGE):
            for at, service in enumerate(file.service):
                for index, method in enumerate(service.method):
                    comment = comments.get((_SERVICE, at, _METHOD, index), "")
                    self.rpcs.append(Rpc(service.name, file.package, method, comment))

    def _read_message(
        self,
        scope: str,
        message: descriptor_pb2.DescriptorProto,
        path: tuple[int, ...],
        comments: dict[tuple[int, ...], str],
    ) -> None:
        name = f"{scope}.{message.name}"
        self.messages[name] = message
        self.comments[name] = comments.get(path, "")
        for index, field in enumerate(message.field):
            self.comments[f"{name}.{field.name}"] = comments.get((*path, _FIELD, index), "")
        for index, nested in enumerate(message.nested_type):
            self._read_message(name, nested, (*path, _NESTED, index), comments)
        for index, enum in enumerate(message.enum_type):
            self._read_enum(name, enum, (*path, _NESTED_ENUM, index), comments)

    def _read_enum(
        self,
        scope: str,
        enum: descriptor_pb2.EnumDescriptorProto,
        path: tuple[int, ...],
        comments: dict[tuple[int, ...], str],
    ) -> None:
        name = f"{scope}.{enum.name}"
        self.enums[name] = enum
        self.comments[name] = comments.get(path, "")
        for index, value in enumerate(enum.value):
            self.comments[f"{name}.{value.name}"] = comments.get((*path, _VALUE, index), "")

    def routes(self) -> Iterator[Rpc]:
        """The rpcs with a REST route, sorted by path and verb."""
        public = [rpc for rpc in self.rpcs if rpc.route]
        yield from sorted(public, key=lambda rpc: (rpc.route or ("", "", ""))[1::-1])


def rules_of(field: descriptor_pb2.FieldDescriptorProto) -> Any:
    """The `buf.validate` rules of a field."""
    options: Any = field.options
    return options.Extensions[validate_pb2.field]


def is_personal(field: descriptor_pb2.FieldDescriptorProto) -> bool:
    options: Any = field.options
    return bool(options.Extensions[pii_pb2.pii])


def load() -> Image:
    """Compiles the contracts."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "image.binpb"
        write_image(path, comments=True)
        return Image(descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()))


def _text(comment: str) -> str:
    return "\n".join(line.strip() for line in comment.strip().splitlines())
