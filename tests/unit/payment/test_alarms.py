"""Alarms: a series for each kind exists before its first alarm, so that an alert sees the first increase."""

from __future__ import annotations

from typing import get_args

import pytest
from prometheus_client import REGISTRY

from services.payment.usecases.alarms import AlarmKind, raise_alarm


@pytest.mark.parametrize("kind", get_args(AlarmKind))
def test_every_kind_of_alarm_has_a_series_from_the_start(kind: AlarmKind) -> None:
    before = REGISTRY.get_sample_value("payment_alarms_total", {"kind": kind})
    assert before is not None
    raise_alarm(kind, payment_id="p")
    assert REGISTRY.get_sample_value("payment_alarms_total", {"kind": kind}) == before + 1
