from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from rich.console import Console

from benchmarks.reward_length_runs import (
    TEXTS_PER_PAIR,
    VARIANTS,
    Row,
    Setup,
    Validation,
    Variant,
    all_asked,
    scored,
)
from services.reward_model.checkpoint import Checkpoint
from shared.ngram_prior import NgramPrior
from tests.support.checkpoints import random_checkpoint
from trainer.data.records import PreferencePair
from trainer.length_control import LengthControl
from trainer.ngram_prior import made_up

PAIRS = [
    PreferencePair(
        f"祝福语{number}", "愿你" + "山川湖海"[number % 4] * (3 + number % 5), "祝你" + "天地" * (1 + number % 4)
    )
    for number in range(24)
]


@pytest.fixture
def validation(tmp_path: Path) -> Validation:
    path = tmp_path / "train.jsonl"
    lines = [{"prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected} for pair in PAIRS]
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
    return Validation(pairs=PAIRS, made=made_up(PAIRS, seed=0), train=path)


def kept(folder: Path, validation: Validation) -> dict[Row, float]:
    """Logits that count characters, and a little the request, as a run keeps them."""
    logits = {row: len(row[1]) / 10 + 0.3 * (row in validation.rows[: len(PAIRS)]) for row in validation.rows}
    (folder / "logits.json").write_text(json.dumps([[*row, logit] for row, logit in logits.items()]), encoding="utf-8")
    return logits


def test_every_variant_reads_as_many_texts_and_those_that_are_derived_have_a_source() -> None:
    trained = {variant.name: variant for variant in VARIANTS if variant.derived_from is None}
    for variant in VARIANTS:
        assert variant.derived_from is None or variant.derived_from in trained
    for variant in trained.values():
        more = 0.8 if variant.control is LengthControl.MATCHED else 0
        assert variant.epochs_factor * (2 + variant.negatives + more) == pytest.approx(TEXTS_PER_PAIR)


def test_a_variant_of_its_own_gives_the_logits_of_its_model(tmp_path: Path, validation: Validation) -> None:
    logits = kept(tmp_path, validation)
    variant = Variant("plain", LengthControl.NONE, 0)
    result = scored(tmp_path, variant, 0, validation.rows, validation)
    assert result.logits == [logits[row] for row in validation.rows]
    assert result.calibration is not None
    assert result.seconds is None


def test_the_residual_has_no_length_left(tmp_path: Path, validation: Validation) -> None:
    kept(tmp_path, validation)
    variant = Variant("residual", LengthControl.RESIDUAL, 0, "plain")
    result = scored(tmp_path, variant, 0, validation.rows, validation)
    good = [logit for logit in result.logits[: len(PAIRS)] if logit is not None]
    assert max(good) - min(good) < 0.05


def test_the_prior_adds_the_same_to_every_request(tmp_path: Path, validation: Validation) -> None:
    logits = kept(tmp_path, validation)
    variant = Variant("with n-grams", LengthControl.NONE, 0, "plain", prior=True)
    result = scored(tmp_path, variant, 0, validation.rows, validation)
    added = {
        row: logit - logits[row] for row, logit in zip(validation.rows, result.logits, strict=True) if logit is not None
    }
    by_text: dict[str, set[float]] = {}
    for (_, text), value in added.items():
        by_text.setdefault(text, set()).add(round(value, 6))
    assert all(len(values) == 1 for values in by_text.values())
    assert added[(PAIRS[0].prompt, PAIRS[0].chosen)] > added[(PAIRS[0].prompt, PAIRS[0].rejected)]
    assert NgramPrior.read(tmp_path) is None


def test_models_are_asked_once_for_each_row_and_what_is_too_long_has_no_logit(tmp_path: Path) -> None:
    rows = [("给外婆的祝福", "愿您" * length) for length in (1, 20, 3, 7)] + [("给外婆的祝福", "愿" * 600)]
    runs = [tmp_path / "one", tmp_path / "other"]
    for seed, run in enumerate(runs):
        random_checkpoint(run / "model", seed=seed, texts=["给外婆的祝福愿您"])
    setup = Setup(folder=tmp_path, train=tmp_path, validation=tmp_path, model="any", epochs=1, seeds=[0], jobs=2)
    threads = torch.get_num_threads()
    try:
        all_asked(setup, runs, rows[:2], Console(quiet=True))
        before = [json.loads((run / "logits.json").read_text("utf-8")) for run in runs]
        (runs[0] / "model" / "model.safetensors").rename(tmp_path / "away")
        all_asked(setup, [runs[0]], rows[:2], Console(quiet=True))  # has all it needs without the model
        (tmp_path / "away").rename(runs[0] / "model" / "model.safetensors")
        all_asked(setup, runs, rows, Console(quiet=True))
    finally:
        torch.set_num_threads(threads)
    for run, known in zip(runs, before, strict=True):
        found = json.loads((run / "logits.json").read_text("utf-8"))
        assert found[:2] == known
        assert [(prompt, completion) for prompt, completion, _ in found] == rows
        checkpoint = Checkpoint(run / "model", "any", torch.device("cpu"), torch.float32)
        alone = [checkpoint.logits(checkpoint.encode([prompt], [completion]))[0] for prompt, completion in rows[:4]]
        assert [logit for _, _, logit in found[:4]] == pytest.approx(alone, abs=1e-5)
        assert found[4][2] is None
    assert before[0] != before[1]
