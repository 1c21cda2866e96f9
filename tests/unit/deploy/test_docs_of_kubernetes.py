"""The kustomizations that docs/kubernetes.md shows are ones that kubectl takes."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import yaml

from tests.support.manifests import K8S, Manifest, kubectl, named, of_kind, pods
from tests.support.processes import ROOT

GUIDE = ROOT / "docs" / "kubernetes.md"


def blocks() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


def build(folder: Path, kustomization: str, **files: str) -> list[Manifest]:
    """Render one of the document, as if this repository lay beside the folder."""
    text = kustomization.replace("../zhufu/k8s", os.path.relpath(K8S, folder.resolve()))
    (folder / "kustomization.yaml").write_text(text, encoding="utf-8")
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(content, encoding="utf-8")
    done = subprocess.run(
        [kubectl(), "kustomize", str(folder)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def test_an_overlay_of_ones_own_names_other_images_and_settings(tmp_path: Path) -> None:
    (first, *_) = [block for block in blocks() if block.startswith("# kustomization.yaml")]
    manifests = build(tmp_path, first)
    ours = {container["image"] for pod in pods(manifests) for container in pod.all_containers}
    assert all(image.startswith("registry.example.org/zhufu-") for image in ours if "zhufu" in image)
    (judge,) = [
        item["data"] for item in of_kind(manifests, "ConfigMap") if item["metadata"]["name"].startswith("judge-")
    ]
    assert judge["ZHUFU_JUDGE_MODE"] == "verdict"


def test_a_managed_redis_takes_the_place_of_ours(tmp_path: Path) -> None:
    (second,) = [block for block in blocks() if "- managed-redis.yaml" in block]
    (policy,) = [block for block in blocks() if block.startswith("# managed-redis.yaml")]
    manifests = build(tmp_path, second, **{"managed-redis": policy})
    assert of_kind(manifests, "StatefulSet") == []
    left = {
        (item["kind"], item["metadata"]["name"]) for item in manifests if item["metadata"]["name"].startswith("redis")
    }
    assert {kind for kind, _ in left} <= {"ConfigMap"}
    assert named(manifests, "NetworkPolicy", "managed-redis")["metadata"]["namespace"] == "zhufu"


def test_every_path_that_the_guide_applies_is_there() -> None:
    folders = re.findall(r"apply -k (k8s/[\w/-]+)", GUIDE.read_text(encoding="utf-8"))
    assert len(folders) >= 7
    for folder in folders:
        assert (ROOT / folder / "kustomization.yaml").is_file(), folder


def test_every_link_of_the_guide_leads_somewhere() -> None:
    """But for guides that are written beside this one."""
    for name in ("kubernetes.md", "scaling.md"):
        text = (ROOT / "docs" / name).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (ROOT / "docs" / target).exists(), f"{name}: {target}"
