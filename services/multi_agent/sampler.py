"""Rejection sampling: several candidates of one prompt, each evaluated, and the preference pair that the rule chooses.

A candidate that cannot be written or evaluated is a failed candidate, and the others go on; only where all fail, the
sample fails.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

from services.multi_agent.evaluation import Evaluation, Record, Step
from services.multi_agent.metrics import MultiAgentMetrics
from services.multi_agent.options import MAX_CANDIDATES
from services.multi_agent.pairs import Candidate, NoPair, Pair, PairRule, choose_pair, usable
from services.multi_agent.pipeline import Pipeline, examples_of, hit_json
from services.multi_agent.questions import about_writing
from services.multi_agent.retrieval.retriever import Hit
from services.multi_agent.sample import Sample, SampledCandidate, SampledExample, SampledPair, SampledRule
from services.multi_agent.task import Plan
from shared.errors import ScoringFailed
from shared.llm.cached import Bill
from shared.schemas import ScoreFailure


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """How a sample is drawn.

    Attributes:
        candidates: How many.
        temperature: At which they are written.
        seed: Of the sample; each candidate has its own, so that the same sample is drawn again.
        rule: Which pair is chosen.
    """

    candidates: int
    temperature: float
    seed: int
    rule: PairRule


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """A sample.

    Attributes:
        sample: The document of it.
        best: The best candidate, of those that a pair could be made of where there are such; the failure of a sample
            whose candidates all failed.
    """

    sample: Sample
    best: Evaluation | ScoringFailed


@dataclasses.dataclass(slots=True)
class _Tried:
    index: int
    record: Record
    text: str | None = None
    evaluation: Evaluation | None = None
    failure: ScoringFailed | None = None


class Sampler:
    """Draws samples."""

    def __init__(self, pipeline: Pipeline, metrics: MultiAgentMetrics, versions: Mapping[str, str]) -> None:
        """``versions``: what made a sample, for its document."""
        self._pipeline: Final = pipeline
        self._metrics = metrics
        self._versions = dict(versions)

    async def sample(self, prompt: str, plan: Plan, draw: Draw, bill: Bill) -> Sampled:
        """Draw one sample.

        Args:
            prompt: What is asked for.
            plan: How each candidate is evaluated.
            draw: How many candidates, and which pair.
            bill: What was really asked for is put there.

        Raises:
            ScoringFailed: Retrieval failed.
        """
        hits = await self._pipeline.retrieve(prompt, plan, Record(bill))
        tried = [_Tried(index, Record(bill)) for index in range(draw.candidates)]
        await asyncio.gather(*(self._try(prompt, hits, plan, draw, each) for each in tried))
        candidates = [Candidate(index=each.index, text=each.text, evaluation=each.evaluation) for each in tried]
        known = [hit.document.completion for hit in hits or ()]
        able = usable(candidates, known)
        chosen = choose_pair(candidates, draw.rule, known)
        best = _best(tried, able)
        if not isinstance(best, ScoringFailed):
            self._metrics.pairs.labels(chosen.reason if isinstance(chosen, NoPair) else "pair").inc()
        return Sampled(sample=self._document(prompt, hits, draw, tried, able, chosen), best=best)

    async def _try(self, prompt: str, hits: Sequence[Hit] | None, plan: Plan, draw: Draw, tried: _Tried) -> None:
        try:
            tried.text = await self._written(prompt, hits, draw, tried)
            tried.evaluation = await self._pipeline.evaluate(prompt, tried.text, plan, tried.record, known=hits)
        except ScoringFailed as error:
            tried.failure = error

    async def _written(self, prompt: str, hits: Sequence[Hit] | None, draw: Draw, tried: _Tried) -> str:
        generator = self._pipeline.agents.generator
        question = about_writing(prompt, examples_of(hits))
        step = Step(step=generator.name, round=0, prompt_version=generator.version, question=question)
        tried.record.steps.append(step)
        try:
            told = await generator.ask(
                question,
                tried.record.bill,
                seed=draw.seed * MAX_CANDIDATES + tried.index,
                temperature=draw.temperature,
            )
        except ScoringFailed as error:
            step.error = error.failure_code
            raise
        step.take(told.answer, told.usage)
        return told.answer.greeting.strip()

    def _document(
        self,
        prompt: str,
        hits: Sequence[Hit] | None,
        draw: Draw,
        tried: Sequence[_Tried],
        able: Sequence[int],
        chosen: Pair | NoPair,
    ) -> Sample:
        return Sample(
            prompt=prompt,
            pair=_pair(tried, chosen) if isinstance(chosen, Pair) else None,
            no_pair=chosen.reason if isinstance(chosen, NoPair) else None,
            rule=SampledRule.model_validate(dataclasses.asdict(draw.rule)),
            candidates=[_candidate(each, each.index in able) for each in tried],
            retrieved=None if hits is None else [SampledExample.model_validate(hit_json(hit)) for hit in hits],
            versions=self._versions,
        )


def _pair(tried: Sequence[_Tried], pair: Pair) -> SampledPair:
    chosen, rejected = tried[pair.chosen].text, tried[pair.rejected].text
    assert chosen is not None, "only what was written can be chosen"
    assert rejected is not None, "only what was written can be rejected"
    return SampledPair(
        chosen=chosen,
        rejected=rejected,
        chosen_index=pair.chosen,
        rejected_index=pair.rejected,
        margin=pair.margin,
        length_ratio=pair.length_ratio,
        length_matched=pair.length_matched,
    )


def _candidate(tried: _Tried, is_usable: bool) -> SampledCandidate:
    done, failure = tried.evaluation, tried.failure
    return SampledCandidate(
        index=tried.index,
        text=tried.text,
        status="failed" if done is None else "scored",
        error=None
        if failure is None
        else ScoreFailure(code=failure.failure_code, detail=failure.detail, retryable=failure.may_retry),
        verdict=None if done is None else done.verdict,
        quality=None if done is None else done.quality,
        reward=None if done is None else done.reward,
        reason=None if done is None else done.reason,
        flags=[] if done is None else list(done.flags),
        usable=is_usable,
        transcript=tried.record.transcript,
    )


def _best(tried: Sequence[_Tried], able: Sequence[int]) -> Evaluation | ScoringFailed:
    """Of the highest reward, then quality, then of the lowest index; a failure where none was evaluated.

    A candidate that failed for a reason that may pass makes the sample fail for that reason: at another try only what
    is missing is asked for, and a sample does not hang on how busy the model was.
    """
    failures = [each.failure for each in tried if each.failure is not None]
    may_pass = next((failure for failure in failures if failure.may_retry), None)
    if may_pass is not None:
        return may_pass
    done = [(each.index, each.evaluation) for each in tried if each.evaluation is not None]
    ranked = [entry for entry in done if entry[0] in able] or done
    if ranked:
        return max(ranked, key=lambda entry: (entry[1].reward, entry[1].quality, -entry[0]))[1]
    return failures[0]
