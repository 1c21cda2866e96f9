"""The trainings of `benchmarks.reward_length`: the variants, each trained by the real command and scored once."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

from benchmarks.processes import BenchmarkFailed
from services.reward_model.checkpoint import Checkpoint
from shared.reward_format import Calibration
from trainer.calibration import fit_calibration
from trainer.length_control import LengthControl, fit_length_correction
from trainer.progress_bar import progress_bar
from trainer.run_folder import write_json

Row = tuple[str, str]

BATCH = 32
HARD_NEGATIVES = 2
TEXTS_PER_PAIR = 4.0
"""Of the training that the others are measured by: a good text, its bad one, two hard negatives."""
MATCHED_TEXTS = 0.8
"""Worse texts that matching leaves for each good one, beyond the first."""


@dataclasses.dataclass(frozen=True, slots=True)
class Variant:
    """One way to train.

    Attributes:
        name: In the table.
        control: What is done about length.
        negatives: Hard negatives for each pair.
        derived_from: The variant whose model it is, where only what is done with the logits differs.
    """

    name: str
    control: LengthControl
    negatives: int
    derived_from: str | None = None

    @property
    def epochs_factor(self) -> float:
        """So many times the epochs, that every variant reads about as many texts."""
        texts = 2 + self.negatives + (MATCHED_TEXTS if self.control is LengthControl.MATCHED else 0.0)
        return TEXTS_PER_PAIR / texts


PLAIN, NEGATIVES = "plain", "hard negatives"
VARIANTS = (
    Variant(PLAIN, LengthControl.NONE, 0),
    Variant("matched", LengthControl.MATCHED, 0),
    Variant("odin", LengthControl.ODIN, 0),
    Variant("residual", LengthControl.RESIDUAL, 0, PLAIN),
    Variant(NEGATIVES, LengthControl.NONE, HARD_NEGATIVES),
    Variant("matched + hard negatives", LengthControl.MATCHED, HARD_NEGATIVES),
    Variant("odin + hard negatives", LengthControl.ODIN, HARD_NEGATIVES),
    Variant("residual + hard negatives", LengthControl.RESIDUAL, HARD_NEGATIVES, NEGATIVES),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is alike for all trainings.

    Attributes:
        folder: Of all of them.
        train: Preference pairs to train on; leaks nothing of what is measured.
        validation: Preference pairs for calibration and length correction.
        model: As ``zhufu train rm --model`` takes it.
        epochs: Of a variant with `HARD_NEGATIVES`; the others read as many texts.
        seeds: One training each.
    """

    folder: Path
    train: Path
    validation: Path
    model: str
    epochs: float
    seeds: Sequence[int]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A training that is done.

    Attributes:
        variant: Which.
        seed: Which.
        logits: Of the rows asked for, in order; None where a text is too long.
        calibration: Fitted on the validation rows; None where there can be none.
        seconds: Of the training; None where it was cut short and gone on with.
    """

    variant: str
    seed: int
    logits: Sequence[float | None]
    calibration: Calibration | None
    seconds: float | None


def trained(setup: Setup, variant: Variant, seed: int, console: Console) -> Path:
    """Train unless that is done, and go on with what was begun; returns the folder of the run.

    Raises:
        BenchmarkFailed: The command failed; what it said stands above.
    """
    folder = setup.folder / f"{variant.name.replace(' + ', '-').replace(' ', '-')}-{seed}"
    if (folder / "report.html").is_file():
        return folder
    console.rule(f"{variant.name}, seed {seed}")
    resume = ["--resume"] if (folder / "run.json").is_file() else []
    begun = time.perf_counter()
    command = [sys.executable, "-m", "trainer.cli", "train", "rm", "--output", str(folder), "--model", setup.model]
    command += ["--data", str(setup.train), "--eval-data", str(setup.validation), "--seed", str(seed), *resume]
    command += ["--length-control", variant.control.value, "--hard-negatives", str(variant.negatives)]
    command += ["--epochs", f"{setup.epochs * variant.epochs_factor:.4f}"]
    if subprocess.run(command, check=False).returncode:
        raise BenchmarkFailed(f"the training of {variant.name} with seed {seed} failed")
    if not resume:  # a training that was cut short has no time of its own
        write_json(folder / "seconds.json", time.perf_counter() - begun)
    return folder


def scored(
    run: Path, variant: Variant, seed: int, rows: Sequence[Row], validation: Sequence[tuple[Row, int]], console: Console
) -> Trained:
    """What the model of a run gives for rows; kept, so that it is computed once.

    Args:
        run: Folder of the training.
        variant: For which; its length correction is fitted here where it has one.
        seed: Of the training.
        rows: To be scored.
        validation: Rows with labels, for the length correction.
        console: For the progress.
    """
    checkpoint = Checkpoint(run / "model", run.name, torch.device("cpu"), torch.float32)
    kept = run / "logits.json"
    texts = list(dict.fromkeys([*rows, *(row for row, _ in validation)]))
    known: dict[Row, float | None] = {}
    if kept.is_file():
        known = {(one, two): logit for one, two, logit in json.loads(kept.read_text("utf-8"))}
    if missing := [text for text in texts if text not in known]:
        known |= dict(zip(missing, _logits(checkpoint, missing, console, run.name), strict=True))
        write_json(kept, [[*text, logit] for text, logit in known.items()])
    line = None
    if variant.derived_from is not None:
        sure = [(logit, row, label) for row, label in validation if (logit := known[row]) is not None]
        line = fit_length_correction(
            [logit for logit, _, _ in sure], [len(row[1]) for _, row, _ in sure], [label for _, _, label in sure]
        )

    def corrected(row: Row) -> float | None:
        logit = known[row]
        return logit if logit is None or line is None else logit - line.at(len(row[1]))

    found = [(corrected(row), label) for row, label in validation]
    good, bad = ([logit for logit, label in found if label == which and logit is not None] for which in (1, 0))
    took = run / "seconds.json"
    return Trained(
        variant=variant.name,
        seed=seed,
        logits=[corrected(row) for row in rows],
        calibration=fit_calibration(good, bad),
        seconds=float(json.loads(took.read_text("utf-8"))) if took.is_file() else None,
    )


def _logits(checkpoint: Checkpoint, texts: Sequence[Row], console: Console, title: str) -> list[float | None]:
    ids = checkpoint.encode([prompt for prompt, _ in texts], [completion for _, completion in texts])
    fitting = sorted(
        (place for place, tokens in enumerate(ids) if len(tokens) <= checkpoint.format.max_tokens),
        key=lambda place: len(ids[place]),
    )
    found: list[float | None] = [None] * len(texts)
    with progress_bar(console) as progress:
        task = progress.add_task(f"scoring {title}", total=len(fitting), figures="")
        for begin in range(0, len(fitting), BATCH):
            places = fitting[begin : begin + BATCH]
            for place, logit in zip(places, checkpoint.logits([ids[place] for place in places]), strict=True):
                found[place] = logit
            progress.advance(task, len(places))
    return found
