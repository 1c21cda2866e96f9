"""``zhufu evaluate policy``: from options to a folder with a report.

    models/NAME/      what each model wrote (`trainer.evaluation.policies.generation`)
    scores.jsonl      what rewards gave, as they gave it (`trainer.evaluation.score_journal`)
    texts.jsonl       every sample with its rewards; ``zhufu evaluate sheets`` draws from these
    result.json, report.html, report.md

Whatever is there already is not done again: a run that was killed goes on where it was, and one that is done can be
resumed with more models, more rewards, or other thresholds. Prompts and the way in which models are asked are the run's
own and cannot change.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from shared.client.base import DEFAULT_TIMEOUT_SECONDS
from shared.errors import InvalidData, ZhufuError
from shared.schemas import Score
from trainer.data.entries import read_source
from trainer.data.formats import load_prompts
from trainer.evaluation.asking import JOURNAL, NamedReward, ask, describe
from trainer.evaluation.policies.copying import Copied, KnownTexts
from trainer.evaluation.policies.excellence import excellence_of
from trainer.evaluation.policies.generation import SAMPLES, Generation, Tell, samples_of
from trainer.evaluation.policies.models import NamedModel
from trainer.evaluation.policies.report import policy_document
from trainer.evaluation.policies.result import PolicyResult, policy_result, steps
from trainer.evaluation.policies.reward_figures import Judged
from trainer.evaluation.policies.samples import Written
from trainer.evaluation.policies.texts import TEXTS, write_texts
from trainer.evaluation.rewards.frequency import Frequencies
from trainer.evaluation.rewards.slices import HIGH, ORDINARY
from trainer.progress_bar import progress_bar
from trainer.report.document_page import write_document
from trainer.run_folder import open_run_folder, write_json
from trainer.sampling.prompts import Prompt, Prompts, read_prompts

MODELS, RESULT = "models", "result.json"


class NothingScored(ZhufuError):
    """A reward gave no reward for any text."""

    code = "nothing_scored"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PolicyJob:
    """What is evaluated, by whom, and where it goes.

    Attributes:
        models: Who writes.
        rewards: Who judges; at least one.
        prompts: Source of prompts.
        limit: The first so many prompts only.
        generation: How models are asked.
        train: Sources of texts that must not be copied.
        requests: Source of requests, to tell which are asked often; the prompts themselves where there is none.
        thresholds: From which reward on a text is excellent, by the name of a reward.
        output: Folder of the run.
        timeout_seconds: Of one request to a reward.
        api_key: Of the services, by HTTP.
        resume: Go on with the run in the folder.
    """

    models: Sequence[NamedModel]
    rewards: Sequence[NamedReward]
    prompts: str
    limit: int | None
    generation: Generation
    train: Sequence[str]
    requests: str | None
    thresholds: Mapping[str, float]
    output: Path
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    api_key: str | None = None
    resume: bool = False

    def asked(self, prompts: Prompts) -> dict[str, object]:
        """What decides what models write, and so has to be the same when a run is resumed."""
        return {
            "prompts": self.prompts,
            "prompts_sha256": prompts.sha256,
            "limit": self.limit,
            "generation": dataclasses.asdict(self.generation),
        }

    def shown(self, prompts: Prompts) -> dict[str, object]:
        """All settings, for the report."""
        return {
            **self.asked(prompts),
            "models": {model.name: model.source for model in self.models},
            "rewards": {reward.name: reward.shown for reward in self.rewards},
            "train": list(self.train),
            "requests": self.requests,
            "thresholds": dict(self.thresholds),
        }


def evaluate_policies(job: PolicyJob, console: Console, tell: Tell) -> tuple[PolicyResult, Path]:
    """Have models write and rewards judge, sum up and write; the result, and the path of the report.

    Args:
        job: What to do.
        console: Where progress is shown.
        tell: Says what was left out.

    Raises:
        InvalidData: A source or a model is not what it should be.
        RunFolderError: The folder cannot be used.
        NothingScored: A reward failed for every text.
        ZhufuError: As asking does; what was written and scored before is saved.
    """
    prompts = read_prompts(job.prompts, job.limit)
    if left_out := prompts.left_out():
        tell(left_out)
    known = _known_texts(job.train)
    slices = _slices(job, prompts.asked)
    folder = job.output / MODELS
    open_models = [model for model in job.models if not (folder / model.name / SAMPLES).is_file()]
    _check_models(open_models)
    open_run_folder(
        job.output,
        command="evaluate policy",
        settings=job.asked(prompts),
        resume=job.resume,
        versions_of=("zhufu", "torch", "transformers", "numpy"),
    )
    if open_models:  # a reward that is away shall not come to light when all is written
        asyncio.run(describe(job.rewards, timeout_seconds=job.timeout_seconds, api_key=job.api_key))
    written = [
        Written(
            model.name,
            tuple(samples_of(model, prompts.asked, job.generation, folder / model.name, console, tell)),
        )
        for model in job.models
    ]
    judged = _judged(job, written, console)
    copied = _copied(written, known, console) if known is not None else None
    with progress_bar(console) as progress:
        task = progress.add_task("sum up", total=steps(len(written), len(judged)), figures="")
        result = policy_result(
            written,
            judged,
            slices,
            copied,
            training_texts=None if known is None else len(known),
            seed=job.generation.seed,
            advance=lambda: progress.advance(task),
        )
    write_texts(written, judged, job.output / TEXTS)
    write_json(job.output / RESULT, {"settings": job.shown(prompts), **result.record()})
    report = write_document(policy_document(result, job.shown(prompts)), job.output)
    return result, report


def _check_models(models: Sequence[NamedModel]) -> None:
    """Raise before anything is written for a model that cannot be had."""
    folders = [model for model in models if not model.is_file]
    if folders:
        from trainer.models import load_tokenizer

        for model in folders:
            load_tokenizer(model.source)


def _known_texts(sources: Sequence[str]) -> KnownTexts | None:
    if not sources:
        return None
    texts: list[str] = []
    for source in sources:
        found = [each.text for entry in read_source(source).entries for each in entry.completions]
        if not found:
            raise InvalidData(source, "holds prompts only: there is nothing that could be copied")
        texts += found
    return KnownTexts(texts)


def _slices(job: PolicyJob, prompts: Sequence[Prompt]) -> dict[str, list[str]]:
    """Ids of the prompts that are asked often, and of the others; empty where all are of one kind."""
    if job.requests is None:
        requests = [prompt.text for prompt in read_prompts(job.prompts).asked]
    else:
        requests = load_prompts(job.requests).records
    frequencies = Frequencies(requests)
    slices: dict[str, list[str]] = {HIGH: [], ORDINARY: []}
    for prompt in prompts:
        slices[HIGH if frequencies.is_high(prompt.text) else ORDINARY].append(prompt.id)
    return slices if all(slices.values()) else {}


def _judged(job: PolicyJob, written: Sequence[Written], console: Console) -> list[Judged]:
    rows = [sample.row for each in written for sample in each.samples]
    scores = asyncio.run(
        ask(
            job.rewards,
            rows,
            journal=job.output / JOURNAL,
            console=console,
            timeout_seconds=job.timeout_seconds,
            api_key=job.api_key,
        )
    )
    return [_judged_by(reward.name, scores[reward.name], written, job.thresholds) for reward in job.rewards]


def _judged_by(
    reward: str, scores: Sequence[Score], written: Sequence[Written], thresholds: Mapping[str, float]
) -> Judged:
    if not any(score.status == "scored" for score in scores):
        codes = collections.Counter(score.error.code for score in scores if score.error is not None)
        causes = ", ".join(f"{code} {count:,}" for code, count in codes.most_common())
        raise NothingScored(f"{reward} gave no reward for any of {len(scores):,} texts: {causes}")
    by_model: dict[str, Sequence[Score]] = {}
    begin = 0
    for each in written:
        by_model[each.model] = scores[begin : begin + len(each.samples)]
        begin += len(each.samples)
    version = next((score.version for score in scores if score.status == "scored"), None)
    return Judged(
        reward=reward,
        version=version,
        excellence=excellence_of(scores, thresholds.get(reward)),
        scores=by_model,
    )


def _copied(written: Sequence[Written], known: KnownTexts, console: Console) -> dict[str, list[Copied]]:
    found: dict[str, list[Copied]] = {}
    with progress_bar(console) as progress:
        task = progress.add_task("look for copies", total=sum(len(each.samples) for each in written), figures="")
        for each in written:
            found[each.model] = []
            for sample in each.samples:
                found[each.model].append(known.look_up(sample.completion))
                progress.advance(task)
    return found
