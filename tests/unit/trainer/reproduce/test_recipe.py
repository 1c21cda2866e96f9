from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from shared.errors import InvalidRequest
from tests.support.paper_release import write_release
from trainer.presets import PresetName
from trainer.reproduce.job import ReproduceJob, plan
from trainer.reproduce.plan_table import check_steps
from trainer.reproduce.rows import ROWS
from trainer.stack import GivenLlm, LocalLlm
from trainer.steps.errors import InvalidPlan
from trainer.steps.parsing import check_command_lines
from trainer.steps.serving import PlannedAddresses
from trainer.steps.step import ServedUrl, Step, named

PRESETS: tuple[PresetName, ...] = ("laptop", "paper")
PORT = 9100


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ZHUFU_LLM_URL", "ZHUFU_LLM_MODEL", "ZHUFU_REDIS_URL", "ZHUFU_JUDGE_LLM_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("paper"), rows=4)


def job(release: Path, output: Path, preset: PresetName, until: str | None = None) -> ReproduceJob:
    return ReproduceJob(preset=preset, data=release, output=output, base_port=PORT, until=until)


def steps_of(release: Path, output: Path, preset: PresetName) -> list[Step]:
    return job(release, output, preset).recipe().steps()


def step_of(steps: Sequence[Step], name: str) -> Step:
    found = named(steps, name)
    assert found is not None
    return found


@pytest.mark.parametrize("preset", PRESETS)
def test_every_step_of_both_presets_is_resolved(release: Path, tmp_path: Path, preset: PresetName) -> None:
    output = tmp_path / "run"
    path = plan(job(release, output, preset), Console(quiet=True))
    assert path == output / "plan.json"
    assert [each.name for each in output.iterdir()] == ["plan.json"], "nothing else is begun"
    written = json.loads(path.read_text(encoding="utf-8"))
    names = [step["name"] for step in written["steps"]]
    assert set(names) >= {"audit", "reward-model", "principles", "rewards", "policies"}
    assert [name for name in names if name.endswith("-rl")] == [row.name for row in ROWS if row.reward is not None]
    for step in written["steps"]:
        assert step["command"][0] == "zhufu" or "accelerate.commands.launch" in step["command"]
        assert step["makes"]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_recipe_with_a_hole_is_refused_whichever_step_is_missing(
    release: Path, tmp_path: Path, preset: PresetName
) -> None:
    steps = steps_of(release, tmp_path, preset)
    needed = [step for step in steps if any(set(step.results) & set(other.inputs) for other in steps)]
    assert len(needed) > 8
    for step in needed:
        with pytest.raises(InvalidPlan, match="which no step before it makes"):
            check_steps([other for other in steps if other is not step], tmp_path, PORT)


def test_a_step_whose_command_has_changed_is_refused(release: Path, tmp_path: Path) -> None:
    steps = steps_of(release, tmp_path, "laptop")
    for step in steps:
        broken = dataclasses.replace(step, arguments=(*step.arguments, "--no-such-option", "1"))
        with pytest.raises(InvalidPlan, match=f"{step.name}: .*No such option"):
            check_command_lines([broken], PlannedAddresses(PORT), tmp_path)


@pytest.mark.parametrize("preset", PRESETS)
def test_each_row_climbs_its_reward_and_the_other_looks_on(release: Path, tmp_path: Path, preset: PresetName) -> None:
    steps = steps_of(release, tmp_path, preset)
    for row in ROWS:
        if row.reward is None:
            continue
        step = step_of(steps, row.name)
        rewards = [argument.service for argument in step.arguments if isinstance(argument, ServedUrl)]
        told = step.told()
        climbed, shadow = (told[place + 1] for place, argument in enumerate(told) if argument == "--weight")
        assert rewards[0] == row.reward
        assert climbed.startswith(f"{row.reward}=")
        assert not climbed.endswith("=0")
        assert shadow == f"{rewards[1]}=0"
        assert step.serving is not None
        assert step.serving.reward_checkpoint == tmp_path / "reward-model/model"
        assert step.serving.principles == tmp_path / "principles/principles.yaml"
        started_from = step.arguments[step.arguments.index("--model") + 1]
        assert isinstance(started_from, str)
        begins = {"base": ("base/model", "Qwen/Qwen2.5-7B-Instruct"), "sft": ("sft/model",)}[row.start or ""]
        assert started_from.endswith(begins)


def test_what_is_evaluated_on_is_kept_out_of_all_training(release: Path, tmp_path: Path) -> None:
    steps = steps_of(release, tmp_path, "laptop")
    for name in ("split-pairs", "split-examples"):
        told = step_of(steps, name).told()
        excluded = [told[place + 1] for place, argument in enumerate(told) if argument == "--exclude"]
        assert {Path(path).name for path in excluded} == {"evaluate_data.public.json", "reward_data_test.json"}
    held_out = step_of(steps, "split-held-out").told()
    excluded = [held_out[place + 1] for place, argument in enumerate(held_out) if argument == "--exclude"]
    assert {Path(path).name for path in excluded} == {
        "grpo_train.parquet",
        "sft_data.json",
        "reward_data_train.json",
    }
    trained = [path for step in steps if step.told()[0] == "train" for path in step.reads]
    tested = {"evaluate_data.public.json", "reward_data_test.json", "grpo_test.parquet"}
    assert not tested & {path.name for path in trained}


def test_the_paper_runs_with_an_llm_that_is_named_and_not_with_a_stand_in(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(job(release, tmp_path, "laptop").recipe().llm, LocalLlm)
    unnamed = job(release, tmp_path, "paper").recipe().llm
    assert isinstance(unnamed, GivenLlm)
    monkeypatch.setenv("ZHUFU_LLM_URL", "http://llm:8000/v1")
    assert job(release, tmp_path, "paper").recipe().llm == GivenLlm(url="http://llm:8000/v1")
    assert job(release, tmp_path, "laptop").recipe().llm == GivenLlm(url="http://llm:8000/v1")


def test_a_last_step_can_be_named(release: Path, tmp_path: Path) -> None:
    until = job(release, tmp_path, "laptop", until="reward-model")
    steps = until.recipe().steps()
    assert [step.name for step in until.wanted(steps)][-1] == "reward-model"
    with pytest.raises(InvalidRequest, match="there is no step dance; there are audit, split-pairs"):
        job(release, tmp_path, "laptop", until="dance").wanted(steps)
