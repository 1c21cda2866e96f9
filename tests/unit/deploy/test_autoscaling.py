"""KEDA's triggers look at the streams that the services read, in the way that counts here."""

from __future__ import annotations

import pytest

from shared.queue.keys import QueueKeys
from shared.service import PREFETCH_BATCHES
from tests.support.manifests import NAMESPACE, Manifest, named, of_kind, render
from tests.unit.deploy.conftest import ReadSettings
from tests.unit.deploy.services import CLASSES

FOLDER = "overlays/autoscale"


def trigger(name: str) -> Manifest:
    (found,) = named(render(FOLDER), "ScaledObject", name)["spec"]["triggers"]
    assert found["type"] == "redis-streams"
    return found  # type: ignore[no-any-return]


def test_every_reward_scales_and_says_no_number_of_replicas() -> None:
    manifests = render(FOLDER)
    scaled = {manifest["spec"]["scaleTargetRef"]["name"] for manifest in of_kind(manifests, "ScaledObject")}
    assert scaled == set(CLASSES)
    for name in scaled:
        assert "replicas" not in named(manifests, "Deployment", name)["spec"], "an apply would undo what KEDA did"


@pytest.mark.parametrize("name", CLASSES)
def test_a_trigger_reads_the_stream_of_its_reward(name: str, settings_of: ReadSettings) -> None:
    settings = settings_of(FOLDER, name)
    reward = settings.model_dump()["name"]
    assert trigger(name)["metadata"]["stream"] == QueueKeys(reward).rollouts


@pytest.mark.parametrize("name", CLASSES)
def test_a_trigger_counts_the_stream_and_not_the_group(name: str) -> None:
    """KEDA ignores streamLength as soon as a consumerGroup is there, and the group's lag is often unknown to Redis."""
    metadata = trigger(name)["metadata"]
    assert metadata.keys() == {"address", "stream", "streamLength"}


@pytest.mark.parametrize("name", CLASSES)
def test_replicas_are_added_before_those_that_are_there_have_taken_all_they_take(
    name: str, settings_of: ReadSettings
) -> None:
    settings = settings_of(FOLDER, name)
    taken = min(
        settings.max_pending_rollouts,
        PREFETCH_BATCHES * settings.max_batch_rollouts * settings.max_concurrent_batches,
    )
    target = int(trigger(name)["metadata"]["streamLength"])
    busy = settings.max_batch_rollouts * settings.max_concurrent_batches
    assert busy <= target < taken


@pytest.mark.parametrize("name", CLASSES)
def test_keda_asks_redis_by_a_name_that_holds_in_every_namespace(name: str) -> None:
    manifests = render(FOLDER)
    service = named(manifests, "Service", "redis")
    port = service["spec"]["ports"][0]["port"]
    assert trigger(name)["metadata"]["address"] == f"redis.{NAMESPACE}.svc.cluster.local:{port}"
    authentication = named(manifests, "TriggerAuthentication", trigger(name)["authenticationRef"]["name"])
    (redis,) = [pod for pod in of_kind(manifests, "StatefulSet") if pod["metadata"]["name"] == "redis"]
    variables = redis["spec"]["template"]["spec"]["containers"][0]["env"]
    (password,) = [variable for variable in variables if variable["name"] == "REDIS_PASSWORD"]
    reference = {key: authentication["spec"]["secretTargetRef"][0][key] for key in ("name", "key")}
    assert reference == password["valueFrom"]["secretKeyRef"]


def test_scaling_down_is_slow_and_an_outage_of_redis_takes_nothing_away() -> None:
    for scaled in of_kind(render(FOLDER), "ScaledObject"):
        spec = scaled["spec"]
        assert 1 <= spec["minReplicaCount"] < spec["maxReplicaCount"]
        assert spec["fallback"]["behavior"] == "currentReplicasIfHigher"
        behaviour = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        assert behaviour["scaleDown"]["stabilizationWindowSeconds"] >= 600
        assert behaviour["scaleUp"]["stabilizationWindowSeconds"] == 0
