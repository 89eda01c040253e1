"""Servicers: every rpc of the contracts has an implementation, and every gRPC service a servicer."""

from __future__ import annotations

from tools.contracts import problems


def test_every_rpc_states_its_callers_and_has_an_implementation() -> None:
    """The process checks the same when it starts; `make check` runs it before the tests."""
    assert problems() == []
