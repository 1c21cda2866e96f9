"""Pods start when they can, leave when they are done, and go one after the other."""

from __future__ import annotations

import pytest

from shared.service import create_app
from shared.settings import ServiceSettings
from tests.support.manifests import OVERLAYS, Pod, named, of_kind, pods, render
from tests.support.scorers import MarkedScorer
from tests.unit.deploy.conftest import ReadSettings
from tests.unit.deploy.services import CLASSES

ENDPOINTS_SECONDS = 10
"""By then the proxies of all nodes have heard that a Pod is going."""
CLOSING_SECONDS = 10
"""What `Service.end` may take beyond its two time limits: saving results, releasing leases, closing the scorer."""


def reward_pods(folder: str) -> list[Pod]:
    found = [pod for pod in pods(render(folder)) if pod.labels["app.kubernetes.io/component"] == "reward"]
    assert len(found) == len(CLASSES)
    return found


@pytest.mark.parametrize("folder", OVERLAYS)
def test_probes_ask_what_the_services_answer(folder: str) -> None:
    paths = create_app(MarkedScorer(), ServiceSettings()).openapi()["paths"]
    for pod in reward_pods(folder):
        container = pod.container(pod.labels["app.kubernetes.io/name"])
        assert container["startupProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
        assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
        assert paths.keys() >= {"/healthz", "/readyz"}


@pytest.mark.parametrize("folder", OVERLAYS)
def test_every_container_that_stays_has_all_probes(folder: str) -> None:
    for pod in pods(render(folder)):
        for container in pod.containers:
            assert container.keys() >= {"startupProbe", "readinessProbe", "livenessProbe"}, pod.owner


@pytest.mark.parametrize("folder", OVERLAYS)
@pytest.mark.parametrize("name", CLASSES)
def test_the_grace_period_outlasts_the_drain(folder: str, name: str, settings_of: ReadSettings) -> None:
    """At SIGTERM callers are let go; open HTTP requests have `drain_timeout_seconds`, then batches as much again."""
    settings = settings_of(folder, name)
    (pod,) = [pod for pod in reward_pods(folder) if pod.labels["app.kubernetes.io/name"] == name]
    wait = pod.container(name)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert wait >= ENDPOINTS_SECONDS
    assert settings.leave_seconds > 0, "who keeps a connection would be cut off"
    needed = wait + settings.leave_seconds + 2 * settings.drain_timeout_seconds + CLOSING_SECONDS
    assert pod.spec["terminationGracePeriodSeconds"] >= needed


@pytest.mark.parametrize("folder", ["overlays/gpu", "overlays/autoscale"])
@pytest.mark.parametrize("name", ["judge", "multi-agent"])
def test_a_vllm_of_its_own_starts_before_the_service_and_ends_after_it(folder: str, name: str) -> None:
    (pod,) = [pod for pod in reward_pods(folder) if pod.labels["app.kubernetes.io/name"] == name]
    (vllm,) = pod.spec["initContainers"]
    assert vllm["name"] == "vllm"
    assert vllm["restartPolicy"] == "Always", "a sidecar: as a second container it would be stopped at the same time"
    probe = vllm["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 1800, "a large model takes long to load"
    progress = named(render(folder), "Deployment", name)["spec"]["progressDeadlineSeconds"]
    assert progress > probe["periodSeconds"] * probe["failureThreshold"]


def test_a_shared_vllm_hears_late_that_it_is_to_go() -> None:
    (pod,) = [pod for pod in pods(render("overlays/gpu-shared-llm")) if pod.owner == "Deployment/vllm"]
    wait = pod.container("vllm")["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert wait >= 60, "llm_timeout_seconds of those who asked"
    assert pod.spec["terminationGracePeriodSeconds"] > wait


@pytest.mark.parametrize("folder", OVERLAYS)
def test_gpus_are_asked_for_whole_and_their_nodes_are_tolerated(folder: str) -> None:
    found = 0
    for pod in pods(render(folder)):
        for container in pod.all_containers:
            resources = container["resources"]
            assert resources["requests"].keys() >= {"cpu", "memory"}, pod.owner
            assert "memory" in resources["limits"], pod.owner
            assert "cpu" not in resources["limits"], f"{pod.owner}: a limit of CPU only slows down"
            gpus = resources["limits"].get("nvidia.com/gpu")
            assert resources["requests"].get("nvidia.com/gpu") == gpus, pod.owner
            if gpus:
                found += 1
                assert any(item["key"] == "nvidia.com/gpu" for item in pod.spec["tolerations"]), pod.owner
    assert found == (0 if folder == "overlays/cpu" else 2 if folder == "overlays/gpu-shared-llm" else 3)


@pytest.mark.parametrize("folder", OVERLAYS)
def test_a_rollout_never_waits_for_a_gpu_that_the_old_pod_holds(folder: str) -> None:
    manifests = render(folder)
    for pod in pods(manifests):
        if any("nvidia.com/gpu" in container["resources"]["limits"] for container in pod.all_containers):
            strategy = named(manifests, *pod.owner.split("/"))["spec"]["strategy"]["rollingUpdate"]
            assert strategy == {"maxSurge": 0, "maxUnavailable": 1}, pod.owner


@pytest.mark.parametrize("folder", OVERLAYS)
def test_disruptions_take_one_replica_at_a_time_and_never_block(folder: str) -> None:
    manifests = render(folder)
    budgets = {budget["metadata"]["name"]: budget["spec"] for budget in of_kind(manifests, "PodDisruptionBudget")}
    for deployment in of_kind(manifests, "Deployment"):
        name = deployment["metadata"]["name"]
        if name == "local-llm":
            continue  # one replica, for trying things out
        assert budgets[name]["maxUnavailable"] == 1
        assert budgets[name]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        spread = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
        keys = {rule["topologyKey"] for rule in spread}
        assert keys == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert all(rule["labelSelector"]["matchLabels"].items() <= labels.items() for rule in spread)
