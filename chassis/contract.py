"""What the contracts say beside the messages: of a method who may call it, whether it repeats and which route it has;
of a field what interceptors ask before they look into it.

Read from the descriptors of the generated code; the edge, the documentation and the tests read the same.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from dataclasses import dataclass
from functools import cache
from typing import Any

from buf.validate import validate_pb2
from google.api import annotations_pb2
from google.protobuf import descriptor, descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from jainshikanji.options.v1 import access_pb2

EVERY_SERVICE = "*"


class ContractIncomplete(Exception):
    """A method lacks what every method must state."""


@dataclass(frozen=True, slots=True)
class Method:
    """One rpc."""

    path: str
    request: type[Message]
    server_streaming: bool
    callers: frozenset[str]
    services: frozenset[str]
    # Scope RESOURCE: the use case's own SELECT carries whose rows it may find.
    owned: bool
    owner_field: str
    tenant_field: str
    needs_idempotency_key: bool
    is_read: bool
    route: str

    @property
    def name(self) -> str:
        """`OrderService/GetOrder`, short enough for metrics and logs."""
        return self.path.rsplit(".", 1)[-1]

    @property
    def is_public(self) -> bool:
        return "PUBLIC" in self.callers

    def admits_service(self, service: str) -> bool:
        return service in self.services or EVERY_SERVICE in self.services


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message."""

    json_name: str
    is_text: bool
    is_repeated: bool
    # False for maps, whose entries are messages only on paper.
    holds_messages: bool
    # How many items it may have; 0 without a bound.
    most_items: int


@cache
def field(of: descriptor.FieldDescriptor) -> Field:
    """The descriptor's field. Kept: asking for options takes longer than everything that depends on them."""
    is_map = of.message_type is not None and of.message_type.GetOptions().map_entry
    options: Any = of.GetOptions()
    return Field(
        json_name=of.json_name,
        is_text=of.type == of.TYPE_STRING,
        is_repeated=of.is_repeated,
        holds_messages=of.type == of.TYPE_MESSAGE and not is_map,
        most_items=options.Extensions[validate_pb2.field].repeated.max_items if of.is_repeated else 0,
    )


@cache
def service_methods(full_name: str) -> dict[str, Method]:
    """Methods of a service by gRPC path. Raises ContractIncomplete when one lacks the access option."""
    service = descriptor_pool.Default().FindServiceByName(full_name)
    return {f"/{full_name}/{method.name}": _read(full_name, method) for method in service.methods}


def load(service: str) -> None:
    """Imports every contract of the service, so that `services_of` knows all its gRPC services."""
    package = importlib.import_module(f"jainshikanji.{service}.v1")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.endswith("_pb2"):
            importlib.import_module(f"{package.__name__}.{module.name}")


def services_of(service: str) -> list[str]:
    """Full names of the gRPC services of `service` whose contracts this process has loaded."""
    prefix = f"jainshikanji.{service}.v1."
    modules = [module for name, module in sys.modules.items() if name.startswith(prefix) and name.endswith("_pb2")]
    return sorted(found.full_name for module in modules for found in module.DESCRIPTOR.services_by_name.values())


def _read(service: str, method: descriptor.MethodDescriptor) -> Method:
    options: Any = method.GetOptions()
    if not options.HasExtension(access_pb2.access):
        raise ContractIncomplete(f"{service}.{method.name} has no access option")
    access = options.Extensions[access_pb2.access]
    http = options.Extensions[annotations_pb2.http]
    verb = http.WhichOneof("pattern")
    caller = access_pb2.Access.Caller.Value
    return Method(
        path=f"/{service}/{method.name}",
        request=message_factory.GetMessageClass(method.input_type),
        server_streaming=method.server_streaming,
        callers=frozenset(caller.Name(value) for value in access.callers),
        services=frozenset(access.services),
        owned=access.scope == access_pb2.Access.Scope.RESOURCE,
        owner_field=access.owner_field,
        tenant_field=access.tenant_field,
        needs_idempotency_key=options.Extensions[access_pb2.idempotency_key],
        is_read=options.idempotency_level == descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS,
        route=f"{verb.upper()} {getattr(http, verb)}" if verb else "",
    )
