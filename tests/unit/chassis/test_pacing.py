"""How long background work rests."""

from __future__ import annotations

import pytest

from chassis.events.throttling import pause_seconds


@pytest.mark.parametrize(("worked", "rests"), [(0.0, 0.0), (0.01, 0.04), (0.05, 0.2), (5.0, 0.25)])
def test_rest_is_in_proportion_and_has_an_end(worked: float, rests: float) -> None:
    assert pause_seconds(worked) == pytest.approx(rests)
