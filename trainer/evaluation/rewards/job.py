"""``zhufu evaluate rewards``: from options to a folder with a report."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from shared.client.base import DEFAULT_TIMEOUT_SECONDS
from shared.schemas import Score
from trainer.data.formats import load_prompts
from trainer.data.labelled import Labelled, digest_of, load_labelled
from trainer.evaluation.asking import JOURNAL, NamedReward, ask_rewards, describe
from trainer.evaluation.probes.baselines import baseline_outcomes
from trainer.evaluation.probes.catalogue import CASES
from trainer.evaluation.probes.plan import ProbePlan, plan_probes
from trainer.evaluation.probes.record import record_of as record_of_probes
from trainer.evaluation.probes.run import run_probes, served
from trainer.evaluation.probes.sections import probe_sections
from trainer.evaluation.rewards.baselines import CHANCE, baseline_columns, fits
from trainer.evaluation.rewards.column import Column, reward_column, says_by_itself
from trainer.evaluation.rewards.comparisons import compare
from trainer.evaluation.rewards.findings import Finding, findings_of
from trainer.evaluation.rewards.frequency import Frequencies
from trainer.evaluation.rewards.material import Material, Sources, enough, load_material
from trainer.evaluation.rewards.measuring import Measured, NothingToMeasure, measure, population_of
from trainer.evaluation.rewards.outcomes import Outcomes, outcomes_of
from trainer.evaluation.rewards.record import record_of
from trainer.evaluation.rewards.report import document_of
from trainer.evaluation.rewards.resampling import RESAMPLES
from trainer.evaluation.rewards.result import Evaluation
from trainer.evaluation.rewards.slices import Slice, slices_of
from trainer.progress_bar import progress_bar
from trainer.report.document import Notice, Section
from trainer.report.document_page import write_document
from trainer.run_folder import open_run_folder, write_json

RESULT = "result.json"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RewardsJob:
    """What is asked, of whom, and where it goes.

    Attributes:
        rewards: Which.
        sources: What they are evaluated on.
        output: Folder of the run.
        high_frequency: Source of requests that tells what is asked often; else the data's own.
        least_scored: A reward that scored a smaller share of the texts is not compared: rows without its score would be
            lost to all.
        probes: Run the probes, too.
        probe_cases: Of each probe.
        seed: Of all that is drawn.
        timeout_seconds: Of one request.
        api_key: Of the services, by HTTP.
        resume: Go on with the run in the folder.
    """

    rewards: Sequence[NamedReward]
    sources: Sources
    output: Path
    high_frequency: str | None = None
    least_scored: float = 0.5
    probes: bool = True
    probe_cases: int = CASES
    seed: int = 0
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    api_key: str | None = None
    resume: bool = False

    def settings(self, material: Material) -> dict[str, object]:
        """What decides the result, and so has to be the same when a run is resumed.

        Not the URLs: a reward may come back at another one, and they may hold a password.
        """
        return {
            "rewards": [reward.name for reward in self.rewards],
            **dataclasses.asdict(self.sources),
            "data_sha256": digest_of(material.rows),
            "train_sha256": None if material.training is None else digest_of(material.training.rows),
            "pairs": material.pairs_source,
            "high_frequency": self.high_frequency,
            "least_scored": self.least_scored,
            "probes": self.probes,
            "probe_cases": self.probe_cases,
            "seed": self.seed,
        }


def evaluate_rewards(job: RewardsJob, console: Console) -> tuple[Evaluation, list[Finding], Path]:
    """Ask, measure and write; what was found, and the path of the report.

    Raises:
        InvalidData: A source is not what it should be.
        RunFolderError: The folder cannot be used.
        NothingToMeasure: Too little was scored.
        ZhufuError: As asking does; what was scored before is saved.
    """
    material = load_material(job.sources, seed=job.seed)
    requests_from, frequencies = _frequencies(job, material)
    infos = asyncio.run(describe(job.rewards, timeout_seconds=job.timeout_seconds, api_key=job.api_key))
    settings = job.settings(material)
    open_run_folder(
        job.output,
        command="evaluate rewards",
        settings=settings,
        resume=job.resume,
        versions_of=("zhufu", "numpy", "scikit-learn", "scipy"),
    )
    answers = _ask(job, job.rewards, material.texts, console, "score")
    thresholds = _ask_validation(job, answers, material, console)
    every = [
        reward_column(reward.name, answers[reward.name], infos[reward.name], material, thresholds.get(reward.name))
        for reward in job.rewards
    ]
    outcomes = {name: outcomes_of(_each_once(material, scores)) for name, scores in answers.items()}
    compared = _compared(job, every, outcomes)
    extra = _probe(job, {each.name for each in compared}, material, console) if job.probes else Probed()
    columns, measured, slices = _measure(job, material, compared, frequencies, console)
    evaluation = Evaluation(
        material=material,
        infos=infos,
        outcomes=outcomes,
        columns=columns,
        left_out=[each for each in every if each not in compared],
        measured=measured,
        own={each.name: own for each in every if (own := _own(each, measured, material, job.seed)) is not None},
        comparisons=compare(material, columns, measured, leave_out=CHANCE),
        slices=slices,
        requests_from=requests_from,
        often=(frequencies.threshold, frequencies.requests),
    )
    findings = findings_of(evaluation)
    write_json(job.output / RESULT, {"settings": settings, **record_of(evaluation, findings), "probes": extra.record})
    document = document_of(evaluation, findings, settings=settings, notices=extra.notices, sections=extra.sections)
    return evaluation, findings, write_document(document, job.output)


def _compared(job: RewardsJob, every: Sequence[Column], outcomes: Mapping[str, Outcomes]) -> list[Column]:
    """The rewards that scored enough."""
    compared = [each for each in every if outcomes[each.name].scored >= job.least_scored * outcomes[each.name].asked]
    if not compared:
        counts = "; ".join(f"{name} {each.scored:,} of {each.asked:,}" for name, each in outcomes.items())
        raise NothingToMeasure(f"no reward scored {job.least_scored:.0%} of the texts: {counts}")
    return compared


def _measure(
    job: RewardsJob, material: Material, compared: Sequence[Column], frequencies: Frequencies, console: Console
) -> tuple[list[Column], Measured, list[Slice]]:
    """Baselines beside the rewards, and the figures of all."""
    slices = slices_of(material.rows, material.lengths, frequencies)
    with progress_bar(console) as progress:
        fitting = progress.add_task("baselines", total=fits(material), figures="")
        columns = [*compared, *baseline_columns(material, lambda: progress.advance(fitting))]
        measuring = progress.add_task("measure", total=len(columns) * RESAMPLES, figures="resamples")
        measured = measure(
            material,
            columns,
            population_of(compared),
            slices,
            seed=job.seed,
            advance=lambda some: progress.advance(measuring, some),
        )
    return columns, measured, slices


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What probes add to a report."""

    notices: Sequence[Notice] = ()
    sections: Sequence[Section] = ()
    record: Mapping[str, Any] | None = None


def _probe(job: RewardsJob, names: Container[str], material: Material, console: Console) -> Probed:
    """Probe the rewards that are compared; says so where no probe applies to the data."""
    train = load_labelled(job.sources.train) if job.sources.train is not None else []
    plan: ProbePlan = plan_probes(material.rows, train, seed=job.seed, limit=job.probe_cases)
    if not plan.honest:
        return Probed(notices=[Notice(text="No probe applies to these data.", tone="warn")])
    console.print(f"probes: {plan}", highlight=False, soft_wrap=True)
    asker = served(
        [reward for reward in job.rewards if reward.name in names],
        journal=job.output / JOURNAL,
        console=console,
        timeout_seconds=job.timeout_seconds,
        api_key=job.api_key,
    )
    baselines = baseline_outcomes(plan, train)
    results = asyncio.run(run_probes(plan, asker, baselines=baselines))
    notices, sections = probe_sections(results, baselines)
    return Probed(notices=notices, sections=sections, record=record_of_probes(results))


def _frequencies(job: RewardsJob, material: Material) -> tuple[str, Frequencies]:
    """Whose requests they are, and how often each thing is asked for: a request of the data counts once."""
    if job.high_frequency is not None:
        return job.high_frequency, Frequencies(load_prompts(job.high_frequency).records)
    return "those of the data", Frequencies(dict.fromkeys(row.prompt for row in material.rows))


def _ask(
    job: RewardsJob, rewards: Sequence[NamedReward], texts: Sequence[tuple[str, str]], console: Console, title: str
) -> dict[str, list[Score]]:
    return ask_rewards(
        rewards,
        texts,
        journal=job.output / JOURNAL,
        console=console,
        timeout_seconds=job.timeout_seconds,
        api_key=job.api_key,
        title=title,
    )


def _ask_validation(
    job: RewardsJob, answers: Mapping[str, Sequence[Score]], material: Material, console: Console
) -> dict[str, list[Score]]:
    """Scores of the validation rows, of the rewards that need a threshold."""
    wanting = [reward for reward in job.rewards if not says_by_itself(answers[reward.name][: len(material.rows)])]
    if not (wanting and material.validation):
        return {}
    return _ask(job, wanting, _texts(material.validation), console, "validate")


def _texts(rows: Sequence[Labelled]) -> list[tuple[str, str]]:
    return [(row.prompt, row.completion) for row in rows]


def _each_once(material: Material, scores: Sequence[Score]) -> list[Score]:
    """A text of the data that is in a pair, too, was asked once."""
    return list(dict(zip(material.texts, scores, strict=True)).values())


def _own(column: Column, measured: Measured, material: Material, seed: int) -> Measured | None:
    """Figures of all that a reward scored; None where that is what all scored, or too little."""
    population = population_of([column])
    if population == measured.population or not enough(material.labels[population.rows]):
        return None
    return measure(material, [column], population, seed=seed)
