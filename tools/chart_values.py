"""Table of the chart's values for its README, from the comments of values.yaml that begin with `# --`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

BEGIN, END = "<!-- values: written by `make rendered` from values.yaml -->", "<!-- end of values -->"
_DESCRIPTION = re.compile(r"^ *# -- (.+)$")
_CONTINUATION = re.compile(r"^ *# (\S.*)$")
_KEY = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z][A-Za-z0-9_-]*):")


@dataclass(frozen=True)
class Value:
    """A documented key of values.yaml."""

    path: tuple[str, ...]
    default: Any
    description: str


def documented(text: str) -> Iterator[Value]:
    """The keys of a values file that have a description, in the order of the file."""
    defaults = yaml.safe_load(text)
    parents: list[tuple[int, str]] = []
    description: list[str] = []
    for line in text.splitlines():
        if begins := _DESCRIPTION.match(line):
            description = [begins[1]]
        elif description and (continues := _CONTINUATION.match(line)):
            description.append(continues[1])
        elif key := _KEY.match(line):
            indent = len(key["indent"])
            parents = [*((at, name) for at, name in parents if at < indent), (indent, key["key"])]
            if description:
                path = tuple(name for _, name in parents)
                yield Value(path, value_at(defaults, path), " ".join(description))
            description = []


def value_at(values: Any, path: tuple[str, ...]) -> Any:
    """The value at a path of keys. Raises KeyError if there is none."""
    for key in path:
        values = values[key]
    return values


def table(text: str) -> str:
    """Markdown: key, default, description."""
    rows = [
        f"| `{'.'.join(value.path)}` | `{_compact(value.default)}` | {value.description.replace('|', chr(92) + '|')} |"
        for value in documented(text)
    ]
    return "\n".join(["| key | default | meaning |", "| --- | --- | --- |", *rows])


def _compact(default: Any) -> str:
    """A default in one line of YAML's flow style."""
    if isinstance(default, dict):
        return "{" + ", ".join(f"{key}: {_compact(value)}" for key, value in default.items()) + "}"
    if isinstance(default, list):
        return "[" + ", ".join(_compact(value) for value in default) + "]"
    return default if isinstance(default, str) and default else json.dumps(default)


def insert_table(readme: str, text: str) -> str:
    """The README with the table between its two markers. Raises LookupError if the markers are missing."""
    head, begin, rest = readme.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise LookupError(f"the README of the chart has no {BEGIN} or no {END}")
    return f"{head}{BEGIN}\n{table(text)}\n{END}{tail}"
