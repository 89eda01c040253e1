"""Rules for all pods and objects of every value set."""

from __future__ import annotations

import re

import pytest

from tests.deploy.chart import RENDERS, SETS, Object, hook, of_kind, pods, rendered
from tools.deploy import architecture

NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")

pytestmark = pytest.mark.parametrize(("name", "is_install"), RENDERS)


def test_pods_meet_pod_security_restricted(name: str, is_install: bool) -> None:
    for pod in pods(rendered(name, is_install=is_install)):
        security = pod.spec["securityContext"]
        assert security["runAsNonRoot"] is True, pod
        assert security["runAsUser"] >= 999, pod
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, pod
        for volume in pod.spec.get("volumes", ()):
            assert set(volume) - {"name"} <= {"secret", "configMap", "emptyDir"}, pod
        for container in pod.containers:
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, pod
            assert own["readOnlyRootFilesystem"] is True, pod
            assert own["capabilities"] == {"drop": ["ALL"]}, pod


def test_only_the_secrets_job_has_a_token_of_the_api_server(name: str, is_install: bool) -> None:
    holders = {
        str(pod) for pod in pods(rendered(name, is_install=is_install)) if pod.spec["automountServiceAccountToken"]
    }
    assert holders == ({"Job/secrets"} if name == "laptop" else set())


def test_images_have_a_version(name: str, is_install: bool) -> None:
    for pod in pods(rendered(name, is_install=is_install)):
        for container in pod.containers:
            _, _, tag = container["image"].rpartition(":")
            assert tag, pod
            assert tag != "latest", pod
            assert "/" not in tag, pod
            assert container["imagePullPolicy"] == "IfNotPresent", pod


def test_every_container_has_requests_and_limits(name: str, is_install: bool) -> None:
    for pod in pods(rendered(name, is_install=is_install)):
        for container in pod.containers:
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}, pod
            assert set(container["resources"]["limits"]) == {"cpu", "memory"}, pod


def test_servers_have_probes_and_time_to_drain(name: str, is_install: bool) -> None:
    for pod in pods(rendered(name, is_install=is_install)):
        kind, _, component = str(pod).partition("/")
        if kind not in {"Deployment", "StatefulSet"} or component == "operator":
            continue
        [container] = pod.containers
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container), pod
        if kind == "StatefulSet":
            continue
        pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        if component == "edge":
            drain = float(container["args"][-1])
        else:
            drains = [one["value"] for one in container["env"] if one["name"].endswith("_DRAIN_SECONDS")]
            # Requests in flight, then tasks that are shielded from cancellation.
            drain = 2 * float(drains[0])
        assert pod.spec["terminationGracePeriodSeconds"] >= pause + drain + 5, pod


def test_liveness_does_not_depend_on_the_database(name: str, is_install: bool) -> None:
    deployments = of_kind(rendered(name, is_install=is_install), "Deployment")
    for service in architecture():
        [container] = deployments[service]["spec"]["template"]["spec"]["containers"]
        assert container["livenessProbe"]["grpc"] == {"port": 50052, "service": "live"}
        assert container["startupProbe"]["grpc"] == {"port": 50052, "service": "live"}
        assert container["readinessProbe"]["grpc"] == {"port": 50052}


def test_each_service_has_its_objects(name: str, is_install: bool) -> None:
    found = rendered(name, is_install=is_install)
    for service in (*architecture(), "edge"):
        deployment = of_kind(found, "Deployment")[service]
        pod = deployment["spec"]["template"]["spec"]
        assert pod["serviceAccountName"] == service
        assert service in of_kind(found, "ServiceAccount")
        assert of_kind(found, "PodDisruptionBudget")[service]["spec"]["maxUnavailable"] == 1
        assert {one["topologyKey"] for one in pod["topologySpreadConstraints"]} == {
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
        }
        assert service in of_kind(found, "NetworkPolicy")
        scaled = service in of_kind(found, "HorizontalPodAutoscaler")
        assert scaled == ("replicas" not in deployment["spec"]), (
            "either the autoscaler or the Deployment sets the replicas"
        )
        assert scaled == (name != "laptop")
        headless = of_kind(found, "Service")["edge-peers" if service == "edge" else service]
        assert headless["spec"]["clusterIP"] == "None"


def test_a_changed_setting_restarts_the_pods(name: str, is_install: bool) -> None:
    for service in (*architecture(), "edge"):
        deployment = of_kind(rendered(name, is_install=is_install), "Deployment")[service]
        assert len(deployment["spec"]["template"]["metadata"]["annotations"]["checksum/config"]) == 64


def test_pre_install_hooks_depend_on_no_object_of_the_release(name: str, is_install: bool) -> None:
    found = rendered(name, is_install=is_install)
    hooks = [one for one in found if "pre-install" in hook(one)]
    there = {(one["kind"], one["metadata"]["name"]) for one in hooks}
    for pod in pods(tuple(hooks)):
        assert ("ServiceAccount", pod.spec["serviceAccountName"]) in there, pod
        for volume in pod.spec.get("volumes", ()):
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in there, pod


def test_migrations_run_before_the_new_version_serves(name: str, is_install: bool) -> None:
    jobs = of_kind(rendered(name, is_install=is_install), "Job")
    if name == "laptop" and is_install:
        # The release contains the database, so a pre-install hook would wait for ever.
        assert hook(jobs["first-migrations"]) == hook(jobs["first-streams"]) == set()
        return
    first = set() if name == "laptop" else {"pre-install"}
    assert hook(jobs["migrations"]) == first | {"pre-upgrade"}
    assert hook(jobs["streams"]) == first | {"pre-upgrade", "pre-rollback"}


def test_an_upgrade_without_changes_restarts_no_pod(name: str, is_install: bool) -> None:
    """Install and upgrade render the same workloads, and pods have no label with the version of the chart."""
    for kind in ("Deployment", "StatefulSet"):
        assert of_kind(rendered(name), kind) == of_kind(rendered(name, is_install=False), kind)
    for pod in pods(rendered(name, is_install=is_install)):
        if not str(pod).startswith("Pod/"):
            assert set(pod.labels) <= {
                "app.kubernetes.io/part-of",
                "app.kubernetes.io/name",
                "app.kubernetes.io/instance",
            }, pod


def test_jobs_of_the_first_install_do_not_block_a_rollback(name: str, is_install: bool) -> None:
    """A rollback fails on an object that the failed release does not list; the first hooks delete these objects."""

    def listed(*, is_install: bool) -> set[tuple[str, str]]:
        found = rendered(name, is_install=is_install)
        return {(one["kind"], one["metadata"]["name"]) for one in found if not hook(one)}

    gone = listed(is_install=True) - listed(is_install=False)
    assert gone == ({("Job", "first-migrations"), ("Job", "first-streams")} if name == "laptop" else set())
    hooks = [one for one in rendered(name, is_install=False) if "pre-upgrade" in hook(one)]
    weights = {(one["kind"], one["metadata"]["name"]): _weight(one) for one in hooks}
    for one in hooks:
        if (one["kind"], one["metadata"]["name"]) in gone:
            assert one["spec"]["completions"] == 0
            policies = one["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
            assert policies == "before-hook-creation,hook-succeeded"
            assert all(_weight(one) < weight for key, weight in weights.items() if key not in gone)


def _weight(one: Object) -> int:
    return int(one["metadata"]["annotations"]["helm.sh/hook-weight"])


def test_all_pods_and_a_rolling_update_fit_on_a_laptop(name: str, is_install: bool) -> None:
    """The laptop has 2 cores and 4 GiB, shared with the node and the control plane."""
    if name != "laptop":
        return
    cores = memory = 0.0
    for one in rendered(name, is_install=is_install):
        # After the hooks of an upgrade, each Deployment runs a new pod beside the old one.
        if one["kind"] not in {"Deployment", "StatefulSet", "Job"} or (hook(one) & {"pre-upgrade"}):
            continue
        parallel_pods = one["spec"].get("replicas", 1) * (2 if one["kind"] == "Deployment" and not is_install else 1)
        for container in one["spec"]["template"]["spec"]["containers"]:
            requests = container["resources"]["requests"]
            cores += parallel_pods * int(requests["cpu"].removesuffix("m")) / 1000
            memory += parallel_pods * int(requests["memory"].removesuffix("Mi"))
    assert cores <= 1.2
    assert memory <= 2.75 * 1024


def test_replicas_serve_until_dns_caches_expire(name: str, is_install: bool) -> None:
    """CoreDNS caches for 5 seconds; a replica must serve longer than that after it leaves the endpoints."""
    for deployment in of_kind(rendered(name, is_install=is_install), "Deployment").values():
        for container in deployment["spec"]["template"]["spec"]["containers"]:
            if "lifecycle" in container:
                assert container["lifecycle"]["preStop"]["sleep"]["seconds"] > 5


def test_names_and_labels_are_valid(name: str, is_install: bool) -> None:
    found = rendered(name, is_install=is_install)
    seen: set[tuple[str, str, bool]] = set()
    for one in found:
        metadata = one["metadata"]
        assert NAME.fullmatch(metadata["name"]), metadata["name"]
        assert len(metadata["name"]) <= 52, "a pod's name is longer than its owner's"
        for label, value in metadata["labels"].items():
            assert len(label.rpartition("/")[2]) <= 63
            assert LABEL.fullmatch(value), value
        key = (one["kind"], metadata["name"], bool(hook(one)))
        assert key not in seen, f"{key} exists twice"
        seen.add(key)
    for pod in pods(found):
        for container in pod.containers:
            assert NAME.fullmatch(container["name"])
            names = [port["name"] for port in container.get("ports", ())]
            assert len(names) == len(set(names))
            assert all(NAME.fullmatch(port) and len(port) <= 15 for port in names)
        stop = max(
            (one.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)) for one in pod.containers
        )
        assert stop < pod.spec.get("terminationGracePeriodSeconds", 30)


def test_failed_hooks_stay_for_an_hour(name: str, is_install: bool) -> None:
    for one in rendered(name, is_install=is_install):
        if one["kind"] == "Job" and hook(one) and one["spec"].get("completions") != 0:
            assert "hook-failed" not in one["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
            assert one["spec"]["ttlSecondsAfterFinished"] == 3600
            assert one["spec"]["activeDeadlineSeconds"] > 0


def test_the_value_sets_are_laptop_production_and_high_availability(name: str, is_install: bool) -> None:
    assert SETS == ("laptop", "production", "high-availability")
    if name == "laptop":
        foreign = {
            one["apiVersion"].split("/")[0] for one in rendered(name, is_install=is_install) if "." in one["apiVersion"]
        }
        assert foreign <= {"apps", "networking.k8s.io", "rbac.authorization.k8s.io"}, (
            "the laptop set must not need an operator"
        )
