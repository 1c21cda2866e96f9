"""The trainings of `benchmarks.reward_length`: the variants, each trained by the real command and scored once."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from rich.console import Console

from benchmarks.processes import BenchmarkFailed
from services.reward_model.checkpoint import Checkpoint
from shared.ngram_prior import NgramPrior
from shared.reward_format import Calibration
from trainer.calibration import fit_calibration
from trainer.data.formats import load_pairs
from trainer.data.records import PreferencePair
from trainer.length_control import LengthControl, fit_length_correction
from trainer.ngram_prior import fit_ngram_prior, rows_to_weigh, weighed
from trainer.progress_bar import progress_bar
from trainer.run_folder import write_json

Row = tuple[str, str]

LOGITS_FILE = "logits.json"
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
        prior: Whether the n-gram prior is added.
    """

    name: str
    control: LengthControl
    negatives: int
    derived_from: str | None = None
    prior: bool = False

    @property
    def epochs_factor(self) -> float:
        """So many times the epochs, that every variant reads about as many texts."""
        texts = 2 + self.negatives + (MATCHED_TEXTS if self.control is LengthControl.MATCHED else 0.0)
        return TEXTS_PER_PAIR / texts


PLAIN, NEGATIVES, BATCH_NEGATIVES = "plain", "hard negatives", "batch + hard negatives"
DEFAULT = "batch + hard negatives + n-grams"
"""What ``--model e5`` does."""
VARIANTS = (
    Variant(PLAIN, LengthControl.NONE, 0),
    Variant("matched", LengthControl.MATCHED, 0),
    Variant("odin", LengthControl.ODIN, 0),
    Variant("residual", LengthControl.RESIDUAL, 0, PLAIN),
    Variant(NEGATIVES, LengthControl.NONE, HARD_NEGATIVES),
    Variant("matched + hard negatives", LengthControl.MATCHED, HARD_NEGATIVES),
    Variant("odin + hard negatives", LengthControl.ODIN, HARD_NEGATIVES),
    Variant("residual + hard negatives", LengthControl.RESIDUAL, HARD_NEGATIVES, NEGATIVES),
    Variant("hard negatives + n-grams", LengthControl.NONE, HARD_NEGATIVES, NEGATIVES, prior=True),
    Variant(BATCH_NEGATIVES, LengthControl.BATCH, HARD_NEGATIVES),
    Variant(DEFAULT, LengthControl.BATCH, HARD_NEGATIVES, BATCH_NEGATIVES, prior=True),
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
        jobs: Trainings side by side, each with its share of the cores; two at a time on two cores are faster together
            than one after the other.
    """

    folder: Path
    train: Path
    validation: Path
    model: str
    epochs: float
    seeds: Sequence[int]
    jobs: int = 1


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


def all_trained(setup: Setup, variants: Sequence[Variant], console: Console) -> dict[tuple[str, int], Path]:
    """The folder of each variant's run with each seed; all variants have one seed before any has two.

    Raises:
        BenchmarkFailed: A training failed; what it said stands in its ``log.txt``.
    """
    wanted = [(variant, seed) for seed in setup.seeds for variant in variants if variant.derived_from is None]
    threads = max(1, (os.cpu_count() or 1) // setup.jobs)
    with progress_bar(console) as progress, ThreadPoolExecutor(setup.jobs) as pool:
        task = progress.add_task("trainings", total=len(wanted), figures="")
        folders: dict[tuple[str, int], Path] = {}
        runs = [pool.submit(trained, setup, variant, seed, threads) for variant, seed in wanted]
        try:
            for (variant, seed), run in zip(wanted, runs, strict=True):
                folders[(variant.name, seed)] = run.result()
                progress.advance(task)
        except BenchmarkFailed:
            pool.shutdown(cancel_futures=True)
            raise
    return folders


def trained(setup: Setup, variant: Variant, seed: int, threads: int) -> Path:
    """Train unless that is done, and go on with what was begun; returns the folder of the run.

    Raises:
        BenchmarkFailed: The command failed; what it said stands in ``log.txt`` of the folder.
    """
    folder = setup.folder / f"{variant.name.replace(' + ', '-').replace(' ', '-')}-{seed}"
    if (folder / "report.html").is_file():
        return folder
    resume = ["--resume"] if (folder / "run.json").is_file() else []
    begun = time.perf_counter()
    command = [sys.executable, "-m", "trainer.cli", "train", "rm", "--output", str(folder), "--model", setup.model]
    command += ["--data", str(setup.train), "--eval-data", str(setup.validation), "--seed", str(seed), *resume]
    command += ["--length-control", variant.control.value, "--hard-negatives", str(variant.negatives)]
    command += ["--epochs", f"{setup.epochs * variant.epochs_factor:.4f}", "--no-ngram-prior"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    log = setup.folder / f"{folder.name}.log"
    with log.open("ab") as file:
        code = subprocess.run(command, check=False, stdout=file, stderr=subprocess.STDOUT, env=environment).returncode
    if code:
        raise BenchmarkFailed(f"the training of {variant.name} with seed {seed} failed: {log}")
    if not resume:  # a training that was cut short has no time of its own
        write_json(folder / "seconds.json", time.perf_counter() - begun)
    return folder


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """Pairs that no training saw, and what is needed to weigh an n-gram prior on them."""

    pairs: Sequence[PreferencePair]
    made: Sequence[tuple[str, PreferencePair]]
    train: Path

    @property
    def rows(self) -> list[Row]:
        """All that a model is asked for."""
        return rows_to_weigh(self.pairs, self.made)


def all_asked(setup: Setup, runs: Sequence[Path], rows: Sequence[Row], console: Console) -> None:
    """Have the model of each run say what it gives for rows, ``jobs`` models side by side; kept in the run's folder.

    Rows that a run has said before are not asked again.
    """
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // setup.jobs))
    with progress_bar(console) as progress, ThreadPoolExecutor(setup.jobs) as pool:
        task = progress.add_task("scoring", total=len(runs) * len(rows), figures="")

        def ask(run: Path) -> None:
            known = _kept(run)
            missing = [row for row in rows if row not in known]
            progress.advance(task, len(rows) - len(missing))
            if missing:
                checkpoint = Checkpoint(run / "model", run.name, torch.device("cpu"), torch.float32)
                logits = _logits(checkpoint, missing, lambda count: progress.advance(task, count))
                known |= dict(zip(missing, logits, strict=True))
                write_json(run / LOGITS_FILE, [[*row, logit] for row, logit in known.items()])

        try:
            for done in [pool.submit(ask, run) for run in runs]:
                done.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _kept(run: Path) -> dict[Row, float | None]:
    path = run / LOGITS_FILE
    if not path.is_file():
        return {}
    return {(prompt, completion): logit for prompt, completion, logit in json.loads(path.read_text("utf-8"))}


def scored(run: Path, variant: Variant, seed: int, rows: Sequence[Row], validation: Validation) -> Trained:
    """What a variant gives for rows, made of what `all_asked` has kept of its model.

    Args:
        run: Folder of the training.
        variant: For which; what it does with the logits of its model is done here.
        seed: Of the training.
        rows: To be scored.
        validation: For length correction, prior and calibration.

    Raises:
        KeyError: The model was not asked for a row.
    """
    rewards = _rewards(variant, _kept(run), validation)
    good = [reward for pair in validation.pairs if (reward := rewards[(pair.prompt, pair.chosen)]) is not None]
    bad = [reward for pair in validation.pairs if (reward := rewards[(pair.prompt, pair.rejected)]) is not None]
    took = run / "seconds.json"
    return Trained(
        variant=variant.name,
        seed=seed,
        logits=[rewards[row] for row in rows],
        calibration=fit_calibration(good, bad),
        seconds=float(json.loads(took.read_text("utf-8"))) if took.is_file() else None,
    )


def _rewards(variant: Variant, known: Mapping[Row, float | None], validation: Validation) -> dict[Row, float | None]:
    """What a variant makes of the logits of its model."""
    sure = {row: logit for row, logit in known.items() if logit is not None}
    found: dict[Row, float | None] = dict(known)
    if variant.prior:
        prior, _ = weighed(ngram_prior_of(validation.train), validation.pairs, validation.made, sure)
        if prior is None:
            raise BenchmarkFailed(f"{variant.name}: the n-gram prior says nothing")
        found |= {row: logit + prior.at(row[1]) for row, logit in sure.items()}
    elif variant.derived_from is not None:
        chosen = [(pair.prompt, pair.chosen) for pair in validation.pairs]
        rejected = [(pair.prompt, pair.rejected) for pair in validation.pairs]
        labelled = [(row, 1) for row in chosen if row in sure] + [(row, 0) for row in rejected if row in sure]
        line = fit_length_correction(
            [sure[row] for row, _ in labelled], [len(row[1]) for row, _ in labelled], [label for _, label in labelled]
        )
        if line is not None:
            found |= {row: logit - line.at(len(row[1])) for row, logit in sure.items()}
    return found


@functools.cache
def ngram_prior_of(train: Path) -> NgramPrior:
    """The prior of the training pairs, which is the same for all variants and seeds."""
    return fit_ngram_prior(load_pairs(str(train)).records)


def _logits(checkpoint: Checkpoint, rows: Sequence[Row], advance: Callable[[int], None]) -> list[float | None]:
    """None where a text is too long."""
    ids = checkpoint.encode([prompt for prompt, _ in rows], [completion for _, completion in rows])
    fitting = sorted(
        (place for place, tokens in enumerate(ids) if len(tokens) <= checkpoint.format.max_tokens),
        key=lambda place: len(ids[place]),
    )
    found: list[float | None] = [None] * len(rows)
    advance(len(rows) - len(fitting))
    for begin in range(0, len(fitting), BATCH):
        places = fitting[begin : begin + BATCH]
        for place, logit in zip(places, checkpoint.logits([ids[place] for place in places]), strict=True):
            found[place] = logit
        advance(len(places))
    return found
