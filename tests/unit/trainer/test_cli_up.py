"""``zhufu up``: what it makes of its options before anything is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import pytest
from typer.testing import CliRunner

import trainer.stack
from trainer.cli import app
from trainer.stack import GivenLlm, LocalLlm


class NoStack:
    """Takes what the command gives a stack, and starts nothing."""

    given: dict[str, Any]

    def __init__(self, **given: Any) -> None:
        type(self).given = given

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def print_summary(self) -> None:
        pass

    def run_until_interrupted(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer.stack, "Stack", NoStack)
    for name in ("ZHUFU_LLM_URL", "ZHUFU_JUDGE_LLM_URL"):
        monkeypatch.delenv(name, raising=False)


def llm_of(*options: str) -> Any:
    ended = CliRunner().invoke(app, ["up", "--reward-checkpoint", "none", *options])
    assert ended.exit_code == 0, ended.output
    return NoStack.given["llm"]


def test_the_judge_asks_the_local_gemma_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert llm_of() == LocalLlm()
    assert llm_of("--no-judge") is None
    monkeypatch.setenv("ZHUFU_LLM_URL", "http://127.0.0.1:9000/v1")
    assert llm_of() == GivenLlm(url="http://127.0.0.1:9000/v1")
    assert llm_of("--llm-api", "completions") == GivenLlm(url="http://127.0.0.1:9000/v1", api="completions")


def test_the_agents_are_there_unless_told_otherwise() -> None:
    llm_of()
    assert NoStack.given["agents"] is True
    llm_of("--no-agents")
    assert NoStack.given["agents"] is False


def test_another_model_is_served_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = tmp_path.resolve() / "qwen.gguf"
    assert llm_of("--llm-model", "qwen.gguf") == LocalLlm(model=model)
    assert llm_of("--llm-model", "qwen.gguf", "--llm-api", "chat") == LocalLlm(model=model, api="chat")


@pytest.mark.parametrize(
    "options",
    [["--llm-api", "talk"], ["--no-judge", "--llm-model", "qwen.gguf"], ["--no-judge", "--llm-api", "chat"]],
)
def test_options_that_do_not_fit_are_refused(options: list[str]) -> None:
    assert CliRunner().invoke(app, ["up", "--reward-checkpoint", "none", *options]).exit_code == 2
