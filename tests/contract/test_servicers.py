"""Servicers: every rpc of the contracts has an implementation, and every gRPC service a servicer."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

from chassis import contract
from chassis.process.service import Service, missing_methods
from tests.contract.contracts import SERVICES


def declared(service: str) -> Service:
    found: Service = importlib.import_module(f"services.{service}.__main__").SERVICE
    return found


def generated_base(servicer: Any) -> type:
    return next(base for base in inspect.getmro(servicer) if base.__module__.endswith("_pb2_grpc"))


@pytest.mark.parametrize("service", SERVICES)
def test_every_grpc_service_of_the_contract_is_served_completely(service: str) -> None:
    """The process checks the same when it starts; here the failure names the rpc before anything runs."""
    contract.load(service)
    served = {}
    for servicer in declared(service).servicers:
        base = generated_base(servicer)
        package = base.__module__.rpartition(".")[0]
        served[f"{package}.{base.__name__.removesuffix('Servicer')}"] = servicer
    assert set(contract.services_of(service)) == set(served), "a gRPC service has no servicer in __main__.py"
    missing = [path for full_name, servicer in served.items() for path in missing_methods(servicer, full_name)]
    assert missing == [], "these rpcs have no method in their servicer"
