"""Contenders run in turns (A B C, A B C ...), so that other load on the machine affects all of them alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench.cpu import Meter, Roots
from bench.load import Load


class ResponsesDiffer(RuntimeError):
    """Two contenders gave different responses to the same request: their rates are not comparable."""

    def __init__(self, one: str, other: str, its: str, others: str) -> None:
        super().__init__(f"{one} and {other} gave different responses:\n  {its}\n  {others}")


LONGEST_SECONDS = 10.0
# The last request of a connection is cut off when a turn ends; this many before it keep the error small.
RESPONSES_PER_CONNECTION = 6


def do_nothing() -> None:
    """The default of a step that a contender does not need."""


@dataclass(frozen=True)
class Contender:
    """A server that answers the compared requests at a URL."""

    name: str
    url: str
    # Processes whose processor time counts, by name.
    roots: Mapping[str, Roots]
    # Runs before each turn, outside the measurement.
    prepare: Callable[[], None] = do_nothing
    # Waits for the background work of the requests; its processor time counts.
    settle: Callable[[], None] = do_nothing
    # Active during each turn; entering and leaving it is outside the measurement.
    during: Callable[[], AbstractContextManager[None]] = nullcontext


@dataclass(frozen=True)
class Turn:
    """One contender's run in one round."""

    load: Load
    # Seconds of processor time by process, background work included.
    cpu: Mapping[str, float]
    # Share of the machine that unrelated programs used.
    others: float

    @property
    def cpu_per_request(self) -> float:
        """Microseconds."""
        return sum(self.cpu.values()) / max(1, self.load.requests) * 1e6


@dataclass
class Result:
    """All turns of one contender in one measurement."""

    name: str
    turns: list[Turn] = field(default_factory=list)

    @property
    def errors(self) -> int:
        return sum(turn.load.errors for turn in self.turns)

    def median(self, of: Callable[[Turn], float]) -> float:
        return statistics.median(map(of, self.turns))

    @property
    def rate(self) -> float:
        return self.median(lambda turn: turn.load.rate)

    @property
    def spread(self) -> float:
        """Half the difference between the fastest and the slowest turn, as a share of the median."""
        rates = [turn.load.rate for turn in self.turns]
        return (max(rates) - min(rates)) / 2 / self.rate if self.rate else 0.0

    @property
    def cpu(self) -> float:
        """Microseconds per request."""
        return self.median(lambda turn: turn.cpu_per_request)

    @property
    def others(self) -> float:
        """Share of the machine that unrelated programs used."""
        return self.median(lambda turn: turn.others)

    def cpu_by_process(self) -> dict[str, float]:
        """Microseconds per request, by process."""
        names = self.turns[0].cpu
        return {
            name: self.median(lambda turn, name=name: turn.cpu[name] / max(1, turn.load.requests) * 1e6)  # type: ignore[misc]
            for name in names
        }

    def as_json(self) -> dict[str, Any]:
        return {
            "contender": self.name,
            "per_second": round(self.rate, 1),
            "spread": round(self.spread, 3),
            "cpu_us": round(self.cpu),
            "cpu_us_by_process": {name: round(value) for name, value in self.cpu_by_process().items()},
            "p50_ms": round(self.median(lambda turn: turn.load.p50), 2),
            "p99_ms": round(self.median(lambda turn: turn.load.p99), 2),
            "errors": self.errors,
            "others": round(self.others, 2),
            "rounds": [round(turn.load.rate, 1) for turn in self.turns],
        }


def run_rounds(
    contenders: Sequence[Contender],
    run: Callable[[Contender, float], Load],
    *,
    rounds: int,
    seconds: float,
    warm_up: float = 1.0,
    responses: int = 0,
    show_detail: Callable[[str], None] = lambda _: None,
) -> list[Result]:
    """Calls `run(contender, seconds)` for each contender in each round, after a warm-up that does not count.

    A turn is extended for a contender that would give fewer than `responses` in that time, judging by the warm-up:
    requests in progress at the end of a turn do not count, which would put slow contenders at a disadvantage.
    """
    results = [Result(contender.name) for contender in contenders]
    lengths = []
    for contender in contenders:
        show_detail(f"{contender.name}: warming up")
        lengths.append(seconds)
        if warm_up:
            with contender.during():
                rate = run(contender, warm_up).rate
                contender.settle()
            lengths[-1] = max(seconds, min(LONGEST_SECONDS, responses / rate if rate else LONGEST_SECONDS))
    for number in range(rounds):
        for contender, result, length in zip(contenders, results, lengths, strict=True):
            show_detail(f"round {number + 1} of {rounds}: {contender.name}")
            contender.prepare()
            with contender.during():
                result.turns.append(_turn(contender, partial(run, contender, length)))
    return results


def _turn(contender: Contender, run: Callable[[], Load]) -> Turn:
    meter = Meter(contender.roots)
    meter.start()
    load = run()
    contender.settle()
    used = meter.used()
    return Turn(load, used, meter.others(sum(used.values()) + load.cpu))
