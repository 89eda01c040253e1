"""Access to rendered objects of the chart for tests: by kind and name, pods, containers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from tools.deploy import VALUE_SETS, objects, render, values

Object = dict[str, Any]

SETS = tuple(VALUE_SETS)
# Each set as install and as upgrade, because the hooks differ.
RENDERS = tuple((name, is_install) for name in SETS for is_install in (True, False))


@cache
def rendered(name: str, *, is_install: bool = True) -> tuple[Object, ...]:
    return tuple(objects(render(values(*VALUE_SETS[name]), is_install=is_install)))


def of_kind(found: tuple[Object, ...], kind: str) -> dict[str, Object]:
    return {one["metadata"]["name"]: one for one in found if one["kind"] == kind}


@dataclass(frozen=True)
class Pod:
    """A pod or a pod template."""

    owner: str
    labels: dict[str, str]
    spec: Object

    def __str__(self) -> str:
        return self.owner

    @property
    def containers(self) -> list[Object]:
        return [*self.spec.get("initContainers", ()), *self.spec["containers"]]


def pods(found: tuple[Object, ...]) -> Iterator[Pod]:
    for one in found:
        owner = f"{one['kind']}/{one['metadata']['name']}"
        if one["kind"] == "Pod":
            yield Pod(owner, one["metadata"]["labels"], one["spec"])
        elif one["kind"] in {"Deployment", "StatefulSet", "Job"}:
            template = one["spec"]["template"]
            yield Pod(owner, template["metadata"]["labels"], template["spec"])


def hook(one: Object) -> set[str]:
    """Hook events at which Helm creates the object; empty for an object of the release."""
    annotations = one["metadata"].get("annotations") or {}
    return set(filter(None, annotations.get("helm.sh/hook", "").split(",")))


def environment(container: Object) -> dict[str, Object]:
    return {variable["name"]: variable for variable in container.get("env", ())}


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a label selector matches labels."""
    for expression in selector.get("matchExpressions", ()):
        assert expression["operator"] == "In", "the chart uses only the operator In"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
