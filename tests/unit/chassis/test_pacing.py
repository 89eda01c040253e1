"""How long background work rests."""

from __future__ import annotations

import asyncio

import pytest

from chassis.pacing import rest_after


@pytest.mark.parametrize(("worked", "rests"), [(0.0, 0.0), (0.01, 0.04), (0.05, 0.2), (5.0, 0.25)])
async def test_rest_is_in_proportion_and_has_an_end(
    worked: float, rests: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    await rest_after(worked)
    assert slept == [pytest.approx(rests)]
