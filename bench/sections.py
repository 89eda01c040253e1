"""Sections of the report: comparisons between contenders, single figures, and goals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.rounds import Result


@dataclass(frozen=True)
class Goal:
    """A value with its target for now and its aim for later; a minimum, or a maximum with `at_least=False`."""

    what: str
    value: float
    target: float
    aim: float | None = None
    unit: str = "x"
    at_least: bool = True

    @property
    def met(self) -> bool:
        return self._meets(self.target)

    @property
    def aim_met(self) -> bool | None:
        """None when there is no aim."""
        return None if self.aim is None else self._meets(self.aim)

    def format_bound(self, bound: float) -> str:
        return f"{'≥' if self.at_least else '≤'} {bound:,.4g} {'×' if self.unit == 'x' else self.unit}"

    def as_json(self) -> dict[str, Any]:
        found = {
            "what": self.what,
            "value": round(self.value, 3),
            "goal": self.format_bound(self.target),
            "met": self.met,
        }
        if self.aim is not None:
            found |= {"aim": self.format_bound(self.aim), "aim_met": self.aim_met}
        return found

    def _meets(self, bound: float) -> bool:
        return self.value >= bound if self.at_least else self.value <= bound


@dataclass(frozen=True)
class Figure:
    """One number of the platform alone."""

    name: str
    value: float
    unit: str

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "value": round(self.value, 3), "unit": self.unit}


@dataclass
class Section:
    """A part of the report. Ratios are to the first contender."""

    title: str
    unit: str = "requests/s"
    results: Sequence[Result] = ()
    figures: Sequence[Figure] = ()
    goals: Sequence[Goal] = ()
    notes: list[str] = field(default_factory=list)
    # Errors outside of the comparison.
    failures: int = 0

    @property
    def errors(self) -> int:
        return sum(result.errors for result in self.results) + self.failures

    @property
    def others(self) -> float:
        """Largest share of the machine that unrelated programs used during a turn."""
        return max((result.others for result in self.results), default=0.0)

    def ratio(self, result: Result) -> float:
        return compute_ratio(self.results, result.name, self.results[0].name)

    def as_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "unit": self.unit,
            "results": [{**result.as_json(), "ratio": round(self.ratio(result), 2)} for result in self.results],
            "figures": [figure.as_json() for figure in self.figures],
            "goals": [goal.as_json() for goal in self.goals],
            "notes": self.notes,
            "errors": self.errors,
        }


def find_result(results: Sequence[Result], name: str) -> Result:
    return next(result for result in results if result.name == name)


def compute_ratio(results: Sequence[Result], name: str, to: str) -> float:
    """The rate of one contender divided by the rate of another, by their medians."""
    rate = find_result(results, to).rate
    return find_result(results, name).rate / rate if rate else 0.0
