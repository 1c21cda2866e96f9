"""Rollouts to rewards with a panel of language models: inspect, ask, combine."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import statistics
from collections.abc import Mapping, Sequence

from pydantic import JsonValue
from redis.asyncio import Redis

from services.judge.calibration import Calibrator
from services.judge.examples import find_examples
from services.judge.group_judge import GroupJudge
from services.judge.groups import LocalMeeting, RedisMeeting
from services.judge.metrics import JudgeMetrics
from services.judge.modes import LOG_ODDS, MODES, LogprobMode, Mode, ModeName, ModeSettings, Vote, pooled, vote_of
from services.judge.options import JudgeOptions
from services.judge.panel import check_panel
from services.judge.prompts import TEMPLATES_VERSION, Work
from services.judge.settings import JudgeSettings
from services.judge.store import PrinciplesStore
from services.judge.task import JudgeTask
from shared.errors import ScoringFailed
from shared.llm.cached import Bill, CachedLlm
from shared.llm.chat import LlmApi
from shared.llm.connections import LlmConnections
from shared.llm.metrics import LlmMetrics
from shared.options import options_schema, read_options
from shared.principles import Principles
from shared.queue.broker import connect
from shared.schemas import RewardInfo, RewardRange, Rollout
from shared.scorer import Outcome, Scored
from shared.tasks import end_tasks
from shared.untrusted import Inspection, disarm, has_words, inspect


class JudgeScorer:
    """A `shared.scorer.Scorer` that asks language models. ``reward`` is from 0 to 1.

    An answer that did not come or cannot be used is a failed score with its own code; there is no default. A completion
    with nothing left to judge, because it is empty or was an attack altogether, has reward 0 by this rule and no model
    is asked: that is a judgement, not a failure.
    """

    def __init__(self, settings: JudgeSettings, metrics: JudgeMetrics, llm_metrics: LlmMetrics) -> None:
        """Nothing is sent yet. Raises `shared.errors.InvalidData` for principles or examples that are not valid."""
        self._settings = settings
        self._metrics = metrics
        self._examples = find_examples(settings.examples)
        self._redis = _redis(settings)
        self.principles = PrinciplesStore(settings.principles, settings.name, self._redis, metrics)
        self._llms = LlmConnections(
            settings, settings.panelists(), name=settings.name, redis=self._redis, metrics=llm_metrics
        )
        self._panel = self._llms.models
        self._calibrator = Calibrator()
        meeting = LocalMeeting() if self._redis is None else RedisMeeting(self._redis, settings.name)
        modes = {panelist: self._mode_settings(panelist.api) for panelist in self._panel}
        self._groups = GroupJudge(settings, metrics, self._examples, modes, meeting)
        self._watching: asyncio.Task[None] | None = None
        self._mode = functools.lru_cache(maxsize=64)(self._make_mode)

    def info(self) -> RewardInfo:
        """Name, version and options."""
        settings = self._settings
        return RewardInfo(
            name=settings.name,
            version=self._version(self.principles.active, settings.mode),
            range=RewardRange(minimum=0.0, maximum=1.0),
            description=(
                "A language model's judgement by numbered principles, 0 to 1. Modes: logprob (probability of the good "
                "label), verdict (0 or 1 with a reason), rubric (five dimensions), group (members compared)."
            ),
            options=options_schema(JudgeOptions),
        )

    async def start(self) -> None:
        """Hear which principles are in force, now and from now on."""
        await self.principles.refresh()
        self._watching = asyncio.create_task(self.principles.watch(), name="principles")

    async def close(self) -> None:
        """Close all connections."""
        if self._watching is not None:
            await end_tasks([self._watching])
        await self._groups.close()
        await self._calibrator.close()
        await self._llms.close()
        if self._redis is not None:
            await self._redis.aclose()

    async def check(self) -> None:
        """Ready where enough models of the panel answer."""
        settings = self._settings
        needed = len(self._panel)
        if settings.quorum is not None:
            needed = max(1, -(-settings.quorum // settings.samples))
        await check_panel(self._panel, needed)

    def check_options(self, options: Mapping[str, JsonValue]) -> None:
        """See `services.judge.options`."""
        asked = read_options(JudgeOptions, options)
        if asked.principles is not None:
            self.principles.named(asked.principles)

    def cost(self, rollout: Rollout) -> int:
        """Tokens, roughly; refuses what is longer than ``max_characters``."""
        return self._settings.cost(rollout)

    async def score(self, rollouts: Sequence[Rollout], options: Mapping[str, JsonValue]) -> list[Outcome]:
        """Judge each; they wait for each other only where they are compared."""
        asked = read_options(JudgeOptions, options)
        return list(await asyncio.gather(*(self._outcome(rollout, asked) for rollout in rollouts)))

    async def _outcome(self, rollout: Rollout, asked: JudgeOptions) -> Outcome:
        try:
            return await self._scored(rollout, asked)
        except ScoringFailed as error:
            return error

    async def _scored(self, rollout: Rollout, asked: JudgeOptions) -> Scored:
        task = self._task(asked)
        seen = inspect(rollout.completion)
        self._metrics.inspection.count(seen.flags)
        if seen.flags and self._settings.on_attack == "fail":
            raise ScoringFailed(
                f"signs of an attack on the judge: {', '.join(seen.flags)}", code="attack_flagged", retryable=False
            )
        if task.mode == "group":
            return await self._groups.scored(rollout, asked, task, seen)
        if not has_words(seen.shown):
            return _nothing_to_judge(task, seen)
        work = Work(prompt=disarm(rollout.prompt), completion=seen.shown)
        bill = Bill()
        votes = await self._votes(work, task, bill)
        return self._combined(votes, task, seen, bill)

    # One work by itself

    async def _votes(self, work: Work, task: JudgeTask, bill: Bill) -> list[Vote]:
        """The votes of all models and samples that could be read, as many as the quorum asks for."""
        results = await asyncio.gather(
            *(
                self._vote(panelist, work, sample, task, bill)
                for panelist in self._panel
                for sample in range(task.samples)
            ),
            return_exceptions=True,
        )
        votes = [result for result in results if isinstance(result, Vote)]
        failures = [result for result in results if isinstance(result, ScoringFailed)]
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, ScoringFailed):
                raise result
        quorum = len(results) if self._settings.quorum is None else min(self._settings.quorum, len(results))
        if len(votes) < quorum:
            first = next((failure for failure in failures if failure.may_retry), failures[0])
            raise bill.charged_to(first)
        return votes

    async def _vote(self, panelist: CachedLlm, work: Work, sample: int, task: JudgeTask, bill: Bill) -> Vote:
        mode = self._mode(task.mode, task.principles.version, panelist.api)
        request = mode.request(work, sample, task.samples)
        salt = task.principles.version
        if not (isinstance(mode, LogprobMode) and self._settings.calibrate):
            return mode.read(await panelist.ask(request, salt, bill))
        calibration = await self._calibrator.calibration(mode, panelist, sample, salt, bill)
        vote = mode.read(await panelist.ask(request, salt, bill))
        if calibration is None:
            return vote
        self._metrics.example_auc.labels(panelist.model).set(calibration.auc)
        components = {name: value for name, value in vote.components.items() if name != LOG_ODDS}
        return vote_of(vote.log_odds - calibration.offset, **components, calibration=calibration.offset)

    def _combined(self, votes: Sequence[Vote], task: JudgeTask, seen: Inspection, bill: Bill) -> Scored:
        """All votes as one; where there are several, how far they are apart."""
        rewards = [vote.reward for vote in votes]
        reward = pooled(votes)
        components = {name: statistics.fmean(vote.components[name] for vote in votes) for name in votes[0].components}
        if len(votes) > 1:
            components["disagreement"] = statistics.pstdev(rewards)
            components["votes"] = float(len(votes))
            self._metrics.disagreement.observe(components["disagreement"])
        good = sum(vote.verdict for vote in votes)
        verdict = votes[0].verdict if len(votes) == 1 else 1 if 2 * good > len(votes) else 0
        reason = next((vote.reason for vote in votes if vote.reason and vote.verdict == verdict), None)
        return Scored(
            reward=reward,
            verdict=verdict,
            components=components,
            reason=reason,
            flags=seen.flags,
            cached=bill.cached,
            usage=bill.usage(),
            version=task.version,
        )

    # What is asked, and of whom

    def _task(self, asked: JudgeOptions) -> JudgeTask:
        settings = self._settings
        principles = self.principles.active if asked.principles is None else self.principles.named(asked.principles)
        mode = asked.mode or settings.mode
        samples = asked.samples or settings.samples
        return JudgeTask(
            mode=mode, principles=principles, samples=samples, version=self._version(principles, mode, samples)
        )

    def _mode_settings(self, api: LlmApi) -> ModeSettings:
        settings = self._settings
        return ModeSettings(
            api=api,
            labels=settings.labels,
            least_label_mass=settings.least_label_mass,
            few_shot_limit=settings.few_shot_limit,
            temperature=settings.temperature,
        )

    def _make_mode(self, name: ModeName, principles_version: str, api: LlmApi) -> Mode:
        return MODES[name](self.principles.named(principles_version), self._examples, self._mode_settings(api))

    def _version(self, principles: Principles, mode: ModeName, samples: int | None = None) -> str:
        """Names all that a score hangs on: principles, mode and, as a hash, models, examples and how they are used."""
        parts = [*self._versioned, str(samples or self._settings.samples)]
        digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]
        return f"{self._settings.name}@{principles.version}/{mode}#{digest}"

    @functools.cached_property
    def _versioned(self) -> list[str]:
        settings = self._settings
        return [
            str(TEMPLATES_VERSION),
            self._examples.version,
            *(f"{each.llm_model} {each.llm_api} {each.llm_extra_body}" for each in settings.panelists()),
            str(settings.labels),
            str(settings.calibrate),
            str(settings.few_shot_limit),
            str(settings.temperature),
            str(settings.group_orders),
        ]


def _nothing_to_judge(task: JudgeTask, seen: Inspection) -> Scored:
    return Scored(
        reward=0.0,
        verdict=0,
        reason="no words are left to judge",
        flags=seen.flags,
        usage=Bill().usage(),
        version=task.version,
    )


def _redis(settings: JudgeSettings) -> Redis | None:
    return None if settings.redis_url is None else connect(settings.redis_url.get_secret_value())
