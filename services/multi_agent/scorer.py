"""Rollouts to rewards, or prompts to samples, by agents that ask one language model."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import JsonValue
from redis.asyncio import Redis

from services.multi_agent.agents import READING_VERSION, load_agents
from services.multi_agent.evaluation import Evaluation, Record
from services.multi_agent.examples import ExampleSource
from services.multi_agent.metrics import MultiAgentMetrics
from services.multi_agent.options import MultiAgentOptions
from services.multi_agent.pairs import LEAST_MARGINS, PairRule
from services.multi_agent.pipeline import Pipeline
from services.multi_agent.questions import QUESTIONS_VERSION
from services.multi_agent.sampler import Draw, Sampler
from services.multi_agent.settings import MultiAgentSettings
from services.multi_agent.task import Plan
from services.multi_agent.watching import WatchedRollout
from shared.documents import short_hash
from shared.errors import ScoringFailed
from shared.llm.cached import Bill
from shared.llm.connections import LlmConnections
from shared.llm.metrics import LlmMetrics
from shared.options import options_schema, read_options
from shared.queue.broker import connect
from shared.schemas import RewardInfo, RewardRange, Rollout
from shared.scorer import Outcome, Scored

TIME_SHARE: Final = 0.95
"""Of the time for one batch: what takes longer is ended here, where it is known what it has cost."""


class MultiAgentScorer:
    """A `shared.scorer.Scorer` that has agents weigh each greeting. ``reward`` is from 0 to 1.

    An agent that gives no usable answer is a failed score with a code of its own; there is no default. A completion
    with nothing left to judge, because it is empty or was an attack altogether, has reward 0 by this rule and no model
    is asked: that is a judgement, not a failure.

    With the option ``task: sample`` a rollout is a prompt for which candidates are written and evaluated; its reward is
    that of the best, its details hold the sample. So bulk jobs have the queue of every reward, with leases and retries.
    """

    def __init__(self, settings: MultiAgentSettings, metrics: MultiAgentMetrics, llm_metrics: LlmMetrics) -> None:
        """Nothing is sent yet. Raises `shared.errors.InvalidData` for prompts that are not valid."""
        self._settings = settings
        self._metrics = metrics
        self._redis: Redis | None = (
            None if settings.redis_url is None else connect(settings.redis_url.get_secret_value())
        )
        self._llms = LlmConnections(
            settings, [settings.llm_settings()], name=settings.name, redis=self._redis, metrics=llm_metrics
        )
        self._agents = load_agents(self._llms.models[0], metrics)
        self._examples = ExampleSource(settings)
        self._pipeline = self._make_pipeline()

    def info(self) -> RewardInfo:
        """Name, version and options."""
        examples = "without examples" if self._settings.index is None else "with examples from an index"
        return RewardInfo(
            name=self._settings.name,
            version=self._version(read_options(MultiAgentOptions, {})),
            range=RewardRange(minimum=0.0, maximum=1.0),
            description=(
                "The verdict of several agents, 0 to 1: merits and flaws are collected side by side, a judge weighs "
                f"them, a reflect agent audits the verdict; {examples}. Task sample: candidates are written and "
                "evaluated, and a preference pair is chosen."
            ),
            options=options_schema(MultiAgentOptions),
            streams=True,
        )

    async def start(self) -> None:
        """Open the index of examples, where there shall be one."""
        await self._examples.start()
        self._pipeline = self._make_pipeline()

    async def close(self) -> None:
        """Close all connections."""
        await self._llms.close()
        await self._examples.close()
        if self._redis is not None:
            await self._redis.aclose()

    async def check(self) -> None:
        """Ready where the model and the embedder answer."""
        await self._llms.models[0].check()
        await self._examples.check()

    def check_options(self, options: Mapping[str, JsonValue]) -> None:
        """See `services.multi_agent.options`."""
        read_options(MultiAgentOptions, options)

    def cost(self, rollout: Rollout) -> int:
        """Tokens, roughly; refuses what is longer than ``max_characters``."""
        return self._settings.cost(rollout)

    async def score(self, rollouts: Sequence[Rollout], options: Mapping[str, JsonValue]) -> list[Outcome]:
        """Evaluate each rollout, or draw a sample for each."""
        asked = read_options(MultiAgentOptions, options)
        return list(await asyncio.gather(*(self._outcome(rollout, asked) for rollout in rollouts)))

    async def _outcome(self, rollout: Rollout, asked: MultiAgentOptions) -> Outcome:
        bill = Bill()
        seconds = TIME_SHARE * self._settings.score_timeout_seconds
        try:
            async with asyncio.timeout(seconds) as limit:
                if asked.task == "sample":
                    return await self._sampled(rollout, asked, bill)
                if not isinstance(rollout, WatchedRollout):
                    return await self._evaluated(rollout, asked, Record(bill))
                with rollout.watch.within(limit):
                    return await self._evaluated(rollout, asked, Record(bill, tell=rollout.watch.tell))
        except ScoringFailed as error:
            return bill.charged_to(error, error.details)
        except TimeoutError:
            return ScoringFailed(f"not done within {seconds:g} s", code="agents_timeout", usage=bill.usage())

    async def _evaluated(self, rollout: Rollout, asked: MultiAgentOptions, record: Record) -> Scored:
        bill = record.bill
        try:
            done = await self._pipeline.evaluate(rollout.prompt, rollout.completion, self._plan(asked), record)
        except ScoringFailed as error:
            raise bill.charged_to(error, {"transcript": record.transcript} if asked.transcript else None) from error
        details: Mapping[str, JsonValue] | None = {"transcript": record.transcript} if asked.transcript else None
        return self._scored(done, asked, bill, details)

    async def _sampled(self, rollout: Rollout, asked: MultiAgentOptions, bill: Bill) -> Scored:
        if rollout.completion:
            raise ScoringFailed(
                "a sample is drawn for a prompt: the completion must be empty", code="completion_given", retryable=False
            )
        versions = {
            **self._agents.versions,
            "model": self._settings.llm_model,
            "retrieval": self._examples.version,
            "scorer": self._version(asked),
        }
        sampler = Sampler(self._pipeline, self._metrics, versions)
        drawn = await sampler.sample(rollout.prompt, self._plan(asked), self._draw(asked), bill)
        details: Mapping[str, JsonValue] = {"sample": drawn.sample.to_json()}
        if isinstance(drawn.best, ScoringFailed):
            raise bill.charged_to(drawn.best, details)
        return self._scored(drawn.best, asked, bill, details)

    def _scored(
        self, done: Evaluation, asked: MultiAgentOptions, bill: Bill, details: Mapping[str, JsonValue] | None
    ) -> Scored:
        return Scored(
            reward=done.reward,
            verdict=done.verdict,
            components=done.components,
            reason=done.reason,
            flags=done.flags,
            cached=bill.cached,
            usage=bill.usage(),
            version=self._version(asked),
            details=details,
        )

    # What is asked for

    def _plan(self, asked: MultiAgentOptions) -> Plan:
        settings = self._settings
        return Plan(
            without=frozenset(settings.without if asked.without is None else asked.without),
            max_reevaluations=(
                settings.max_reevaluations if asked.max_reevaluations is None else asked.max_reevaluations
            ),
            grading=asked.grading or settings.grading,
        )

    def _draw(self, asked: MultiAgentOptions) -> Draw:
        settings = self._settings
        return Draw(
            candidates=asked.candidates or settings.candidates,
            temperature=settings.temperature if asked.temperature is None else asked.temperature,
            seed=asked.seed,
            rule=PairRule(
                by=asked.pair_by,
                least_margin=LEAST_MARGINS[asked.pair_by] if asked.least_margin is None else asked.least_margin,
                length=asked.length,
                tolerance=asked.tolerance,
            ),
        )

    def _make_pipeline(self) -> Pipeline:
        return Pipeline(self._agents, self._examples.retriever, self._metrics, on_attack=self._settings.on_attack)

    def _version(self, asked: MultiAgentOptions) -> str:
        """Names all that a score hangs on: prompts, task and, as a hash, model, examples and how they are used."""
        settings = self._settings
        prompts = short_hash("\n".join([QUESTIONS_VERSION, READING_VERSION, *self._agents.versions.values()]))
        parts = [
            f"{settings.llm_model} {settings.llm_api} {settings.llm_extra_body}",
            self._examples.version,
            settings.on_attack,
            self._plan(asked).words,
        ]
        if asked.task == "sample":
            parts.append(str(dataclasses.astuple(self._draw(asked))))
        return f"{settings.name}@agents#{prompts}/{asked.task}#{short_hash(' / '.join(parts))}"
