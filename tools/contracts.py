"""Checks that the contracts are complete and that the services implement them; prints one line for each problem.

python -m tools.contracts      exit 1 when there is a problem

`make check` and `make test` run it first, so that one omission gives one message and not a failure of every test that
starts the service.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from typing import Any

from chassis import contract
from chassis.process.service import Service, missing_methods
from devstack.postgres import DATABASES
from tools import reasons
from tools.image import load


def problems() -> list[str]:
    """What is missing, one sentence each."""
    found: list[str] = []
    for service in DATABASES:
        contract.load(service)
        found += _without_access(service)
    if not found:
        found = [problem for service in DATABASES for problem in _without_route(service)]
    if not found:
        found = [problem for service in DATABASES for problem in _unimplemented(service)]
    return found or list(_without_error_class())


def _without_access(service: str) -> Iterator[str]:
    for full_name in contract.services_of(service):
        try:
            contract.service_methods(full_name)
        except contract.ContractIncomplete as error:
            yield f"{error}: every rpc states its callers (protos/jainshikanji/options/v1/access.proto)"


def _without_route(service: str) -> Iterator[str]:
    for full_name in contract.services_of(service):
        for method in contract.service_methods(full_name).values():
            name = f"{full_name}.{method.method_name}"
            if method.callers and not method.route:
                yield f"{name} has callers but no route: add a google.api.http route, or name services instead"
            if method.route and not method.callers:
                yield f"{name} has a route but no callers: name the callers in its access option"


def _without_error_class() -> Iterator[str]:
    sources = {source.reason for source in [*reasons.of_services(), *reasons.of_edge(load().files)]}
    for reason in reasons.declared(load()):
        if reason.name not in sources:
            yield f"{reason.name} of {reason.package} has no error class in errors.py"


def _unimplemented(service: str) -> Iterator[str]:
    declared: Service = importlib.import_module(f"services.{service}.__main__").SERVICE
    served = {_contract_of(servicer): servicer for servicer in declared.servicers}
    for full_name in contract.services_of(service):
        if full_name not in served:
            yield f"{full_name} has no servicer in services/{service}/__main__.py"
            continue
        for path in missing_methods(_class(served[full_name]), full_name):
            yield f"{path[1:].replace('/', '.')} has no method in {_class(served[full_name]).__name__} of {service}"


def _contract_of(servicer: Any) -> str:
    base = next(base for base in inspect.getmro(_class(servicer)) if base.__module__.endswith("_pb2_grpc"))
    return f"{base.__module__.rpartition('.')[0]}.{base.__name__.removesuffix('Servicer')}"


def _class(servicer: Any) -> type:
    found: type = servicer if inspect.isclass(servicer) else servicer.func
    return found


def main() -> None:
    found = problems()
    for problem in found:
        print(problem, file=sys.stderr)
    if found:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
