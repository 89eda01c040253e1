"""Contenders take turns: A B C, A B C, ... so that whatever the machine does meanwhile happens to all of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench.cpu import Meter, Roots
from bench.load import Load


class Unlike(RuntimeError):
    """Two contenders answer the same request differently: there is nothing to compare."""

    def __init__(self, one: str, other: str, its: str, others: str) -> None:
        super().__init__(f"{one} and {other} do not give the same answer:\n  {its}\n  {others}")


LONGEST_SECONDS = 10.0
# A connection's last request is cut off; this many before it keep the error small.
ANSWERS_PER_CONNECTION = 6


def nothing() -> None:
    """Nothing to wait for."""


@dataclass(frozen=True)
class Contender:
    """Somebody who answers the same requests at a URL."""

    name: str
    url: str
    # Whose processor time counts, by name.
    roots: Mapping[str, Roots]
    # Done before each turn, which it is no part of.
    prepare: Callable[[], None] = nothing
    # Waits until what requests have set off in the background is done; its processor time counts too.
    settle: Callable[[], None] = nothing
    # Holds during each turn, which entering and leaving it are no part of.
    during: Callable[[], AbstractContextManager[None]] = nullcontext


@dataclass(frozen=True)
class Turn:
    """One contender's run in one round."""

    load: Load
    # Seconds of processor time by process, including what was set off in the background.
    cpu: Mapping[str, float]
    # Share of the machine that programs used which have no part in the measurement.
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
        """Half of the distance between the fastest and the slowest turn, as a share of the median."""
        rates = [turn.load.rate for turn in self.turns]
        return (max(rates) - min(rates)) / 2 / self.rate if self.rate else 0.0

    @property
    def cpu(self) -> float:
        """Microseconds a request."""
        return self.median(lambda turn: turn.cpu_per_request)

    @property
    def others(self) -> float:
        """Share of the machine that others used meanwhile."""
        return self.median(lambda turn: turn.others)

    def cpu_by_process(self) -> dict[str, float]:
        """Microseconds a request, by process."""
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


def compete(
    contenders: Sequence[Contender],
    run: Callable[[Contender, float], Load],
    *,
    rounds: int,
    seconds: float,
    warm_up: float = 1.0,
    answers: int = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Result]:
    """`run(contender, seconds)` for each contender in each round, after a warm-up that does not count.

    A turn lasts longer for whoever would give fewer than `answers` in that time, by the warm-up: what is under way when
    a turn ends does not count, which would make the slow look slower.
    """
    results = [Result(contender.name) for contender in contenders]
    lengths = []
    for contender in contenders:
        tell(f"{contender.name}: warming up")
        lengths.append(seconds)
        if warm_up:
            with contender.during():
                rate = run(contender, warm_up).rate
                contender.settle()
            lengths[-1] = max(seconds, min(LONGEST_SECONDS, answers / rate if rate else LONGEST_SECONDS))
    for number in range(rounds):
        for contender, result, length in zip(contenders, results, lengths, strict=True):
            tell(f"round {number + 1} of {rounds}: {contender.name}")
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
