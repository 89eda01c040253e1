"""Writes the files that are derived from the chart, or checks the chart and these files.

    python -m tools.deploy            write k8s/rendered/, k8s/nats-values.yaml, and the chart's settings and README
    python -m tools.deploy --check    exit 1 if lint or the Kubernetes schemas report an error, or a file is stale

Works offline: no cluster and no network.
"""

from __future__ import annotations

import argparse
import difflib
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

from tools import chart_values
from tools.generate import ROOT

CHART = ROOT / "helm" / "jain-shikanji"
CLUSTER = ROOT / "k8s"
SETTINGS = CHART / "files" / "settings.yaml"
README = CHART / "README.md"
RENDERED = CLUSTER / "rendered"
RELEASE, NAMESPACE = "shikanji", "jain-shikanji"
KUBERNETES = "1.34"
# Value files of each set, merged over values.yaml in this order.
VALUE_SETS = {
    "laptop": ("laptop",),
    "production": ("production",),
    "high-availability": ("production", "high-availability"),
}
# Sets that are stored as their difference to another set, because they hardly differ.
STORED_AS_DIFFERENCE = {"high-availability": "production"}
# Custom resources, for which Kubernetes has no schema.
CUSTOM_RESOURCES = {
    "Certificate",
    "Issuer",
    "ServiceMonitor",
    "PrometheusRule",
    "HTTPRoute",
    "Cluster",
    "Pooler",
    "ScheduledBackup",
}
# Severity of an error in the report of Helm's linter.
_ERROR = 3
# Without the cache each object reads a megabyte of schema definitions.
schemas.schema_contents = cache(schemas.schema_contents)

Object = dict[str, Any]


def values(*names: str) -> Object:
    """The value files merged in this order, as Helm merges them."""
    merged: Object = {}
    for name in names:
        merge(merged, yaml.safe_load((CHART / f"values-{name}.yaml").read_text()))
    return merged


def merge(into: Object, over: Object) -> None:
    """Merges values into others, in place."""
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def render(overrides: Object | None = None, *, is_install: bool = True) -> dict[str, str]:
    """Template path -> rendered text, without notes and empty templates. Raises helm_python.HelmError."""
    chart = helm_python.Chart.load(str(CHART))
    try:
        found = chart.render(
            overrides or {}, name=RELEASE, namespace=NAMESPACE, is_install=is_install, is_upgrade=not is_install
        )
    finally:
        chart.close()
    return {path: text for path, text in sorted(found.items()) if not path.endswith(".txt") and text.strip()}


def objects(rendered: dict[str, str]) -> list[Object]:
    """The Kubernetes objects of a render."""
    return [found for text in rendered.values() for found in yaml.load_all(text, yaml.CSafeLoader) if found]


def lint(overrides: Object) -> list[str]:
    """Errors of Helm's linter for the chart with these values."""
    report = helm_python.lint(str(CHART), overrides, strict=True, namespace=NAMESPACE, kube_version=f"v{KUBERNETES}.0")
    found = [
        f"{message['path']}: {message['error']}" for message in report["messages"] if message["severity"] >= _ERROR
    ]
    return [*found, *report["errors"]]


def schema_errors(found: list[Object]) -> Iterator[str]:
    """Validates objects against the schemas of Kubernetes."""
    for one in found:
        error = _schema_error(json.dumps(one)) if one["kind"] not in CUSTOM_RESOURCES else ""
        if error:
            yield f"{one['kind']} {one['metadata']['name']}: {error}"


@cache
def _schema_error(text: str) -> str:
    # Cached, because most objects are the same in all value sets.
    try:
        kubernetes_validate.validate(json.loads(text), KUBERNETES, strict=True)
    except (ValidationError, InvalidSchemaError, SchemaNotFoundError) as error:
        return str(error)
    return ""


def architecture() -> dict[str, Object]:
    """Service -> database and dependencies, from files/architecture.yaml."""
    found: dict[str, Any] = yaml.safe_load((CHART / "files" / "architecture.yaml").read_text())["services"]
    for service, facts in found.items():
        for key in ("calls", "consumes"):
            if unknown := sorted(set(facts[key]) - set(found)):
                raise SystemExit(f"architecture.yaml: `{key}` of {service} names no service: {', '.join(unknown)}")
    return found


def nats_users() -> list[Object]:
    """NATS logins with their permissions, from the configuration of the chart's own server."""
    rendered = render(values("laptop"))
    config = next(one for one in objects(rendered) if one["kind"] == "ConfigMap" and one["metadata"]["name"] == "nats")
    text = re.search(r"authorization \{ users: (\[.*\]) \}", config["data"]["nats.conf"])
    if text is None:
        raise LookupError("nats.conf of the chart has no list of users")
    users: list[Object] = json.loads(re.sub(r"(\$NATS_PASSWORD_[A-Z]+)", r'"\1"', text[1]))
    return users


def known_settings() -> str:
    """Valid keys of `settings` and `secretSettings` in the values: the fields of the settings classes."""
    services = {
        name: sorted(field.upper() for field in _service(name).app.settings_class.model_fields)
        for name in architecture()
    }
    edge = sorted(runpy.run_path(str(ROOT / "envoy" / "render.py"))["EdgeSettings"].model_fields)
    head = "# Settings of each program, from its settings class; written by `make rendered`.\n"
    return head + yaml.safe_dump({"services": services, "edge": edge}, sort_keys=False, width=120)


def _service(name: str) -> Any:
    return importlib.import_module(f"services.{name}.__main__").SERVICE


def documents() -> dict[Path, str]:
    """Path -> content of each derived file."""
    return {
        SETTINGS: known_settings(),
        README: chart_values.insert_table(README.read_text(), (CHART / "values.yaml").read_text()),
        **{RENDERED / f"{name}.yaml": rendered_set(name) for name in VALUE_SETS if name not in STORED_AS_DIFFERENCE},
        **{RENDERED / f"{name}.diff": _difference(base, name) for name, base in STORED_AS_DIFFERENCE.items()},
        CLUSTER / "nats-values.yaml": _nats_values(),
    }


def stale_files() -> list[str]:
    """Derived files whose content differs, and files in k8s/rendered that are not derived from the chart."""
    expected = documents()
    stale = [path for path, text in expected.items() if not path.is_file() or path.read_text() != text]
    unexpected = [path for path in RENDERED.iterdir() if path not in expected]
    return [str(path.relative_to(ROOT)) for path in stale + unexpected]


def rendered_set(name: str) -> str:
    """All objects of a value set as one text."""
    files = VALUE_SETS[name]
    parts = [f"# Rendered from {', '.join(f'values-{file}.yaml' for file in files)} by `make rendered`; set {name}."]
    for path, text in render(values(*files)).items():
        parts.append(f"# --- {path.removeprefix('jain-shikanji/')}\n{text.strip()}")
    text = "\n---\n".join(parts)
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip()) + "\n"


def _difference(base: str, name: str) -> str:
    """Unified diff between two sets, object by object.

    It has no line numbers and no checksums of settings, so that it changes only when the difference changes.
    """
    old, new = (_texts_of_objects(rendered_set(one)) for one in (base, name))
    lines = [f"--- {base}", f"+++ {name}"]
    for key in dict.fromkeys([*old, *new]):
        hunks = list(difflib.unified_diff(old.get(key, []), new.get(key, []), n=1, lineterm=""))[2:]
        lines += [f"@@ {key} @@" if line.startswith("@@") else line for line in hunks]
    return "\n".join(lines) + "\n"


def _texts_of_objects(rendered: str) -> dict[str, list[str]]:
    """Kind and name -> lines of the object."""
    found = {}
    for text in rendered.split("\n---\n"):
        one = yaml.load(text, yaml.CSafeLoader)
        if one:
            lines = [
                line for line in text.splitlines() if not line.startswith("# --- ") and "checksum/config:" not in line
            ]
            found[f"{one['kind']} {one['metadata']['name']}"] = lines
    return found


def _nats_values() -> str:
    users = nats_users()
    for user in users:
        # Syntax of the NATS chart for a value without quotes.
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
        "# login per service, which publishes to its own stream and reads what it consumes; the login `streams`\n"
        "# declares streams and consumers. Written by `make rendered` from files/architecture.yaml of the chart.\n"
        "# A password must begin with a letter: NATS reads 7e3 as a number.\n"
    )
    return head + yaml.safe_dump(chart_values, sort_keys=False, width=120)


def chart_errors() -> list[str]:
    """Errors of the linter and of the schemas, for all value sets, as install and as upgrade."""
    found = []
    for name, files in VALUE_SETS.items():
        overrides = values(*files)
        found += [f"{name}: {message}" for message in lint(overrides)]
        for is_install in (True, False):
            found += [
                f"{name}: {message}" for message in schema_errors(objects(render(overrides, is_install=is_install)))
            ]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    if not check:
        _write()
        return
    stale = stale_files()
    found = chart_errors() + ([f"stale: {', '.join(stale)}; run `make rendered`"] if stale else [])
    if found:
        raise SystemExit("\n".join(found))
    print(
        f"{len(VALUE_SETS)} value sets lint, render and match the schemas of Kubernetes {KUBERNETES}; files are current"
    )


def _write() -> None:
    # First, because the chart reads it when it renders the other files.
    SETTINGS.write_text(known_settings())
    RENDERED.mkdir(parents=True, exist_ok=True)
    derived = documents()
    for path in RENDERED.iterdir():
        if path not in derived:
            path.unlink()
    for path, text in derived.items():
        path.write_text(text)


if __name__ == "__main__":
    main()
