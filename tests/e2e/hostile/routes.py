"""Every route of the contracts as a valid request, for the access matrix at the edge and the tests of objects."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote
from uuid import uuid4

import httpx
from google.protobuf import json_format

from chassis.contract import Method, service_methods, services_of
from devstack.certificates import SERVICES
from devstack.run_directory import ROOT
from tests.integration.access.requests import valid_request

_GEN = ROOT / "gen"
_VARIABLE = re.compile(r"\{(\w+)\}")
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Route:
    """One rpc with its REST route."""

    service: str
    method: Method

    @property
    def verb(self) -> str:
        return self.method.route.partition(" ")[0]

    @property
    def template(self) -> str:
        return self.method.route.partition(" ")[2]

    @property
    def variables(self) -> list[str]:
        return _VARIABLE.findall(self.template)

    def __str__(self) -> str:
        return self.method.route

    def send(
        self, client: httpx.Client, token: str | None, values: Mapping[str, str], *, empty: bool = False
    ) -> httpx.Response:
        """A request that the contract accepts, with those fields; `empty` leaves out all but the path."""
        fields = {} if empty else json_format.MessageToDict(valid_request(self.method.request))
        if not empty:
            fields |= {_camel(name): value for name, value in values.items() if name in _names(self.method)}
        fields.pop("pageToken", None)  # a token of another list is rejected first
        path = self.template
        for name in self.variables:
            fields.pop(_camel(name), None)
            path = path.replace(f"{{{name}}}", quote(values.get(name, str(uuid4())), safe=""))
        headers = {"idempotency-key": str(uuid4())}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        if self.verb in {"GET", "DELETE"}:
            query = {name: value for name, value in fields.items() if not isinstance(value, dict | list)}
            return client.request(self.verb, path, params=query, headers=headers)
        return client.request(self.verb, path, json=fields, headers=headers)


def routes() -> Iterator[Route]:
    """All rpcs with a route, in the order of the contracts."""
    for file in sorted(_GEN.glob("jainshikanji/**/*_pb2.py")):
        importlib.import_module(".".join(file.relative_to(_GEN).with_suffix("").parts))
    for service in SERVICES:
        for name in services_of(service):
            for method in service_methods(name).values():
                if method.route:
                    yield Route(service, method)


def internal_methods() -> Iterator[str]:
    """gRPC paths of all rpcs without a route."""
    list(routes())
    for service in (*SERVICES, "operations"):
        for name in services_of(service):
            yield from (path for path, method in service_methods(name).items() if not method.route)


def _names(method: Method) -> set[str]:
    return {field.name for field in method.request.DESCRIPTOR.fields}


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
