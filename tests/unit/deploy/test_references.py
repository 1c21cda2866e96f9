"""What a manifest names is there: labels, ports, ConfigMaps, claims, accounts, and Secrets that the guide makes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.manifests import ALL, OVERLAYS, Manifest, Pod, config_maps, named, of_kind, pods, render, selects
from tests.support.processes import ROOT

GUIDE = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")


def ports(pod: Pod) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for part in pod.containers for port in part.get("ports", ())}


@pytest.mark.parametrize("folder", ALL)
def test_workloads_select_the_pods_that_they_make(folder: str) -> None:
    for manifest in render(folder):
        if manifest["kind"] in {"Deployment", "StatefulSet"}:
            labels = manifest["spec"]["template"]["metadata"]["labels"]
            assert selects(manifest["spec"]["selector"], labels)
            assert labels.keys() >= manifest["metadata"]["labels"].keys()


@pytest.mark.parametrize("folder", OVERLAYS)
def test_each_service_and_budget_selects_the_pods_of_one_workload(folder: str) -> None:
    manifests = render(folder)
    for manifest in manifests:
        match manifest["kind"]:
            case "Service":
                selector = {"matchLabels": manifest["spec"]["selector"]}
            case "PodDisruptionBudget":
                selector = manifest["spec"]["selector"]
            case _:
                continue
        found = [pod.owner for pod in pods(manifests) if selects(selector, pod.labels)]
        assert len(found) == 1, f"{manifest['kind']}/{manifest['metadata']['name']}: {found}"


@pytest.mark.parametrize("folder", OVERLAYS)
def test_every_port_of_a_service_is_open_in_its_pods(folder: str) -> None:
    manifests = render(folder)
    for service in of_kind(manifests, "Service"):
        (pod,) = [pod for pod in pods(manifests) if selects({"matchLabels": service["spec"]["selector"]}, pod.labels)]
        for port in service["spec"]["ports"]:
            assert ports(pod)[port["targetPort"]] == port["port"]


@pytest.mark.parametrize("folder", ALL)
def test_every_port_of_a_probe_is_open_in_its_container(folder: str) -> None:
    for pod in pods(render(folder)):
        for container in pod.all_containers:
            names = {port["name"] for port in container.get("ports", ())}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                for action in ("httpGet", "tcpSocket"):
                    if action in container.get(probe, {}):
                        assert container[probe][action]["port"] in names, f"{pod.owner}: {probe}"


def secrets_of(manifests: list[Manifest]) -> Iterator[tuple[str, str]]:
    for pod in pods(manifests):
        for container in pod.all_containers:
            for variable in container.get("env", ()):
                if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                    yield reference["name"], reference["key"]
    for authentication in of_kind(manifests, "TriggerAuthentication"):
        for reference in authentication["spec"]["secretTargetRef"]:
            yield reference["name"], reference["key"]


@pytest.mark.parametrize("folder", ALL)
def test_every_secret_is_one_that_the_docs_have_one_make(folder: str) -> None:
    for name, key in secrets_of(render(folder)):
        commands = [line for line in GUIDE.splitlines() if f"create secret generic {name} " in line]
        assert commands, f"docs/kubernetes.md does not make the Secret {name}"
        assert any(f"={key}=" in command for command in commands), f"the Secret {name} gets no key {key}"


@pytest.mark.parametrize("folder", ALL)
def test_every_config_map_claim_and_account_is_there(folder: str) -> None:
    manifests = render(folder)
    maps = config_maps(manifests)
    claims = {claim["metadata"]["name"] for claim in of_kind(render("volumes"), "PersistentVolumeClaim")}
    for pod in pods(manifests):
        named(manifests, "ServiceAccount", pod.spec["serviceAccountName"])
        for container in pod.all_containers:
            for source in container.get("envFrom", ()):
                assert source["configMapRef"]["name"] in maps, pod.owner
            for variable in container.get("env", ()):
                if reference := variable.get("valueFrom", {}).get("configMapKeyRef"):
                    assert reference["key"] in maps[reference["name"]], pod.owner
        for volume in pod.spec.get("volumes", ()):
            if "configMap" in volume:
                assert volume["configMap"]["name"] in maps, pod.owner
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims, pod.owner


@pytest.mark.parametrize("folder", ALL)
def test_every_volume_is_mounted_and_every_mount_has_a_volume(folder: str) -> None:
    for manifest in render(folder):
        for pod in pods([manifest]):
            mounted = {mount["name"] for part in pod.all_containers for mount in part["volumeMounts"]}
            templates = {claim["metadata"]["name"] for claim in manifest["spec"].get("volumeClaimTemplates", ())}
            assert mounted == {volume["name"] for volume in pod.spec["volumes"]} | templates, pod.owner


@pytest.mark.parametrize("folder", ALL)
def test_every_config_map_is_read(folder: str) -> None:
    manifests = render(folder)
    text = str(pods(manifests))
    for name in config_maps(manifests):
        assert f"'{name}'" in text, f"nobody reads the ConfigMap {name}"


def test_volumes_that_replicas_share_can_be_shared() -> None:
    for claim in of_kind(render("volumes"), "PersistentVolumeClaim"):
        assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_overlays_hold_no_claim_that_deleting_them_would_delete() -> None:
    for folder in OVERLAYS:
        assert of_kind(render(folder), "PersistentVolumeClaim") == []
