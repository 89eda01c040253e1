"""The README's chart: request rates as multiples of the FastAPI monolith with an ORM, as bars in SVG."""

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


def draw_chart(content: dict[str, Any]) -> str:
    """An SVG of all comparisons with FastAPI in the results, for light and dark pages."""
    comparisons = [section for section in content["sections"] if _is_comparison(section["results"])]
    longest = max(result["ratio"] for comparison in comparisons for result in _select_results(comparison["results"]))
    height, parts = 0, []
    for comparison in comparisons:
        parts += list(_draw_comparison(comparison, height, (_WIDTH - _LEFT - _RIGHT) / longest))
        height += _TITLE + len(_select_results(comparison["results"])) * (_BAR + _GAP) + _GAP
    note = (
        f"× the rate of FastAPI with the SQLAlchemy ORM; {content['machine']['cores']} cores, load generator included"
    )
    parts.append(f'<text class="note" x="0" y="{height + 20}">{escape(note)}</text>')
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height + 30}" role="img">',
            "<title>The platform against a FastAPI monolith, as ratios of requests per second</title>",
            f"<style>{_STYLE}</style>",
            *parts,
            "</svg>\n",
        ]
    )


def _is_comparison(results: Sequence[dict[str, Any]]) -> bool:
    return bool(results) and results[0]["contender"].startswith("FastAPI")


def _select_results(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """All contenders except Envoy alone, whose bar would shorten all others."""
    return [result for result in results if not result["contender"].startswith("Envoy")]


def _draw_comparison(comparison: dict[str, Any], top: float, scale: float) -> Iterator[str]:
    yield f'<text class="title" x="0" y="{top + 20}">{escape(comparison["title"])}</text>'
    for row, result in enumerate(_select_results(comparison["results"])):
        y = top + _TITLE + row * (_BAR + _GAP)
        kind, width = "ours" if result["contender"].startswith("platform") else "other", result["ratio"] * scale
        yield f'<text x="{_LEFT - 10}" y="{y + 13.5}" text-anchor="end">{escape(result["contender"])}</text>'
        yield f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="3"/>'
        yield f'<text x="{_LEFT + width + 8:.1f}" y="{y + 13.5}">{result["ratio"]:.1f} ×</text>'
