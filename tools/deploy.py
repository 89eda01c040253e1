"""Writes what is derived from the chart, or checks that it is fresh, valid and without Helm's complaints.

    python -m tools.deploy            write k8s/rendered/, k8s/nats-values.yaml and the chart's list of settings
    python -m tools.deploy --check    exit 1 when the chart does not lint, does not fit Kubernetes, or a file is stale

Nothing here speaks to a cluster or to the network.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import runpy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import yaml
from kubernetes_validate import InvalidSchemaError, SchemaNotFoundError, ValidationError
from kubernetes_validate import utils as schemas

from tools.generate import ROOT

CHART = ROOT / "helm" / "jain-shikanji"
CLUSTER = ROOT / "k8s"
SETTINGS = CHART / "files" / "settings.yaml"
RELEASE, NAMESPACE = "shikanji", "jain-shikanji"
KUBERNETES = "1.34"
# The golden renders: each set is these files over values.yaml.
VALUE_SETS = {
    "laptop": ("laptop",),
    "production": ("production",),
    "high-availability": ("production", "high-availability"),
}
# Kinds of operators, which no schema of Kubernetes has.
FOREIGN = {
    "Certificate",
    "Issuer",
    "ServiceMonitor",
    "PrometheusRule",
    "HTTPRoute",
    "Cluster",
    "Pooler",
    "ScheduledBackup",
}
_FINDING = 3
# It would read a megabyte of definitions for each object.
schemas.schema_contents = cache(schemas.schema_contents)

Object = dict[str, Any]


def values(*names: str) -> Object:
    """The value files over each other, as Helm merges them."""
    merged: Object = {}
    for name in names:
        _merge(merged, yaml.safe_load((CHART / f"values-{name}.yaml").read_text()))
    return merged


def _merge(into: Object, over: Object) -> None:
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def render(overrides: Object | None = None, *, is_install: bool = True) -> dict[str, str]:
    """Template path -> text, without the notes and the empty ones. Raises helm_python.HelmError."""
    chart = helm_python.Chart.load(str(CHART))
    try:
        found = chart.render(
            overrides or {}, name=RELEASE, namespace=NAMESPACE, is_install=is_install, is_upgrade=not is_install
        )
    finally:
        chart.close()
    return {path: text for path, text in sorted(found.items()) if not path.endswith(".txt") and text.strip()}


def objects(rendered: dict[str, str]) -> list[Object]:
    return [found for text in rendered.values() for found in yaml.load_all(text, yaml.CSafeLoader) if found]


def lint(overrides: Object) -> list[str]:
    """What Helm says against the chart with these values."""
    report = helm_python.lint(str(CHART), overrides, strict=True, namespace=NAMESPACE, kube_version=f"v{KUBERNETES}.0")
    found = [
        f"{message['path']}: {message['error']}" for message in report["messages"] if message["severity"] >= _FINDING
    ]
    return [*found, *report["errors"]]


def invalid(found: list[Object]) -> Iterator[str]:
    """What the schemas of Kubernetes say against objects."""
    for one in found:
        complaint = _complaint(json.dumps(one)) if one["kind"] not in FOREIGN else ""
        if complaint:
            yield f"{one['kind']} {one['metadata']['name']}: {complaint}"


@cache
def _complaint(text: str) -> str:
    # Most objects are the same in all value sets, and reading a schema takes longer than applying it.
    try:
        kubernetes_validate.validate(json.loads(text), KUBERNETES, strict=True)
    except (ValidationError, InvalidSchemaError, SchemaNotFoundError) as error:
        return str(error)
    return ""


def architecture() -> dict[str, Object]:
    found: dict[str, Object] = yaml.safe_load((CHART / "files" / "architecture.yaml").read_text())["services"]
    return found


def nats_users() -> list[Object]:
    """The logins of NATS with their permissions, as the chart's own server has them."""
    rendered = render(values("laptop"))
    config = next(one for one in objects(rendered) if one["kind"] == "ConfigMap" and one["metadata"]["name"] == "nats")
    text = re.search(r"authorization \{ users: (\[.*\]) \}", config["data"]["nats.conf"])
    if text is None:
        raise LookupError("the chart's nats.conf has no list of users")
    users: list[Object] = json.loads(re.sub(r"(\$NATS_PASSWORD_[A-Z]+)", r'"\1"', text[1]))
    return users


def known_settings() -> str:
    """What `settings` and `secretSettings` of the values may name: the fields of the classes that read them."""
    services = {
        name: sorted(field.upper() for field in _service(name).app.settings_class.model_fields)
        for name in architecture()
    }
    edge = sorted(runpy.run_path(str(ROOT / "envoy" / "render.py"))["EdgeSettings"].model_fields)
    head = "# Settings that each program knows, from its own class of settings; `make rendered` writes this.\n"
    return head + yaml.safe_dump({"services": services, "edge": edge}, sort_keys=False, width=120)


def _service(name: str) -> Any:
    return importlib.import_module(f"services.{name}.__main__").SERVICE


def documents() -> dict[Path, str]:
    """Path -> what it should hold."""
    return {
        SETTINGS: known_settings(),
        **{CLUSTER / "rendered" / f"{name}.yaml": _golden(name, files) for name, files in VALUE_SETS.items()},
        CLUSTER / "nats-values.yaml": _nats_values(),
    }


def _golden(name: str, files: tuple[str, ...]) -> str:
    parts = [f"# Rendered from {', '.join(f'values-{file}.yaml' for file in files)} by `make rendered`; set {name}."]
    for path, text in render(values(*files)).items():
        parts.append(f"# --- {path.removeprefix('jain-shikanji/')}\n{text.strip()}")
    text = "\n---\n".join(parts)
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip()) + "\n"


def _nats_values() -> str:
    users = nats_users()
    for user in users:
        # The chart's way to leave a value out of quotes.
        user["password"] = f"<< {user['password']} >>"
    environment = {
        f"NATS_PASSWORD_{user['user'].upper()}": {
            "valueFrom": {"secretKeyRef": {"name": f"{user['user']}-nats", "key": "password"}}
        }
        for user in users
    }
    storage = {"enabled": True, "size": "20Gi"}
    chart_values = {
        "config": {
            "cluster": {"enabled": True, "replicas": 3},
            "jetstream": {
                "enabled": True,
                "memoryStore": {"enabled": False},
                "fileStore": {"enabled": True, "pvc": storage},
            },
            "merge": {"max_payload": "<< 1MB >>", "authorization": {"users": users}},
        },
        "container": {
            "env": environment,
            "merge": {
                "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
            },
        },
        "reloader": {
            "merge": {
                "resources": {
                    "requests": {"cpu": "10m", "memory": "32Mi"},
                    "limits": {"cpu": "200m", "memory": "64Mi"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        },
        "podTemplate": {
            "topologySpreadConstraints": {
                "topology.kubernetes.io/zone": {"maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
            },
            "merge": {
                "spec": {
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": 10002,
                        "fsGroup": 10002,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    }
                }
            },
        },
        "podDisruptionBudget": {"enabled": True},
        "natsBox": {"enabled": False},
    }
    head = (
        "# Values of the official NATS chart (https://github.com/nats-io/k8s): three servers, streams on disk and a\n"
        "# login per service, which publishes its own stream and reads what it consumes; `streams` declares. Written\n"
        "# by `make rendered` from the chart's list of arrows. A password must begin with a letter: NATS reads 7e3 as\n"
        "# a number.\n"
    )
    return head + yaml.safe_dump(chart_values, sort_keys=False, width=120)


def complaints() -> list[str]:
    found = []
    for name, files in VALUE_SETS.items():
        overrides = values(*files)
        found += [f"{name}: {message}" for message in lint(overrides)]
        for is_install in (True, False):
            found += [f"{name}: {message}" for message in invalid(objects(render(overrides, is_install=is_install)))]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    if not check:
        # What the other documents are rendered with.
        SETTINGS.write_text(known_settings())
    fresh = documents()
    if not check:
        for path, text in fresh.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return
    stale = [
        str(path.relative_to(ROOT)) for path, text in fresh.items() if not path.is_file() or path.read_text() != text
    ]
    found = complaints() + ([f"stale: {', '.join(stale)}; run `make rendered`"] if stale else [])
    if found:
        raise SystemExit("\n".join(found))
    print(f"{len(VALUE_SETS)} value sets lint, render and fit Kubernetes {KUBERNETES}; k8s/ is fresh")


if __name__ == "__main__":
    main()
