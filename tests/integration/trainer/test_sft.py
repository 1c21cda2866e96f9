"""Supervised fine-tuning, with the real trainer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from shared.errors import InvalidData
from tests.integration.trainer.commands import Zhufu
from tests.integration.trainer.paper_files import beginning_of
from tests.integration.trainer.tiny_models import same_weights, small_sft, starter_pairs, tiny_model
from trainer.data.formats import load_examples
from trainer.data.records import Example
from trainer.evaluation.policy import generate
from trainer.models import load_tokenizer
from trainer.presets import LoraPreset, SftPreset
from trainer.runs import Run
from trainer.sft import SftJob, conversations, fitting, logging_steps, train_sft

pytestmark = pytest.mark.usefixtures("one_thread")

EXAMPLES = [Example(pair.prompt, pair.chosen) for pair in starter_pairs(16)]


def train(
    folder: Path, model: Path, preset: SftPreset, console: Console, *, seed: int = 0, save_steps: int = 10
) -> tuple[Run, dict[str, float]]:
    run = Run(folder, command="test", settings={}, resume=False)
    job = SftJob(
        model=str(model), examples=EXAMPLES, evaluation=EXAMPLES[:4], preset=preset, seed=seed, save_steps=save_steps
    )
    return run, train_sft(job, run, console)


def test_the_loss_falls_and_the_model_is_a_folder_like_any_other(tiny: Path, tmp_path: Path, console: Console) -> None:
    run, figures = train(tmp_path / "run", tiny, small_sft(epochs=20, learning_rate=1e-2), console)
    losses = [line["loss"] for line in run.history() if "loss" in line]
    assert losses[-1] < 0.7 * losses[0]
    assert figures["train_loss"] == losses[-1]
    assert figures["eval_loss"] > 0
    assert {path.name for path in run.model_folder.iterdir()} >= {"config.json", "model.safetensors", "tokenizer.json"}
    tokenizer = load_tokenizer(str(run.model_folder))
    assert tokenizer.chat_template == load_tokenizer(str(tiny)).chat_template
    samples = generate(
        str(run.model_folder),
        [EXAMPLES[0].prompt],
        samples_per_prompt=3,
        max_tokens=12,
        temperature=0.7,
        top_p=1.0,
        prompt_prefix="",
        seed=0,
        console=console,
    )
    assert [sample.prompt for sample in samples] == [EXAMPLES[0].prompt] * 3
    assert all(sample.truncated == (sample.tokens == 12) for sample in samples)


def test_only_the_completion_is_learned(tiny: Path) -> None:
    (row,) = conversations([Example("贺新居", "灯火可亲")], "请写：")
    assert row["prompt"] == [{"role": "user", "content": "请写：贺新居"}]
    assert row["completion"] == [{"role": "assistant", "content": "灯火可亲"}]


def test_adapters_are_merged_so_that_nobody_needs_peft(tiny: Path, tmp_path: Path, console: Console) -> None:
    run, _ = train(tmp_path / "run", tiny, small_sft(lora=LoraPreset(rank=4, alpha=8)), console)
    before, after = load_file(tiny / "model.safetensors"), load_file(run.model_folder / "model.safetensors")
    assert before.keys() == after.keys()
    assert not list(run.model_folder.glob("adapter*"))
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed
    assert all("proj" in name for name in changed), "adapters are on the linear layers only"
    AutoModelForCausalLM.from_pretrained(run.model_folder)


@pytest.mark.parametrize("lora", [None, LoraPreset(rank=2, alpha=4)])
def test_the_seed_decides_the_result(tiny: Path, tmp_path: Path, console: Console, lora: LoraPreset | None) -> None:
    preset = small_sft(epochs=1, lora=lora)
    first, _ = train(tmp_path / "first", tiny, preset, console)
    again, _ = train(tmp_path / "again", tiny, preset, console)
    other, _ = train(tmp_path / "other", tiny, preset, console, seed=1)
    assert same_weights(first.model_folder, again.model_folder)
    assert not same_weights(first.model_folder, other.model_folder)


def test_examples_that_do_not_fit_are_left_out_and_not_cut(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokenizer = load_tokenizer(str(tiny))
    longest = Example("贺新居", "灯" * (32 - 3 - 3))  # user, assistant and end are a token each
    too_long = Example("贺新居", longest.completion + "灯")
    preset = small_sft(max_tokens=32)
    assert fitting(tokenizer, [longest, too_long], preset) == conversations([longest], preset.prompt_prefix)
    assert "examples_left_out" in capsys.readouterr().out
    with pytest.raises(InvalidData, match="all 1 are longer than 32 tokens"):
        fitting(tokenizer, [too_long], preset)


@pytest.mark.parametrize(("save_steps", "expected"), [(200, 10), (15, 5), (3, 1), (1, 1), (1_000_000, 10)])
def test_every_checkpoint_is_at_a_logged_step(save_steps: int, expected: int) -> None:
    assert logging_steps(save_steps) == expected


@pytest.mark.parametrize("name", ["sft_data.json", "evaluate_data.public.json", "reward_data_train.json"])
def test_the_paper_files_train_as_they_lie(zhufu: Zhufu, tmp_path: Path, name: str) -> None:
    data = beginning_of(name, tmp_path)
    texts = [text for example in load_examples(data).records for text in (example.prompt, example.completion)]
    model = tiny_model(tmp_path / "model", texts)
    ended = zhufu("train", "sft", "--data", data, "--model", model, "--output", tmp_path / "run", "--epochs", 2)
    assert ended.status == 0, ended.err
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()
    assert (tmp_path / "run" / "report.html").is_file()
    assert str(tmp_path / "run" / "model") in ended.out


def test_a_tiny_model_from_scratch_is_the_default(zhufu: Zhufu, tmp_path: Path) -> None:
    data = tmp_path / "examples.jsonl"
    rows = [{"prompt": example.prompt, "completion": example.completion} for example in EXAMPLES]
    data.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    ended = zhufu(
        "train", "sft", "--data", data, "--eval-data", data, "--output", tmp_path / "run", "--epochs", 1, "--seed", 3
    )
    assert ended.status == 0, ended.err
    assert "eval_loss" in ended.out
    record = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert record["command"] == "train sft"
    assert record["settings"]["seed"] == 3
    assert record["settings"]["preset"]["epochs"] == 1


def test_a_model_from_scratch_knows_the_characters_of_its_vocabulary_too(zhufu: Zhufu, tmp_path: Path) -> None:
    data, later = tmp_path / "examples.jsonl", tmp_path / "pairs.jsonl"
    data.write_text(json.dumps({"prompt": "贺新居", "completion": "灯火可亲"}) + "\n", encoding="utf-8")
    pair = {"prompt": "问候", "chosen": "鲲鹏", "rejected": "饕餮"}
    later.write_text(json.dumps(pair) + "\n", encoding="utf-8")
    ended = zhufu("train", "sft", "--data", data, "--vocabulary", later, "--output", tmp_path / "run", "--epochs", 1)
    assert ended.status == 0, ended.err
    tokenizer = load_tokenizer(str(tmp_path / "run" / "model"))
    assert tokenizer.decode(tokenizer("问候鲲鹏饕餮灯火可亲")["input_ids"]) == "问候鲲鹏饕餮灯火可亲"
