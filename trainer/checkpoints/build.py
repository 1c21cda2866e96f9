"""Makes the starter reward model again: ``python -m trainer.checkpoints.build``, about half an hour on two cores.

1. A language model is pretrained for a few epochs on the good greetings of the training split; it becomes the body.
2. Two policies are trained to the end on one half of the training split each, and write completions for the prompts of
   the other half. That is what a policy finds when it is let loose: fluent pieces, put together wrongly. These samples
   join the made-up negatives.
3. The reward model is trained from that body on the pairs and all negatives, calibrated on the validation split, and
   measured on the test split, which nothing here has learned from.
"""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from trainer.checkpoints import starter_reward_model
from trainer.data.records import Example
from trainer.data.starter import load_starter
from trainer.evaluation.policy import generate
from trainer.presets import GRPO, REWARD_MODEL, SFT
from trainer.reward_model import RewardModelJob, train_reward_model
from trainer.runs import Run, write_json
from trainer.sft import TINY, SftJob, train_sft

BODY_EPOCHS = 6
POLICY_EPOCHS = 20
SAMPLES_PER_PROMPT = 4
SEED = 0


def build(work: Path, target: Path, console: Console) -> dict[str, float]:
    """Run all three steps in ``work`` and copy the result to ``target``; returns the validation figures."""
    train = load_starter("train")
    texts = [text for pair in train for text in (pair.prompt, pair.chosen, pair.rejected)]
    examples = [Example(pair.prompt, pair.chosen) for pair in train]

    console.rule("body")
    body = _policy(work / "body", examples, texts, BODY_EPOCHS, console)
    samples: list[tuple[str, str]] = []
    for part in (0, 1):
        console.rule(f"policy {part + 1} of 2")
        policy = _policy(work / f"policy-{part}", examples[part::2], texts, POLICY_EPOCHS, console)
        prompts = [example.prompt for example in examples[1 - part :: 2]]
        for temperature in (GRPO["laptop"].temperature, 1.0):
            written = generate(
                str(policy),
                prompts,
                samples_per_prompt=SAMPLES_PER_PROMPT // 2,
                max_tokens=GRPO["laptop"].max_completion_tokens,
                temperature=temperature,
                top_p=1.0,
                prompt_prefix="",
                seed=SEED,
                console=console,
            )
            samples += [(sample.prompt, sample.completion) for sample in written]

    console.rule("reward model")
    run = Run(work / "reward-model", command="build starter reward model", settings={"seed": SEED}, resume=False)
    job = RewardModelJob(
        model=str(body),
        pairs=[pair.pair for pair in train],
        validation=[pair.pair for pair in load_starter("validation")],
        preset=REWARD_MODEL["laptop"],
        seed=SEED,
        save_steps=10**9,
        samples=samples,
    )
    figures = train_reward_model(job, run, console)
    write_json(run.output / "figures.json", figures)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(run.model_folder, target)
    return figures


def _policy(folder: Path, examples: Sequence[Example], texts: Sequence[str], epochs: float, console: Console) -> Path:
    run = Run(folder, command="build policy", settings={"seed": SEED, "epochs": epochs}, resume=False)
    job = SftJob(
        model=TINY,
        examples=examples,
        evaluation=[],
        preset=dataclasses.replace(SFT["laptop"], epochs=epochs),
        seed=SEED,
        save_steps=10**9,
        tokenizer_texts=texts,
    )
    train_sft(job, run, console)
    return run.model_folder


if __name__ == "__main__":
    figures_of_build = build(Path(sys.argv[1]), starter_reward_model(), Console())
    Console().print(figures_of_build)
