"""What every pod must be, whatever runs in it."""

from __future__ import annotations

import pytest

from tests.deploy.chart import RENDERS, SETS, hook, of_kind, pods, rendered
from tools.deploy import architecture

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


def test_no_pod_holds_a_token_of_the_api_server_but_the_one_that_writes_secrets(name: str, is_install: bool) -> None:
    holders = {
        str(pod) for pod in pods(rendered(name, is_install=is_install)) if pod.spec["automountServiceAccountToken"]
    }
    assert holders == ({"Job/secrets"} if name == "laptop" else set())


def test_images_name_a_version(name: str, is_install: bool) -> None:
    for pod in pods(rendered(name, is_install=is_install)):
        for container in pod.containers:
            _, _, tag = container["image"].rpartition(":")
            assert tag, pod
            assert tag != "latest", pod
            assert "/" not in tag, pod
            assert container["imagePullPolicy"] == "IfNotPresent", pod


def test_every_container_states_what_it_needs_and_may_take(name: str, is_install: bool) -> None:
    for pod in pods(rendered(name, is_install=is_install)):
        for container in pod.containers:
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}, pod
            assert set(container["resources"]["limits"]) == {"cpu", "memory"}, pod


def test_servers_are_probed_and_go_gracefully(name: str, is_install: bool) -> None:
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
            # Requests in flight, then work that may not be interrupted.
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
        assert scaled == ("replicas" not in deployment["spec"]), "replicas are the autoscaler's to say, or ours"
        assert scaled == (name != "laptop")
        headless = of_kind(found, "Service")["edge-peers" if service == "edge" else service]
        assert headless["spec"]["clusterIP"] == "None"


def test_a_changed_setting_rolls_the_pods(name: str, is_install: bool) -> None:
    for service in (*architecture(), "edge"):
        deployment = of_kind(rendered(name, is_install=is_install), "Deployment")[service]
        assert len(deployment["spec"]["template"]["metadata"]["annotations"]["checksum/config"]) == 64


def test_hooks_that_run_before_an_install_need_nothing_of_the_release(name: str, is_install: bool) -> None:
    found = rendered(name, is_install=is_install)
    early = [one for one in found if "pre-install" in hook(one)]
    there = {(one["kind"], one["metadata"]["name"]) for one in early}
    for pod in pods(tuple(early)):
        assert ("ServiceAccount", pod.spec["serviceAccountName"]) in there, pod
        for volume in pod.spec.get("volumes", ()):
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in there, pod


def test_the_schema_is_changed_before_the_new_version_serves(name: str, is_install: bool) -> None:
    jobs = of_kind(rendered(name, is_install=is_install), "Job")
    if name == "laptop" and is_install:
        # The database comes with the release: a hook would wait for it for ever.
        assert hook(jobs["first-migrations"]) == hook(jobs["first-streams"]) == set()
        return
    first = set() if name == "laptop" else {"pre-install"}
    assert hook(jobs["migrations"]) == first | {"pre-upgrade"}
    assert hook(jobs["streams"]) == first | {"pre-upgrade", "pre-rollback"}


def test_the_sets_are_the_three_that_are_promised(name: str, is_install: bool) -> None:
    assert SETS == ("laptop", "production", "high-availability")
    if name == "laptop":
        foreign = {
            one["apiVersion"].split("/")[0] for one in rendered(name, is_install=is_install) if "." in one["apiVersion"]
        }
        assert foreign <= {"apps", "networking.k8s.io", "rbac.authorization.k8s.io"}, "an empty cluster has no operator"
