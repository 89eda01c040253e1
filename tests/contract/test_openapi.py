"""The OpenAPI document is valid, and requires what validation requires."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from openapi_spec_validator import validate
from protovalidate import Validator

from tests.contract.contracts import ROOT, Rpc, message_class, rpcs

BODY = "google.api.HttpBody"


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "docs/api/openapi.json").read_text())
    return found


def test_the_document_is_valid() -> None:
    validate(document())


@pytest.mark.parametrize("rpc", [rpc for rpc in rpcs() if rpc.routes and rpc.request.full_name != BODY], ids=str)
def test_required_fields_are_the_violations_of_an_empty_request(rpc: Rpc) -> None:
    operation = _operation(rpc)
    named = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["required"]}
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    named |= set(schema.get("required", []))
    in_path = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "path"}

    violations = Validator().collect_violations(message_class(rpc.request.full_name)())
    paths = [found.proto.field.elements for found in violations if found.proto.field is not None]
    violated = {_camel(path[0].field_name) for path in paths}
    assert named - in_path - {"Idempotency-Key"} == violated - in_path


def _operation(rpc: Rpc) -> dict[str, Any]:
    name = f"{rpc.method.containing_service.name}_{rpc.method.name}"
    operations = [operation for path in document()["paths"].values() for operation in path.values()]
    found: dict[str, Any] = next(operation for operation in operations if operation["operationId"] == name)
    return found


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
