from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.trainer.steps.made import step
from trainer.steps import needs
from trainer.steps.errors import NeedsMissing
from trainer.steps.needs import check_needs, lacking
from trainer.steps.step import Needs

FOLDER = Path("/runs/one")


def test_all_that_is_missing_is_named_with_who_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZHUFU_LLM_URL", raising=False)
    monkeypatch.setattr(needs, "gpus", lambda: 2)
    asks = step(FOLDER, "asks", needs=Needs(environment=("ZHUFU_LLM_URL",), modules=("no_such_package", "json")))
    trains = step(FOLDER, "trains", needs=Needs(gpus=4, environment=("ZHUFU_LLM_URL",)))
    small = step(FOLDER, "small", needs=Needs(gpus=2))
    assert lacking([asks, trains, small]) == {
        "the Python package no_such_package": ["asks"],
        "the variable ZHUFU_LLM_URL": ["asks", "trains"],
        "4 GPUs": ["trains"],
    }
    with pytest.raises(
        NeedsMissing, match="the variable ZHUFU_LLM_URL \\(for asks, trains\\); 4 GPUs \\(for trains\\)"
    ):
        check_needs([asks, trains])


def test_a_step_that_needs_nothing_looks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody_asks() -> int:
        raise AssertionError("torch is loaded for nothing")

    monkeypatch.setattr(needs, "gpus", nobody_asks)
    check_needs([step(FOLDER, "one")])
