"""Labelled counters start at 0, so that an alert sees the first increase."""

from __future__ import annotations

from typing import Any, cast

import pytest
from jainshikanji.review.v1.events_pb2 import ReviewPosted
from prometheus_client import REGISTRY

from chassis.events.consumer import Consumer

UNUSED = cast("Any", None)


async def ignore(app: Any, tx: Any, event: Any, meta: Any) -> None:
    """A handler without an effect."""


@pytest.mark.parametrize("metric", ["handled", "failed", "dead"])
def test_a_consumer_has_a_series_of_every_event_type_from_the_start(metric: str) -> None:
    Consumer("counting", UNUSED, UNUSED, UNUSED, {ReviewPosted: ignore})
    labels = {"service": "counting", "type": ReviewPosted.DESCRIPTOR.full_name}
    assert REGISTRY.get_sample_value(f"consumer_{metric}_events_total", labels) == 0
