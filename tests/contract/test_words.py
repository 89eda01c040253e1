"""Enumerations: one mapping between the contract's values and the database's words, and it loses nothing."""

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
def test_every_value_has_a_word_and_every_word_its_value(service: str) -> None:
    for name, words in mappings(service).items():
        enum = descriptor_pool.Default().FindMessageTypeByName(words.name).enum_types_by_name["Value"]
        numbers = [value.number for value in enum.values if value.name != "UNSPECIFIED"]
        assert [words.to_proto(words.from_proto(number)) for number in numbers] == numbers, name
        assert [words.from_proto(words.to_proto(word)) for word in words.names()] == words.names(), name
        with pytest.raises(KeyError):
            words.from_proto(enum.values_by_name["UNSPECIFIED"].number)


@pytest.mark.parametrize("service", services_with_wire())
def test_an_enum_has_one_mapping_in_its_service(service: str) -> None:
    """Two mappings of one enum could differ; the same one may be imported by many modules."""
    by_enum: dict[str, set[int]] = {}
    for words in mappings(service).values():
        by_enum.setdefault(words.name, set()).add(id(words))
    assert {name for name, found in by_enum.items() if len(found) > 1} == set()


@pytest.mark.parametrize(
    ("column", "listed"),
    [(found[1], found[2]) for found in IN_LIST.finditer(SEED.read_text())],
    ids=lambda value: value[:40],
)
def test_the_design_documents_words_are_those_of_a_mapping(column: str, listed: str) -> None:
    """Some service maps exactly the words that a CHECK of the design document lists, or those and more."""
    wanted = set(re.findall(r"'([^']*)'", listed))
    known = [set(words.names()) for service in services_with_wire() for words in mappings(service).values()]
    assert any(wanted <= words for words in known), f"{column}: nobody maps {sorted(wanted)}"
