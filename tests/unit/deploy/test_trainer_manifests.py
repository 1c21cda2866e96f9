"""The trainer's Job and TrainJob run a command line that ``zhufu`` takes, on the GPUs that they ask for."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.manifests import K8S, Manifest, config_maps, environment, named, pods, render
from tests.support.processes import ROOT
from trainer.checkpoints import starter_reward_model
from trainer.rewards import parse_rewards
from trainer.steps.parsing import check_launcher, parsed

FOLDERS = ("trainer/job", "trainer/kubeflow")
SCRIPT = K8S / "trainer" / "base" / "train-grpo.sh"
SECRETS = {("zhufu-redis", "url"): "redis://:secret@redis:6379/0"}
PRINT_ARGUMENTS = "import json, sys; print(json.dumps(sys.argv))"


def container(folder: str) -> Manifest:
    (pod,) = pods(render(folder))
    (found,) = pod.spec["containers"]
    return found  # type: ignore[no-any-return]


def command_line(folder: str, run: Path) -> list[str]:
    """What the script would start, said by the script itself."""
    told = environment(container(folder), render(folder), SECRETS) | {"RUN": str(run)}
    done = subprocess.run(
        ["sh", str(SCRIPT), sys.executable, "-c", PRINT_ARGUMENTS],
        env={"PATH": os.environ["PATH"], **told},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    arguments: list[str] = json.loads(done.stdout)
    assert arguments[:3] == ["-c", "-m", "trainer.cli"]
    return arguments[3:]


@pytest.mark.parametrize("folder", FOLDERS)
def test_zhufu_takes_the_command_line(folder: str, tmp_path: Path) -> None:
    command, options = parsed(command_line(folder, tmp_path))
    assert command == ("train", "grpo")
    assert options["resume"] is False
    assert options["preset"] == "paper"
    assert options["metrics_port"] == container(folder)["ports"][0]["containerPort"]
    assert options["metrics_host"] == "0.0.0.0"
    specs = parse_rewards(list(options["reward"]), list(options["weight"]))
    assert {spec.name: spec.weight for spec in specs} == {"judge": 1.0, "reward_model": 0.0}
    assert all(url.startswith("judge=redis://") or "reward=reward_model" in url for url in options["reward"])


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_pod_that_follows_another_resumes_its_run(folder: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}", encoding="utf-8")
    _, options = parsed(command_line(folder, tmp_path))
    assert options["resume"] is True


def test_accelerate_takes_the_launcher_of_the_job_and_starts_a_process_a_gpu() -> None:
    job = container("trainer/job")
    assert job["command"][-1] == "/etc/train-grpo/train-grpo.sh"
    launcher = job["args"]
    assert launcher[0] == "python"
    check_launcher([sys.executable, *launcher[1:]])
    assert f"--num_processes={job['resources']['limits']['nvidia.com/gpu']}" in launcher


def test_the_train_job_runs_on_its_runtime_with_a_process_a_gpu() -> None:
    manifests = render("trainer/kubeflow")
    train_job = named(manifests, "TrainJob", "train-grpo")["spec"]
    reference = train_job["runtimeRef"]
    runtime = named(manifests, reference["kind"], reference["name"])
    assert runtime["apiVersion"].split("/")[0] == reference["apiGroup"]
    assert (
        str(train_job["trainer"]["numProcPerNode"])
        == train_job["trainer"]["resourcesPerNode"]["limits"]["nvidia.com/gpu"]
    )
    assert train_job["trainer"]["numNodes"] > 1
    (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    labels = job["template"]["metadata"]["labels"]
    assert labels == {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}, "else Kubeflow finds nothing to train"
    assert job["name"] == "node"
    assert container("trainer/kubeflow")["name"] == "node"
    assert container("trainer/kubeflow")["args"] == ["python", "-m", "torch.distributed.run"]


def test_both_ways_differ_in_nothing_but_the_launcher() -> None:
    def rest(folder: str) -> dict[str, Any]:
        (pod,) = pods(render(folder))
        (found,) = pod.spec["containers"]
        outside = {key: value for key, value in pod.spec.items() if key != "containers"}
        return {**outside, **{key: found[key] for key in found if key not in {"name", "args", "resources"}}}

    assert rest("trainer/job") == rest("trainer/kubeflow")


def test_the_deepspeed_configuration_is_the_one_of_the_paper_preset() -> None:
    own = json.loads(config_maps(render("trainer/job"))["train-grpo-files"]["zero3.json"])
    assert own == json.loads((ROOT / "trainer" / "reproduce" / "zero3.json").read_text(encoding="utf-8"))


def test_two_pods_never_write_one_run() -> None:
    job = named(render("trainer/job"), "Job", "train-grpo")["spec"]
    assert job["podReplacementPolicy"] == "Failed"
    assert job.get("parallelism", 1) == 1
    assert job["template"]["spec"]["restartPolicy"] == "Never"


@pytest.fixture
def fetch() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fetch_models", K8S / "models" / "fetch.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reward_model_is_put_where_the_overlay_reads_it(fetch: ModuleType, tmp_path: Path) -> None:
    folder = fetch.place_reward_model(tmp_path)
    placed = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert placed == {path.name: path.read_bytes() for path in starter_reward_model().iterdir()}
    (data,) = [data for name, data in config_maps(render("overlays/gpu")).items() if name.startswith("reward-model-")]
    assert data["ZHUFU_REWARD_MODEL_CHECKPOINT"] == f"/models/{folder.relative_to(tmp_path)}"
    assert data["ZHUFU_REWARD_MODEL_CHECKPOINTS_DIR"] == f"/models/{folder.parent.relative_to(tmp_path)}"


def test_what_is_on_the_volume_is_left_alone(fetch: ModuleType, tmp_path: Path) -> None:
    own = tmp_path / "rewards" / "default"
    own.mkdir(parents=True)
    llm = tmp_path / "org" / "model"
    llm.mkdir(parents=True)
    assert fetch.place_reward_model(tmp_path) == own
    assert list(own.iterdir()) == []
    assert fetch.fetch_llm(tmp_path, "org/model", "main") == llm, "nothing is asked of the hub"
