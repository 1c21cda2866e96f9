"""Every manifest is what the API server of the current Kubernetes takes, to the last field."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.support.manifests import ALL, K8S, NAMESPACE, Manifest, of_kind, pods, render
from tests.support.processes import ROOT

KUBERNETES = "1.37"
CUSTOM = Path(__file__).parent / "schemas"
CLUSTER_WIDE = {"Namespace"}


def is_custom(manifest: Manifest) -> bool:
    return (CUSTOM / f"{manifest['kind']}.json").is_file()


def check_builtin(manifest: Manifest) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    newest = kubernetes_validate.latest_version()
    assert newest.startswith(KUBERNETES), f"Kubernetes {newest} is there: hold the manifests to it"
    kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def check_custom(manifest: Manifest) -> None:
    schema = json.loads((CUSTOM / f"{manifest['kind']}.json").read_text(encoding="utf-8"))
    jsonschema_rs.validate(schema, manifest)


@pytest.mark.parametrize("folder", ALL)
def test_every_manifest_fits_its_schema(folder: str) -> None:
    manifests = render(folder)
    assert manifests
    for manifest in manifests:
        (check_custom if is_custom(manifest) else check_builtin)(manifest)


@pytest.mark.parametrize("folder", ALL)
def test_a_pod_within_a_custom_resource_fits_the_schema_of_pods(folder: str) -> None:
    for pod in pods(render(folder)):
        metadata = {"name": "pod", "labels": dict(pod.labels)}
        check_builtin({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod.spec})


@pytest.mark.parametrize(
    ("folder", "kind", "path", "value"),
    [
        ("overlays/gpu", "Deployment", ("spec", "template", "spec", "containers", 0, "imagePullPolice"), "Always"),
        ("overlays/gpu", "Service", ("spec", "ports", 0, "port"), "http"),
        ("overlays/autoscale", "ScaledObject", ("spec", "minReplicas"), 1),
        ("overlays/autoscale", "ScaledObject", ("spec", "fallback", "behavior"), "hope"),
        ("overlays/autoscale", "ScaledObject", ("spec", "triggers", 0, "metadata", "streamLength"), 5),
        ("overlays/autoscale", "TriggerAuthentication", ("spec", "secretTargetRef", 0, "name"), None),
        ("monitoring", "PodMonitor", ("spec", "podMetricsEndpoints", 0, "interval"), "often"),
        ("monitoring", "PrometheusRule", ("spec", "groups", 0, "rules", 0, "expression"), "up"),
        ("trainer/kubeflow", "TrainJob", ("spec", "trainer", "nodes"), 2),
        ("trainer/kubeflow", "TrainingRuntime", ("spec", "mlPolicy", "torch", "nodes"), 2),
    ],
)
def test_a_slip_is_found(folder: str, kind: str, path: tuple[str | int, ...], value: Any) -> None:
    manifest = of_kind(render(folder), kind)[0]
    parent: Any = manifest
    for part in path[:-1]:
        parent = parent[part]
    parent[path[-1]] = value
    with pytest.raises(Exception, match=r"(?i)not|additional|valid"):
        (check_custom if is_custom(manifest) else check_builtin)(manifest)


@pytest.mark.parametrize("folder", ALL)
def test_everything_is_in_the_namespace_and_nothing_stands_twice(folder: str) -> None:
    manifests = render(folder)
    for manifest in manifests:
        if manifest["kind"] not in CLUSTER_WIDE:
            assert manifest["metadata"]["namespace"] == NAMESPACE, manifest["metadata"]
    ids = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("folder", ALL)
def test_no_secret_is_committed(folder: str) -> None:
    assert of_kind(render(folder), "Secret") == []


@pytest.mark.parametrize("folder", ALL)
def test_every_image_has_a_tag_that_stays(folder: str) -> None:
    for pod in pods(render(folder)):
        for container in pod.all_containers:
            name, _, tag = container["image"].rpartition(":")
            assert name, f"{pod.owner}: {container['image']} has no tag"
            assert re.fullmatch(r"v?\d+(\.\d+)+[\w.-]*", tag), f"{pod.owner}: {container['image']}"


def test_images_are_those_of_compose() -> None:
    compose: set[str] = set()
    for name in ("docker-compose.yml", "docker-compose.gpu.yml"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for image in re.findall(r"^ *image: *(\S+)", text, re.MULTILINE):
            compose.add(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", image))
    ours = {container["image"] for folder in ALL for pod in pods(render(folder)) for container in pod.all_containers}
    assert ours <= compose


def test_every_kustomization_is_rendered_by_a_test() -> None:
    components = {path.parent for path in K8S.rglob("kustomization.yaml") if "kind: Component" in path.read_text()}
    used = {K8S / folder for folder in ALL} | {K8S / "base", K8S / "trainer" / "base"} | components
    assert {path.parent for path in K8S.rglob("kustomization.yaml")} == used
    texts = [path.read_text() for path in K8S.rglob("kustomization.yaml")]
    for component in components:
        assert any(f"components/{component.name}\n" in text for text in texts), f"{component.name} is in no overlay"
