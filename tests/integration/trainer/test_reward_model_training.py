"""Training a reward model, with the real trainer, and serving the result with the real service."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console
from transformers import AutoModelForSequenceClassification

from shared.client import RewardClient
from shared.errors import InvalidData
from shared.ngram_prior import NgramPrior
from shared.reward_format import RewardFormat
from shared.schemas import Rollout, Score
from tests.integration.trainer.commands import Zhufu
from tests.integration.trainer.paper_files import beginning_of
from tests.integration.trainer.scripted_reward import ONE_THREAD
from tests.integration.trainer.tiny_models import same_weights, small_reward_model, starter_pairs, tiny_model
from tests.support.processes import Service, free_port
from trainer.data.formats import load_pairs
from trainer.data.records import PreferencePair
from trainer.length_control import LengthControl
from trainer.models import load_tokenizer
from trainer.presets import LoraPreset, RewardModelPreset
from trainer.reward_groups import encoded_pairs
from trainer.reward_model import RewardModelJob, train_reward_model
from trainer.reward_validation import score_pairs
from trainer.runs import Run

pytestmark = pytest.mark.usefixtures("one_thread")

PAIRS = starter_pairs(48)
EASY = [PreferencePair(pair.prompt, f"{pair.chosen}祝", f"{pair.rejected}福") for pair in PAIRS]
"""The last character tells good from bad."""


def train(
    folder: Path,
    model: Path,
    preset: RewardModelPreset,
    console: Console,
    *,
    seed: int = 0,
    validation: list[PreferencePair] | None = None,
) -> tuple[Run, dict[str, float]]:
    run = Run(folder, command="test", settings={}, resume=False)
    job = RewardModelJob(
        model=str(model),
        pairs=EASY[:32],
        validation=EASY[32:] if validation is None else validation,
        preset=preset,
        seed=seed,
        save_steps=10,
    )
    return run, train_reward_model(job, run, console)


def test_it_learns_to_tell_good_from_bad_and_says_how_sure_it_is(tiny: Path, tmp_path: Path, console: Console) -> None:
    preset = small_reward_model(epochs=25, learning_rate=1e-2)
    run, figures = train(tmp_path / "run", tiny, preset, console)
    assert figures["validation_accuracy"] > 0.9
    form = RewardFormat.read(run.model_folder)
    assert form is not None
    assert (form.encoding, form.max_tokens) == ("chat", preset.max_tokens)
    assert form.calibration is not None
    assert form.calibration.scale > 0
    assert form.length_correction is None
    assert form.training["pairs"] == form.training["compared"] == 32
    assert form.training["validation_accuracy"] == figures["validation_accuracy"]
    assert {"accuracy", "loss"} <= {name for line in run.history() for name in line}
    assert "eval_accuracy" in {name for line in run.history() for name in line}


def test_hard_negatives_join_the_pairs_and_are_counted(tiny: Path, tmp_path: Path, console: Console) -> None:
    run, _ = train(tmp_path / "run", tiny, small_reward_model(epochs=1, hard_negatives=2), console)
    form = RewardFormat.read(run.model_folder)
    assert form is not None
    made = form.training["hard_negatives"]
    assert isinstance(made, dict)
    counts = [count for count in made.values() if isinstance(count, int)]
    assert sum(counts) == 64


@pytest.mark.parametrize("control", [LengthControl.BATCH, LengthControl.MATCHED, LengthControl.ODIN])
def test_with_length_held_in_check_it_still_learns_and_leaves_one_label(
    tiny: Path, tmp_path: Path, console: Console, control: LengthControl
) -> None:
    preset = small_reward_model(epochs=25, learning_rate=1e-2, length_control=control, group_size=2)
    run, figures = train(tmp_path / "run", tiny, preset, console)
    assert figures["validation_accuracy"] > 0.9
    form = RewardFormat.read(run.model_folder)
    assert form is not None
    assert form.training["length_control"] == control.value
    assert json.loads((run.model_folder / "config.json").read_text(encoding="utf-8"))["id2label"].keys() == {"0"}
    assert AutoModelForSequenceClassification.from_pretrained(run.model_folder).config.num_labels == 1


def test_adapters_with_a_second_head_leave_one_label_too(tiny: Path, tmp_path: Path, console: Console) -> None:
    preset = small_reward_model(epochs=1, length_control=LengthControl.ODIN, lora=LoraPreset(rank=2, alpha=4))
    run, _ = train(tmp_path / "run", tiny, preset, console)
    assert AutoModelForSequenceClassification.from_pretrained(run.model_folder).config.num_labels == 1


async def test_what_length_adds_is_regressed_out_and_the_service_subtracts_it(
    tiny: Path, tmp_path: Path, console: Console
) -> None:
    longer = [dataclasses.replace(pair, chosen=pair.chosen + "，祝你好" * 4) for pair in EASY]
    preset = small_reward_model(epochs=2, learning_rate=1e-2, length_control=LengthControl.RESIDUAL)
    run, _ = train(tmp_path / "run", tiny, preset, console, validation=longer)
    form = RewardFormat.read(run.model_folder)
    assert form is not None
    line = form.length_correction
    assert line is not None
    tokenizer = load_tokenizer(str(run.model_folder))
    model = AutoModelForSequenceClassification.from_pretrained(run.model_folder)
    logits, _ = score_pairs(model, tokenizer, form.encoding, longer)
    scores = await served_scores(run.model_folder, tmp_path, longer)
    for pair, logit, score in zip(longer, logits, scores, strict=True):
        assert score.components["uncorrected"] == pytest.approx(logit, abs=1e-4)
        assert score.reward == pytest.approx(logit - line.at(len(pair.chosen)), abs=1e-4)
    assert max(abs(height) for height in line.logits) > 0.01


async def test_what_the_characters_say_is_weighed_added_by_the_service_and_told_apart(
    tiny: Path, tmp_path: Path, console: Console
) -> None:
    preset = small_reward_model(epochs=25, learning_rate=1e-2, ngram_prior=True)
    run, figures = train(tmp_path / "run", tiny, preset, console)
    form, prior = RewardFormat.read(run.model_folder), NgramPrior.read(run.model_folder)
    assert form is not None
    assert prior is not None
    assert form.ngram_prior
    assert form.training["ngram_ratio"] == figures["ngram_ratio"] > 0
    logits, _ = score_pairs(
        AutoModelForSequenceClassification.from_pretrained(run.model_folder),
        load_tokenizer(str(run.model_folder)),
        form.encoding,
        EASY,
    )
    for pair, logit, score in zip(EASY, logits, await served_scores(run.model_folder, tmp_path, EASY), strict=True):
        assert score.components["encoder"] == pytest.approx(logit, abs=1e-4)
        assert score.components["ngrams"] == pytest.approx(prior.at(pair.chosen))
        assert score.reward == pytest.approx(logit + prior.at(pair.chosen), abs=1e-4)


def test_without_validation_pairs_there_is_no_calibration_and_no_accuracy(
    tiny: Path, tmp_path: Path, console: Console
) -> None:
    run, figures = train(tmp_path / "run", tiny, small_reward_model(epochs=1), console, validation=[])
    assert figures == {}
    form = RewardFormat.read(run.model_folder)
    assert form is not None
    assert form.calibration is None


@pytest.mark.parametrize("lora", [None, LoraPreset(rank=2, alpha=4)])
def test_the_seed_decides_the_result(tiny: Path, tmp_path: Path, console: Console, lora: LoraPreset | None) -> None:
    preset = small_reward_model(epochs=1, hard_negatives=1, lora=lora)
    first, _ = train(tmp_path / "first", tiny, preset, console)
    torch.rand(7)  # whatever was random before must not matter
    again, _ = train(tmp_path / "again", tiny, preset, console)
    other, _ = train(tmp_path / "other", tiny, preset, console, seed=1)
    assert same_weights(first.model_folder, again.model_folder)
    assert not same_weights(first.model_folder, other.model_folder)


def test_a_few_pairs_that_are_too_long_are_left_out_and_many_are_an_error(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokenizer = load_tokenizer(str(tiny))
    long = PreferencePair("贺新居", "灯" * 300, "火")
    many = starter_pairs(100)
    encoded = encoded_pairs(tokenizer, "chat", [*many, long], 256)
    assert encoded.pairs == many
    assert len(encoded.groups) == 100
    assert "pairs_left_out" in capsys.readouterr().out
    with pytest.raises(InvalidData, match="2 of 102 are longer than 256 tokens"):
        encoded_pairs(tokenizer, "chat", [*many, long, dataclasses.replace(long, prompt="贺新婚")], 256)


def test_scores_do_not_depend_on_what_they_are_computed_with(tiny: Path, tmp_path: Path, console: Console) -> None:
    run, _ = train(tmp_path / "run", tiny, small_reward_model(epochs=1), console)
    tokenizer = load_tokenizer(str(run.model_folder))
    model = AutoModelForSequenceClassification.from_pretrained(run.model_folder)
    together = score_pairs(model, tokenizer, "chat", EASY)
    alone = [score_pairs(model, tokenizer, "chat", [pair]) for pair in EASY]
    assert together[0] == pytest.approx([good for (good,), _ in alone], abs=1e-5)
    assert together[1] == pytest.approx([bad for _, (bad,) in alone], abs=1e-5)


async def served_scores(checkpoint: Path, folder: Path, pairs: list[PreferencePair]) -> list[Score]:
    """The scores of all chosen completions from the real service."""
    environment = {**ONE_THREAD, "ZHUFU_REWARD_MODEL_CHECKPOINT": str(checkpoint), "ZHUFU_LOG_FORMAT": "json"}
    command = [sys.executable, "-m", "services.reward_model.app"]
    service = Service(command, folder / "service.log", environment, free_port())
    try:
        service.wait_until()
        rollouts = [Rollout(id=str(n), prompt=pair.prompt, completion=pair.chosen) for n, pair in enumerate(pairs)]
        async with RewardClient.from_url(service.url, timeout_seconds=60) as client:
            return await client.score(rollouts)
    finally:
        service.end()


async def test_a_reward_model_with_adapters_is_merged_and_the_service_serves_it(
    zhufu: Zhufu, tiny: Path, tmp_path: Path
) -> None:
    files = {}
    for name, pairs in (("train", EASY[:32]), ("validation", EASY[32:])):
        files[name] = tmp_path / f"{name}.json"
        files[name].write_text(json.dumps([dataclasses.asdict(pair) for pair in pairs]), encoding="utf-8")
    output = tmp_path / "run"
    ended = zhufu(
        *("train", "rm", "--data", files["train"], "--eval-data", files["validation"], "--model", tiny),
        *("--output", output, "--lora-rank", 4, "--epochs", 8, "--learning-rate", 0.03, "--hard-negatives", 0),
    )
    assert ended.status == 0, ended.err
    assert "validation_accuracy" in ended.out
    folder = output / "model"
    assert not list(folder.glob("adapter*"))
    assert json.loads((folder / "config.json").read_text())["architectures"] == ["Qwen3ForSequenceClassification"]

    scores = await served_scores(folder, tmp_path, EASY[32:])
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    chosen, rejected = score_pairs(model, load_tokenizer(str(folder)), "chat", EASY[32:])
    assert [score.reward for score in scores] == pytest.approx(chosen, abs=1e-4)
    form = RewardFormat.read(folder)
    assert form is not None
    wins = sum(good > bad for good, bad in zip(chosen, rejected, strict=True))
    assert form.training["validation_accuracy"] == wins / len(chosen)
    if form.calibration is not None:
        assert all(0 < score.components["probability"] < 1 for score in scores)


@pytest.mark.parametrize("name", ["reward_data_train.json", "reward_data_test.json"])
def test_the_paper_files_train_as_they_lie(zhufu: Zhufu, tmp_path: Path, name: str) -> None:
    data = beginning_of(name, tmp_path)
    texts = [text for pair in load_pairs(data).records for text in (pair.prompt, pair.chosen, pair.rejected)]
    model = tiny_model(tmp_path / "model", texts)
    ended = zhufu(
        *("train", "rm", "--data", data, "--eval-data", data, "--model", model, "--output", tmp_path / "run"),
        *("--epochs", 1, "--hard-negatives", 1),
    )
    assert ended.status == 0, ended.err
    assert RewardFormat.read(tmp_path / "run" / "model") is not None
    assert (tmp_path / "run" / "report.html").is_file()
