"""The demo, much shortened: all its stages run with the shipped reward model, and it does not pass by default."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from tests.support.effort import SLOW
from tests.support.judge import judge_or_agents
from tests.support.llm_server import MODEL, LlmServer
from tests.support.ports import free_base_port, taken_ports
from trainer.data.starter import load_starter
from trainer.demo import DemoJob, DemoResult, run_demo
from trainer.presets import GRPO, SFT

pytestmark = pytest.mark.timeout(600)
"""With ZHUFU_SLOW_TESTS the language model is the local one, which writes and weighs two greetings in minutes."""


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> DemoJob:
    return DemoJob(
        output=tmp_path_factory.mktemp("demo"),
        base_port=free_base_port(),
        sft=dataclasses.replace(SFT["laptop"], epochs=0.005),
        grpo=dataclasses.replace(
            GRPO["laptop"], max_steps=2, prompts_per_step=2, group_size=4, max_completion_tokens=24
        ),
        samples_per_prompt=1,
        shadow_prompts=4,
        agents_prompts=1,
        agents_candidates=2,
    )


@pytest.fixture(scope="module")
def result(job: DemoJob) -> Iterator[DemoResult]:
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        if not SLOW:
            llm = stack.enter_context(LlmServer())
            llm.script(judge_or_agents)
            patch.setenv("ZHUFU_LLM_URL", llm.url)
            patch.setenv("ZHUFU_LLM_MODEL", MODEL)
        yield run_demo(job, Console(quiet=True))


def test_a_policy_that_hardly_learned_breaks_the_bounds(result: DemoResult) -> None:
    assert not result.passed
    ends = next(check for check in result.checks if "end by themselves" in check.name)
    assert not ends.passed, "it has not learned to end"


def test_every_rollout_was_scored_through_the_queue_and_those_of_one_step_judged(
    job: DemoJob, result: DemoResult
) -> None:
    written = json.loads((job.output / "result.json").read_text(encoding="utf-8"))
    rollouts = 2 * 4
    judged = rollouts if SLOW else 2 * rollouts
    assert written["counts"] == {"reward_model/scored": 2 * rollouts, "judge/scored": judged}
    assert written["difference"]["mean"] == result.difference.mean


def test_the_report_shows_checks_plots_and_samples(job: DemoJob, result: DemoResult) -> None:
    page = result.report.read_text(encoding="utf-8")
    for check in result.checks:
        assert check.name in page
    assert page.count("<svg") + page.count("data:image") >= 6
    assert load_starter("train")[0].prompt not in page, "samples are of held-out prompts"
    role = "the stand-in, a shadow that nothing was trained on" if SLOW else "in the sum, weight"
    assert role in page


def test_it_ends_with_what_the_agents_said_and_that_a_stand_in_is_weak(result: DemoResult) -> None:
    page = result.report.read_text(encoding="utf-8")
    for part in ("A preference pair of the agents", "generator, round 0"):
        assert part in page
    assert ("the stand-in, which mostly repeats" in page) == SLOW


def test_nothing_is_left_running(job: DemoJob, result: DemoResult) -> None:
    assert taken_ports(job.base_port) == []


def test_the_reward_model_that_is_shipped_is_small(result: DemoResult) -> None:
    from trainer.checkpoints import starter_reward_model

    folder: Path = starter_reward_model()
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) <= 20_000_000
