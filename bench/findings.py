"""What measures come to: races between contenders, single figures, and the goals that they are held to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.contest import Result


@dataclass(frozen=True)
class Goal:
    """A value that shall reach, or not exceed, its target now, and its aim later."""

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
        """None without an aim of its own."""
        return None if self.aim is None else self._meets(self.aim)

    def words(self, bound: float) -> str:
        return f"{'≥' if self.at_least else '≤'} {bound:,.4g} {'×' if self.unit == 'x' else self.unit}"

    def as_json(self) -> dict[str, Any]:
        found = {
            "what": self.what,
            "value": round(self.value, 3),
            "goal": self.words(self.target),
            "met": self.met,
        }
        if self.aim is not None:
            found |= {"aim": self.words(self.aim), "aim_met": self.aim_met}
        return found

    def _meets(self, bound: float) -> bool:
        return self.value >= bound if self.at_least else self.value <= bound


@dataclass(frozen=True)
class Figure:
    """One number that no contender shares."""

    name: str
    value: float
    unit: str

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "value": round(self.value, 3), "unit": self.unit}


@dataclass
class Section:
    """A part of the report. Ratios of a race are to its first contender."""

    title: str
    unit: str = "requests/s"
    results: Sequence[Result] = ()
    figures: Sequence[Figure] = ()
    goals: Sequence[Goal] = ()
    notes: list[str] = field(default_factory=list)
    # What went wrong outside of a race.
    failures: int = 0

    @property
    def errors(self) -> int:
        return sum(result.errors for result in self.results) + self.failures

    @property
    def others(self) -> float:
        """Share of the machine that others used during the race, at most; 0 without a race."""
        return max((result.others for result in self.results), default=0.0)

    def ratio(self, result: Result) -> float:
        return ratio(self.results, result.name, self.results[0].name)

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


def named(results: Sequence[Result], name: str) -> Result:
    return next(result for result in results if result.name == name)


def ratio(results: Sequence[Result], name: str, to: str) -> float:
    """How many times faster one contender is than another, by the medians of their rates."""
    rate = named(results, to).rate
    return named(results, name).rate / rate if rate else 0.0
