"""What each way of keeping length out of a reward model is worth: trained alike, measured alike, with seeds.

python -m benchmarks.reward_length --paper FOLDER --output runs/reward-length

FOLDER holds the paper's files. The training pairs share neither a text, exactly or nearly, nor a prompt with what is
measured on: the public evaluation half and the test pairs. Every variant reads about as many texts. Given again, the
command goes on where it was; each training takes a quarter of an hour on two quiet cores, and two side by side
(--jobs 2) take less than twice that.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import math
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.processes import BenchmarkFailed
from benchmarks.reward_length_runs import (
    DEFAULT,
    VARIANTS,
    Row,
    Setup,
    Trained,
    Validation,
    Variant,
    all_asked,
    all_trained,
    scored,
)
from benchmarks.tables import Section
from shared.reward_format import Calibration
from trainer.data.folding import folded_text
from trainer.data.formats import load_pairs
from trainer.data.labelled import Labelled, load_labelled
from trainer.evaluation.auc import ranked_near_pairs
from trainer.evaluation.probes.outcome import Outcome
from trainer.evaluation.probes.plan import ProbePlan, plan_probes
from trainer.evaluation.probes.results import measure_probes
from trainer.evaluation.rewards.baselines import LENGTH_RULE, NGRAMS, baseline_columns
from trainer.evaluation.rewards.column import Column
from trainer.evaluation.rewards.material import Material, Sources, load_material
from trainer.evaluation.rewards.measuring import Measure, Measured, measure, population_of
from trainer.evaluation.rewards.resampling import Estimate
from trainer.ngram_prior import made_up
from trainer.presets import REWARD_MODEL_E5

MEASURES = (Measure.STRATIFIED_AUC, Measure.CLOSE_PAIRS, Measure.AUC, Measure.ACCURACY)
ORACLE = "is chosen in the paper's pairs"
BASELINES = (LENGTH_RULE, NGRAMS, ORACLE)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is measured on.

    Attributes:
        material: Labelled rows and pairs.
        test: The texts of the test pairs, as labelled rows.
        agreed: The labelled rows without those on which label and pairs are not of one mind; see `oracle`.
        plan: Of the probes.
        validation: Pairs for calibration, length correction and n-gram prior.
        chosen: Folded texts that are the better one of any of the paper's pairs, also of those that leak.
    """

    material: Material
    test: Material
    agreed: Material
    plan: ProbePlan
    validation: Validation
    chosen: frozenset[str]

    @property
    def rows(self) -> list[Row]:
        """All that a model is asked for."""
        return [*self.material.texts, *self.test.texts, *self.agreed.texts, *self.plan.rows]


def split(paper: Path, folder: Path) -> None:
    """Pairs to train on and to calibrate on, none of which leaks; nothing is done where that is done."""
    evaluation, test = paper / "evaluate_data.public.json", paper / "reward_data_test.json"
    command = [sys.executable, "-m", "trainer.cli", "data", "split", "--data", str(paper / "reward_data_train.json")]
    command += ["--exclude", str(evaluation), "--exclude", str(test), "--test", "0", "--no-length-matched"]
    if subprocess.run([*command, "--output", str(folder)], check=False).returncode:
        raise BenchmarkFailed("the pairs could not be split")


def load_world(paper: Path, parts: Path, cases: int) -> World:
    """Everything that is measured on."""
    data, pairs = str(paper / "evaluate_data.public.json"), str(paper / "reward_data_test.json")
    published = [load_pairs(str(paper / name)).records for name in ("reward_data_train.json", "reward_data_test.json")]
    train, held_out = str(parts / "train.jsonl"), load_pairs(str(parts / "validation.jsonl")).records
    chosen = frozenset(folded_text(pair.chosen) for each in published for pair in each)
    agreed = parts / "agreed.jsonl"
    agreed.write_text("".join(_line(row) for row in load_labelled(data) if _is_agreed(row, chosen)), encoding="utf-8")
    return World(
        material=load_material(Sources(data=data, pairs=pairs, train=train), seed=0),
        agreed=load_material(Sources(data=str(agreed), pairs=pairs, train=train), seed=0),
        test=load_material(Sources(data=pairs, train=train), seed=0),
        plan=plan_probes(load_labelled(data), load_labelled(train), seed=0, limit=cases),
        validation=Validation(pairs=held_out, made=made_up(held_out, seed=0), train=parts / "train.jsonl"),
        chosen=chosen,
    )


def _is_agreed(row: Labelled, chosen: frozenset[str]) -> bool:
    return (folded_text(row.completion) in chosen) == (row.label == 1)


def _line(row: Labelled) -> str:
    return json.dumps({"query": row.prompt, "response": row.completion, "label": row.label}, ensure_ascii=False) + "\n"


def column_of(result: Trained, material: Material, begin: int) -> Column:
    """A training's column; what it could not score has none. Its logits of the material stand from ``begin``."""
    logits = result.logits[begin : begin + len(material.texts)]
    rows = len(material.rows)
    scores = np.asarray([math.nan if logit is None else logit for logit in logits], dtype=np.float64)
    chances = np.asarray([_chance(result.calibration, logit) for logit in logits[:rows]], dtype=np.float64)
    return Column(
        name=f"{result.variant}, seed {result.seed}",
        kind="reward",
        scores=scores[:rows],
        decisions=(np.nan_to_num(chances) >= 0.5).astype(np.int64),
        decided_by="its probability, from 0.5",
        probabilities=chances,
        pairs=scores[rows:].reshape(-1, 2),
    )


def oracle(material: Material, chosen: frozenset[str]) -> Column:
    """Knows which texts the paper's pairs call the better one, leaks and all, and nothing else.

    What it loses at equal length is where the labels of evaluation set and pairs are not of one mind.
    """
    scores = np.asarray([float(folded_text(text) in chosen) for _, text in material.texts], dtype=np.float64)
    rows = len(material.rows)
    return Column(
        name=ORACLE,
        kind="baseline",
        scores=scores[:rows],
        decisions=scores[:rows].astype(np.int64),
        decided_by="the paper's pairs",
        probabilities=None,
        pairs=scores[rows:].reshape(-1, 2),
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What is measured on, and all that is compared on it.

    Attributes:
        material: Labelled rows and pairs.
        columns: Of every training and every baseline.
        names: Columns by the line of a table: all seeds of a variant, or one baseline.
        measured: The figures of all columns, in the same resamples.
    """

    material: Material
    columns: Sequence[Column]
    names: Mapping[str, Sequence[str]]
    measured: Measured

    def mean(self, name: str, which: Measure) -> Estimate:
        """One figure for all seeds of a line, in the same resamples: the interval is of rows, not of seeds."""
        found = self.figures(name, which)
        return Estimate(statistics.fmean(each.value for each in found), np.mean([each.drawn for each in found], axis=0))

    def figures(self, name: str, which: Measure) -> list[Estimate]:
        """That of each seed of a line; a seed without one is left out."""
        columns = self.names[name]
        return [found for column in columns if (found := self.measured.figures[(column, which)]) is not None]

    def above(self, name: str, other: str) -> str:
        """By how much a line is higher than another at equal length, with 95 % interval, and the paired p of that."""
        mean, others = self.mean(name, Measure.STRATIFIED_AUC), self.mean(other, Measure.STRATIFIED_AUC)
        difference = mean.above(others)
        found = difference.interval
        return f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}] (p {difference.p:.3f})"


def compared(world: World, material: Material, begin: int, seeds: Mapping[str, Sequence[Trained]]) -> Compared:
    """Trainings, baselines and oracle on a material; the logits of its texts stand from ``begin``."""
    columns = {name: [column_of(result, material, begin) for result in found] for name, found in seeds.items()}
    baselines = [*baseline_columns(material), oracle(material, world.chosen)]
    every = [*(column for found in columns.values() for column in found), *baselines]
    return Compared(
        material=material,
        columns=every,
        measured=measure(material, every, population_of(every), seed=0),
        names={
            **{name: [column.name for column in found] for name, found in columns.items()},
            **{baseline: [baseline] for baseline in BASELINES},
        },
    )


def figures(world: World, variants: Sequence[Variant], results: Sequence[Trained], console: Console) -> list[Section]:
    """The tables."""
    seeds = {each.name: [result for result in results if result.variant == each.name] for each in variants}
    begins = itertools.accumulate((len(each.texts) for each in (world.material, world.test)), initial=0)
    materials = (world.material, world.test, world.agreed)
    with console.status("bootstrap"):
        public, test, agreed = (
            compared(world, material, begin, seeds) for material, begin in zip(materials, begins, strict=True)
        )
    differing = len(world.material.rows) - len(world.agreed.rows)
    return [
        _quality("Length held fixed, public half of the evaluation set", public, seeds),
        _quality(f"Public half without the {differing} rows where label and pairs differ", agreed, seeds),
        _lost(public, agreed),
        _quality("Length held fixed, texts of the test pairs", test, seeds),
        *([_default_above(public, agreed, test, seeds)] if len(seeds) > 1 and DEFAULT in seeds else []),
        _probes(world, seeds),
    ]


def _quality(title: str, on: Compared, seeds: Mapping[str, Sequence[Trained]]) -> Section:
    """Figures on one material."""
    rows = []
    for name in on.names:
        cells = [name]
        for which in MEASURES:
            estimate = on.mean(name, which)
            values = [each.value for each in on.figures(name, which)]
            seeds_of = f"; {min(values):.3f}–{max(values):.3f}" if len(values) > 1 else ""
            cells.append(f"{estimate.interval}{seeds_of}")
        cells.append("" if name == NGRAMS else on.above(name, NGRAMS))
        took = [result.seconds for result in seeds.get(name, []) if result.seconds is not None]
        cells.append(f"{statistics.fmean(took) / 60:.1f}" if took else "")
        rows.append(cells)
    return Section(
        title=title,
        text=(
            f"{on.measured.population.rows.size:,} rows, {on.measured.close.size} pairs within 20 % in length; mean "
            "over seeds with the 95 % interval over rows; then least and greatest seed."
        ),
        columns=["", *(which.value for which in MEASURES), "stratified, less n-grams", "minutes"],
        rows=rows,
    )


def _default_above(
    public: Compared, agreed: Compared, test: Compared, seeds: Mapping[str, Sequence[Trained]]
) -> Section:
    """The default beside every other way, paired: the same rows and resamples, the mean of the seeds of each."""
    others = [name for name in seeds if name != DEFAULT]
    return Section(
        title="Length-stratified AUC: by how much the default is higher",
        text="Paired bootstrap over rows, two-sided p.",
        columns=["than", "public half", "without the rows where label and pairs differ", "texts of the test pairs"],
        rows=[[name, *(on.above(DEFAULT, name) for on in (public, agreed, test))] for name in others],
    )


def _lost(public: Compared, agreed: Compared) -> Section:
    """How many comparisons at equal length are lost, and by which rows."""
    (losses, every), (losses_agreed, every_agreed) = losses_of(public), losses_of(agreed)
    rows = []
    for name, columns_of in public.names.items():
        lost, lost_agreed = (statistics.fmean(found[each] for each in columns_of) for found in (losses, losses_agreed))
        rows.append([name, f"{lost:,.0f}", f"{lost_agreed:,.0f}", f"{1 - lost_agreed / lost:.0%}" if lost else "–"])
    differing = len(public.material.rows) - len(agreed.material.rows)
    return Section(
        title="Comparisons at equal length that are lost, public half",
        text=f"Of {every:,}; of {every_agreed:,} without the {differing} rows where label and pairs differ.",
        columns=["", "lost", "lost among the other rows", "share of those rows"],
        rows=rows,
    )


def losses_of(on: Compared) -> tuple[dict[str, float], int]:
    """By column, how many comparisons at equal length are lost, a tie for half; and how many there are."""
    rows = on.measured.population.rows
    labels, lengths = on.material.labels[rows], on.material.lengths[rows]
    pairs = {column.name: ranked_near_pairs(column.scores[rows], labels, lengths) for column in on.columns}
    return {name: each.pairs * (1 - each.share) for name, each in pairs.items()}, next(iter(pairs.values())).pairs


def _probes(world: World, seeds: Mapping[str, Sequence[Trained]]) -> Section:
    count = len(world.rows) - len(world.plan.rows)
    fooled: dict[str, dict[str, list[float]]] = {}
    for name, results in seeds.items():
        for result in results:
            outcomes = [
                Outcome(reward=logit, failure="" if logit is not None else "text_too_long")
                for logit in result.logits[count:]
            ]
            found = measure_probes(world.plan, {name: outcomes}).rewards[name]
            for title, figure in found.probes.items():
                if figure.fooled is not None:
                    fooled.setdefault(title, {}).setdefault(name, []).append(figure.fooled.mean)
    rows = []
    for probe in world.plan.probes:
        shares = fooled.get(probe.name, {})
        cells = [f"{100 * statistics.fmean(shares[name]):.1f}" if name in shares else "–" for name in seeds]
        rows.append([f"{probe.name} (≤ {100 * probe.bound:g})", *cells])
    return Section(
        title="Fooled by probes, percent of cases",
        text=f"{world.plan}; mean over seeds. In brackets the bound.",
        columns=["", *seeds],
        rows=rows,
    )


def _chance(calibration: Calibration | None, logit: float | None) -> float:
    if calibration is None or logit is None:
        return math.nan
    return 1 / (1 + math.exp(-(calibration.scale * logit + calibration.bias)))


def main() -> int:
    """Train what is not trained yet, measure, print and write ``tables.md``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--paper", type=Path, required=True, help="folder of the paper's files")
    parser.add_argument("--output", type=Path, default=Path("runs/reward-length"))
    parser.add_argument("--model", default="e5")
    parser.add_argument("--epochs", type=float, default=REWARD_MODEL_E5.epochs)
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cases", type=int, default=200, help="of each probe")
    parser.add_argument("--variant", action="append", choices=[each.name for each in VARIANTS])
    options = parser.parse_args()
    console = Console()
    chosen = [each for each in VARIANTS if not options.variant or each.name in options.variant]
    parts = options.output / "split"
    split(options.paper, parts)
    setup = Setup(
        folder=options.output,
        train=parts / "train.jsonl",
        validation=parts / "validation.jsonl",
        model=options.model,
        epochs=options.epochs,
        seeds=range(options.seeds),
        jobs=options.jobs,
    )
    sources = {each.name: each.derived_from or each.name for each in chosen}
    folders = all_trained(setup, [each for each in VARIANTS if each.name in sources.values()], console)
    world = load_world(options.paper, parts, options.cases)
    all_asked(setup, list(folders.values()), list(dict.fromkeys([*world.rows, *world.validation.rows])), console)
    results = [
        scored(folders[(sources[variant.name], seed)], variant, seed, world.rows, world.validation)
        for seed in setup.seeds
        for variant in chosen
    ]
    sections = figures(world, chosen, results, console)
    for section in sections:
        console.print(section.table())
    path = options.output / "tables.md"
    path.write_text("\n".join(section.markdown() for section in sections), encoding="utf-8")
    console.print(f"tables: {path}", soft_wrap=True, markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
