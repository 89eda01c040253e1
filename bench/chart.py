"""The README's chart: how many times faster than the FastAPI monolith with an ORM, as bars in SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

_WIDTH, _LEFT, _RIGHT = 720, 190, 60
_BAR, _GAP, _TITLE = 18, 6, 30
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 }
  .note { fill: #59636e; font-size: 12px }
  .other { fill: #afb8c1 }
  .ours { fill: #1a7f37 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .note { fill: #9198a1 }
    .other { fill: #59636e }
    .ours { fill: #3fb950 }
  }
"""


def draw(content: dict[str, Any]) -> str:
    """An SVG of the races in the results; legible on light and on dark pages."""
    races = [section for section in content["sections"] if _is_race(section["results"])]
    longest = max(result["ratio"] for race in races for result in _shown(race["results"]))
    height, parts = 0, []
    for race in races:
        parts += list(_race(race, height, (_WIDTH - _LEFT - _RIGHT) / longest))
        height += _TITLE + len(_shown(race["results"])) * (_BAR + _GAP) + _GAP
    note = (
        f"× the rate of FastAPI with the SQLAlchemy ORM; {content['machine']['cores']} cores, load generator included"
    )
    parts.append(f'<text class="note" x="0" y="{height + 20}">{escape(note)}</text>')
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height + 30}" role="img">',
            "<title>The platform against a FastAPI monolith, as ratios of requests a second</title>",
            f"<style>{_STYLE}</style>",
            *parts,
            "</svg>\n",
        ]
    )


def _is_race(results: Sequence[dict[str, Any]]) -> bool:
    return bool(results) and results[0]["contender"].startswith("FastAPI")


def _shown(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without Envoy alone: its bar would make all others short."""
    return [result for result in results if not result["contender"].startswith("Envoy")]


def _race(race: dict[str, Any], top: float, scale: float) -> Iterator[str]:
    yield f'<text class="title" x="0" y="{top + 20}">{escape(race["title"])}</text>'
    for place, result in enumerate(_shown(race["results"])):
        y = top + _TITLE + place * (_BAR + _GAP)
        kind, width = "ours" if result["contender"].startswith("platform") else "other", result["ratio"] * scale
        yield f'<text x="{_LEFT - 10}" y="{y + 13.5}" text-anchor="end">{escape(result["contender"])}</text>'
        yield f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="3"/>'
        yield f'<text x="{_LEFT + width + 8:.1f}" y="{y + 13.5}">{result["ratio"]:.1f} ×</text>'
