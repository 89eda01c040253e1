"""Background throttling: pauses between batches."""

from __future__ import annotations

import pytest

from chassis.events.throttling import pause_seconds


@pytest.mark.parametrize(("worked", "pause"), [(0.0, 0.0), (0.01, 0.04), (0.05, 0.2), (5.0, 0.25)])
def test_a_pause_is_proportional_to_the_work_and_has_a_maximum(worked: float, pause: float) -> None:
    assert pause_seconds(worked) == pytest.approx(pause)
