"""Reasons of refusals are part of the API: each is listed, says what it means, and is what the contracts promise."""

from __future__ import annotations

import importlib
import re
from functools import cache

import grpc
import pytest

from tests.contract.contracts import ROOT, SERVICES
from tools import reasons
from tools.image import Rpc, load

NAME = re.compile(r"\b[A-Z]+(?:_[A-Z]+)+\b")
CODES = {code.name for code in grpc.StatusCode}
HTTP_ERRORS = range(400, 600)


@cache
def listed() -> list[reasons.Reason]:
    for name in SERVICES:
        importlib.import_module(f"services.{name}.__main__")
    return [*reasons.of_services(), *reasons.of_edge(load().files)]


@cache
def rpcs() -> list[Rpc]:
    return load().rpcs


@cache
def words_of_enums() -> set[str]:
    return {value.name for enum in load().enums.values() for value in enum.value}


@pytest.mark.parametrize("rpc", rpcs(), ids=lambda rpc: f"{rpc.service}.{rpc.method.name}")
def test_a_reason_that_a_contract_names_exists(rpc: Rpc) -> None:
    known = {reason.name for reason in listed()} | CODES | words_of_enums()
    assert not set(NAME.findall(rpc.comment)) - known


def test_every_reason_says_what_it_means() -> None:
    assert listed()
    assert [reason for reason in listed() if not reason.meaning.endswith(".")] == []
    assert all(reason.status in HTTP_ERRORS for reason in listed())


def test_one_reason_of_one_owner_has_one_meaning() -> None:
    names = [(reason.owner, reason.name) for reason in listed()]
    assert len(names) == len(set(names))


def test_every_reply_of_the_edge_is_listed() -> None:
    template = (ROOT / "envoy/edge.yaml.j2").read_text()
    replies = set(re.findall(r'(?:reply|error_body)\([^{}]*?\d+, "(\w+)"', template))
    assert replies == {reason.name for reason in listed() if reason.owner == reasons.EDGE}
