"""``zhufu evaluate probes``: from options to a folder with a report."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from shared.client.base import DEFAULT_TIMEOUT_SECONDS
from shared.errors import InvalidData
from trainer.data.labelled import Labelled, digest_of, load_labelled
from trainer.evaluation.asking import JOURNAL, NamedReward
from trainer.evaluation.probes.baselines import baseline_outcomes
from trainer.evaluation.probes.catalogue import CASES, PROBES
from trainer.evaluation.probes.plan import plan_probes
from trainer.evaluation.probes.probe import Probe
from trainer.evaluation.probes.record import record_of
from trainer.evaluation.probes.results import ProbeResults
from trainer.evaluation.probes.run import run_probes, served
from trainer.evaluation.probes.sections import probe_sections
from trainer.report.document import Document
from trainer.report.document_page import write_document
from trainer.run_folder import open_run_folder, write_json

RESULT = "result.json"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ProbesJob:
    """What is asked, of whom, and where it goes.

    Attributes:
        rewards: Which.
        data: Source of labelled greetings.
        train: What rewards were trained on, where that is known.
        output: Folder of the run.
        probes: Which.
        limit: Cases of each probe.
        seed: Of the cases.
        timeout_seconds: Of one request.
        api_key: Of the services, by HTTP.
        resume: Go on with the run in the folder.
    """

    rewards: Sequence[NamedReward]
    data: str
    train: str | None
    output: Path
    probes: Sequence[Probe] = PROBES
    limit: int = CASES
    seed: int = 0
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    api_key: str | None = None
    resume: bool = False

    def settings(self, rows: Sequence[Labelled], train: Sequence[Labelled]) -> dict[str, object]:
        """What decides the result, and so has to be the same when a run is resumed."""
        return {
            "rewards": {reward.name: reward.shown for reward in self.rewards},
            "data": self.data,
            "data_sha256": digest_of(rows),
            "train": self.train,
            "train_sha256": digest_of(train) if self.train is not None else None,
            "probes": [probe.name for probe in self.probes],
            "cases": self.limit,
            "seed": self.seed,
        }


def evaluate_probes(job: ProbesJob, console: Console) -> tuple[ProbeResults, Path]:
    """Ask, compare and write; the results, and the path of the report.

    Raises:
        InvalidData: A source is not what it should be, or no probe applies to the data.
        RunFolderError: The folder cannot be used.
        ZhufuError: As asking does; what was scored before is saved.
    """
    rows = load_labelled(job.data)
    train = load_labelled(job.train) if job.train is not None else []
    plan = plan_probes(rows, train, seed=job.seed, limit=job.limit, probes=job.probes)
    if not plan.honest:
        raise InvalidData(
            job.data, "none of these probes applies: there are no good greetings that they can tamper with"
        )
    settings = job.settings(rows, train)
    open_run_folder(
        job.output, command="evaluate probes", settings=settings, resume=job.resume, versions_of=("zhufu", "numpy")
    )
    console.print(f"{plan}", highlight=False, soft_wrap=True)
    answers = served(
        job.rewards,
        journal=job.output / JOURNAL,
        console=console,
        timeout_seconds=job.timeout_seconds,
        api_key=job.api_key,
    )
    baselines = baseline_outcomes(plan, train)
    results = asyncio.run(run_probes(plan, answers, baselines=baselines))
    notices, sections = probe_sections(results, baselines)
    document = Document(
        title="zhufu: probes",
        summary=f"How often what is plainly worse than a good greeting is rewarded as much: {plan}.",
        notices=notices,
        sections=sections,
        settings=settings,
    )
    write_json(job.output / RESULT, {"settings": settings, **record_of(results)})
    return results, write_document(document, job.output)
