from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.unit.trainer.steps.made import step
from trainer.stack import Stack
from trainer.stack.llm import LocalLlm
from trainer.steps.errors import InvalidPlan
from trainer.steps.parsing import check_command_lines, parsed
from trainer.steps.serving import PlannedAddresses
from trainer.steps.step import Argument, ServedUrl

FOLDER = Path("/runs/one")
ADDRESSES = PlannedAddresses(9100)
GRPO = ("train", "grpo", "--output", "/runs/one/policy", "--data", "starter")
REWARD = ServedUrl(service="judge", queued=True, before="judge=")
ACCELERATE = (sys.executable, "-m", "accelerate.commands.launch")


def check(*arguments: Argument, resume_if: Path | None = None, launcher: Sequence[str] = ()) -> None:
    made = step(FOLDER, "one", resume_if=resume_if, launcher=tuple(launcher))
    check_command_lines([dataclasses.replace(made, arguments=arguments)], ADDRESSES, FOLDER)


def test_a_command_gets_its_options_as_the_real_one_would() -> None:
    command, options = parsed(
        ["train", "grpo", "--output", "x", "--model", "m", "--reward", "j=http://x", "--steps", "7"]
    )
    assert command == ("train", "grpo")
    assert options["steps"] == 7
    assert options["reward"] == ["j=http://x"]
    assert options["preset"] == "laptop", "defaults are there"


def test_what_a_stack_would_serve_stands_in_the_line() -> None:
    check(*GRPO, "--model", "owner/model", "--reward", REWARD)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("trian", "grpo"), "there is no such command"),
        (("train",), "there is no such command"),
        ((*GRPO, "--model", "owner/model"), "Missing option '--reward'"),
        ((*GRPO, "--model", "owner/model", "--reward", REWARD, "--stepps", "3"), "No such option"),
        ((*GRPO, "--model", "owner/model", "--reward", REWARD, "--steps", "three"), "Invalid value for '--steps'"),
        ((*GRPO, "--model", "owner/model", "--reward", REWARD, "--preset", "giant"), "there is no preset giant"),
        ((*GRPO, "--model", "owner/model", "--reward", REWARD, "--weight", "rm=0"), "--weight rm names no --reward"),
        ((*GRPO, "--model", "owner/model", "--reward", "judge"), "write NAME=URL"),
        ((*GRPO, "--model", "no such model", "--reward", REWARD), "neither a folder nor the id of a model on a hub"),
        ((*GRPO, "--model", "a/b", "--reward", REWARD, "--deepspeed", "/none.json"), "/none.json is not there"),
        (("train", "sft", "--output", "/runs/one/sft", "--data", "starter:trian"), "has no such split"),
        (("train", "sft", "--output", "/runs/one/sft", "--data", "/none.json"), "/none.json is not there"),
        (("train", "sft", "--help"), "would only show its help"),
    ],
)
def test_what_the_real_command_would_refuse_is_refused(arguments: Sequence[Argument], says: str) -> None:
    with pytest.raises(InvalidPlan, match=says) as raised:
        check(*arguments)
    assert raised.value.detail.startswith("one: ")


def test_a_step_that_is_to_be_resumed_needs_a_command_that_resumes() -> None:
    split = ("data", "split", "--data", "starter:train", "--output", "/runs/one/split")
    check(*split)
    with pytest.raises(InvalidPlan, match="No such option: --resume"):
        check(*split, resume_if=FOLDER / "run.json")


def test_a_launcher_is_read_by_its_own_parser() -> None:
    line = (*GRPO, "--model", "owner/model", "--reward", REWARD)
    check(*line, launcher=(*ACCELERATE, "--multi_gpu", "--num_processes", "4"))
    with pytest.raises(InvalidPlan, match=r"accelerate launch does not take this: .*invalid int value: 'four'"):
        check(*line, launcher=(*ACCELERATE, "--num_processes", "four"))
    with pytest.raises(InvalidPlan, match="is no launcher that is known here"):
        check(*line, launcher=("mpirun",))


def test_planned_addresses_are_those_of_a_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZHUFU_REDIS_URL", raising=False)
    stack = Stack(reward_checkpoint="none", base_port=9100, llm=LocalLlm())
    assert ADDRESSES.urls == {name: url for name, url in stack.urls.items() if name != "redis"}
    assert ADDRESSES.queue_url("judge") == stack.queue_url("judge")


def test_a_plan_holds_no_password_of_a_redis_that_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHUFU_REDIS_URL", "redis://:secret@queue:6379/0")
    assert ADDRESSES.queue_url("judge") == "redis://queue:6379/0?reward=judge"
