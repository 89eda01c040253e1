"""Enums: one lossless mapping between the values of the contract and the texts in the database."""

from __future__ import annotations

import importlib
import pkgutil
import re
from functools import cache
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool

from chassis.enums import EnumMapping
from tests.contract.contracts import ROOT, SERVICES

SEED = Path(__file__).with_name("seed_schema.sql")
IN_LIST = re.compile(r"CHECK \((\w+) IN \(([^)]*)\)\)")


@cache
def mappings(service: str) -> dict[str, EnumMapping]:
    """Every EnumMapping that the service's `wire` exports, by its name."""
    package = importlib.import_module(f"services.{service}.wire")
    names = [module.name for module in pkgutil.iter_modules(getattr(package, "__path__", []), f"{package.__name__}.")]
    modules = [package, *map(importlib.import_module, names)]
    return {
        f"{module.__name__}.{name}": value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, EnumMapping)
    }


def services_with_wire() -> list[str]:
    places = {service: ROOT / "services" / service / "wire" for service in SERVICES}
    return [service for service, place in places.items() if place.is_dir() or place.with_suffix(".py").exists()]


@pytest.mark.parametrize("service", services_with_wire())
def test_every_value_has_a_text_and_every_text_its_value(service: str) -> None:
    for name, mapping in mappings(service).items():
        enum = descriptor_pool.Default().FindMessageTypeByName(mapping.name).enum_types_by_name["Value"]
        numbers = [value.number for value in enum.values if value.name != "UNSPECIFIED"]
        assert [mapping.to_proto(mapping.from_proto(number)) for number in numbers] == numbers, name
        assert [mapping.from_proto(mapping.to_proto(text)) for text in mapping.names()] == mapping.names(), name
        with pytest.raises(KeyError):
            mapping.from_proto(enum.values_by_name["UNSPECIFIED"].number)


@pytest.mark.parametrize("service", services_with_wire())
def test_an_enum_has_one_mapping_in_its_service(service: str) -> None:
    """Two mappings of one enum could differ; the same one may be imported by many modules."""
    by_enum: dict[str, set[int]] = {}
    for mapping in mappings(service).values():
        by_enum.setdefault(mapping.name, set()).add(id(mapping))
    assert {name for name, found in by_enum.items() if len(found) > 1} == set()


@pytest.mark.parametrize(
    ("column", "listed"),
    [(found[1], found[2]) for found in IN_LIST.finditer(SEED.read_text())],
    ids=lambda value: value[:40],
)
def test_the_values_of_the_design_document_have_a_mapping(column: str, listed: str) -> None:
    """A service maps at least the values that a CHECK of the design document lists."""
    wanted = set(re.findall(r"'([^']*)'", listed))
    known = [set(mapping.names()) for service in services_with_wire() for mapping in mappings(service).values()]
    assert any(wanted <= names for names in known), f"{column}: no service maps {sorted(wanted)}"
