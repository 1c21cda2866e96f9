"""The Prometheus Operator's objects: they find every target, and hold the rules that are tested."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from tests.support.manifests import K8S, OVERLAYS, Pod, named, of_kind, pods, render, selects
from tests.support.processes import ROOT


@pytest.fixture
def rules() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prometheus_rules", K8S / "monitoring" / "rules.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def scraped(found: list[Pod]) -> set[tuple[str, int]]:
    """(workload, port) of every target of the PodMonitors."""
    targets = set()
    for monitor in of_kind(render("monitoring"), "PodMonitor"):
        for pod in found:
            if not selects(monitor["spec"]["selector"], pod.labels):
                continue
            ports = {port["name"]: port["containerPort"] for part in pod.containers for port in part.get("ports", ())}
            for endpoint in monitor["spec"]["podMetricsEndpoints"]:
                assert endpoint["path"] == "/metrics"
                if endpoint["port"] in ports:
                    targets.add((pod.owner.split("/")[1], ports[endpoint["port"]]))
    return targets


@pytest.mark.parametrize("folder", OVERLAYS)
def test_every_target_is_scraped(folder: str) -> None:
    expected = {("judge", 8001), ("reward-model", 8002), ("multi-agent", 8003)}
    match folder:
        case "overlays/gpu" | "overlays/autoscale":
            expected |= {("judge", 8000), ("multi-agent", 8000)}
        case "overlays/gpu-shared-llm":
            expected |= {("vllm", 8000)}
    assert scraped(pods(render(folder))) == expected


@pytest.mark.parametrize(("folder", "owner"), [("trainer/job", "train-grpo"), ("trainer/kubeflow", "zhufu-trainer")])
def test_a_training_run_is_scraped(folder: str, owner: str) -> None:
    assert scraped(pods(render(folder))) == {(owner, 9464)}


def test_jobs_are_named_as_the_rules_name_them() -> None:
    """Services by their own label, all others by a name that is set: the rules ask for these jobs."""
    rules = (K8S / "monitoring" / "rules.yaml").read_text(encoding="utf-8")
    monitors = render("monitoring")
    services, vllm, trainer = (named(monitors, "PodMonitor", name)["spec"] for name in ("rewards", "vllm", "trainer"))
    assert services["jobLabel"] == "app.kubernetes.io/name"
    for pod in pods(render("overlays/gpu")):
        if selects(services["selector"], pod.labels):
            assert re.search(rf"[(|]{pod.labels[services['jobLabel']]}[)|]", rules)
    for spec, job in ((vllm, "vllm"), (trainer, "trainer")):
        (endpoint,) = spec["podMetricsEndpoints"]
        assert endpoint["relabelings"] == [{"targetLabel": "job", "replacement": job}]
    assert re.search(r"[(|]vllm[)|]", rules)


def test_the_rules_are_those_of_prometheus(rules: ModuleType) -> None:
    committed = (K8S / "monitoring" / "rules.yaml").read_text(encoding="utf-8")
    assert committed == rules.manifests(ROOT / "monitoring" / "prometheus" / "rules"), "python k8s/monitoring/rules.py"


def test_nothing_is_lost_on_the_way(rules: ModuleType, tmp_path: Path) -> None:
    group = {"name": "g", "rules": [{"alert": "A", "expr": 'up{job="判"} == 0', "for": "5m", "labels": {"x": "y"}}]}
    (tmp_path / "some_rules.yml").write_text(yaml.safe_dump({"groups": [group]}), encoding="utf-8")
    (made,) = yaml.safe_load_all(rules.manifests(tmp_path))
    assert made["spec"] == {"groups": [group]}
    assert made["metadata"]["name"] == "zhufu-some-rules"


def test_a_file_that_holds_something_else_is_refused(rules: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no rules"):
        rules.manifests(tmp_path)
    (tmp_path / "rules.yml").write_text("rule_files: []\n", encoding="utf-8")
    with pytest.raises(ValueError, match="rule_files"):
        rules.manifests(tmp_path)
