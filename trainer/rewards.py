"""Reward functions for TRL, made from URLs.

TRL adds up several rewards with `nansum`: where one of them is missing for a rollout, it would count as zero. So all
rewards of a batch are asked for together, and a rollout for which one *weighted* reward failed is None in every one of
them; TRL then leaves it out of the baseline and gives it no advantage. A failure is never a zero, nor a
small one.

A reward of weight 0 is a shadow: asked for and logged. It does not touch the others: neither its failures, nor its
being away, nor its being slow, for it is waited for only a little longer than they are (`trainer.shadow`). A shadow
that is slow or costs money can be asked at every n-th step only.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import itertools
import math
import operator
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

import structlog

from shared.client import RewardClient
from shared.client.base import DEFAULT_TIMEOUT_SECONDS
from shared.errors import InvalidUrl
from shared.schemas import GROUP_SIZE, Rollout, Score
from shared.tasks import end_tasks
from trainer.metrics import TrainerMetrics
from trainer.monitors.monitor import Monitor, ScoredStep
from trainer.shadow import Shadow
from trainer.text_stats import distinct_n

log = structlog.get_logger(__name__)

RewardFunction = Callable[..., Awaitable[list[float | None]]]

SHADOW_WAIT_SECONDS = 30.0
"""How long a step waits for its shadows when all rewards that count are there."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RewardSpec:
    """One reward: what it is called in the logs, where it is, and how much it counts (0: logged only)."""

    name: str
    url: str
    weight: float


class LogMetric(Protocol):
    """TRL's way to log a figure beside its own."""

    def __call__(self, name: str, value: float) -> None:
        """Log one figure for this step."""


def parse_reward_urls(rewards: Sequence[str]) -> dict[str, str]:
    """Read ``NAME=URL`` options, in their order.

    Raises:
        InvalidUrl: One is not of that form, is not the URL of a reward, or a name stands twice.
    """
    urls: dict[str, str] = {}
    for option in rewards:
        name, separator, url = option.partition("=")
        if not separator or not name.isidentifier() or not url:
            raise InvalidUrl(f"--reward {option!r}: write NAME=URL, such as judge=http://127.0.0.1:8001")
        if name in urls:
            raise InvalidUrl(f"--reward {name} stands twice")
        try:
            RewardClient.from_url(url)  # sends nothing; a wrong URL shall not come to light after a model was loaded
        except InvalidUrl as error:
            raise InvalidUrl(f"--reward {name}: {error.detail}") from None
        urls[name] = url
    return urls


def parse_rewards(rewards: Sequence[str], weights: Sequence[str]) -> list[RewardSpec]:
    """Read ``NAME=URL`` and ``NAME=W`` options; a reward without a weight has weight 1.

    Raises:
        InvalidUrl: One is not of that form, a name stands twice, a weight names no reward, or none counts.
    """
    urls = parse_reward_urls(rewards)
    given: dict[str, float] = {}
    for option in weights:
        name, _, text = option.partition("=")
        try:
            weight = float(text)
        except ValueError:
            raise InvalidUrl(f"--weight {option!r}: write NAME=NUMBER") from None
        if name not in urls:
            raise InvalidUrl(f"--weight {name} names no --reward")
        if name in given:
            raise InvalidUrl(f"--weight {name} stands twice")
        if not math.isfinite(weight):
            raise InvalidUrl(f"--weight {option!r}: not a finite number")
        given[name] = weight
    specs = [RewardSpec(name=name, url=url, weight=given.get(name, 1.0)) for name, url in urls.items()]
    if not any(spec.weight for spec in specs):
        raise InvalidUrl("no reward counts: give at least one --reward a weight other than 0")
    return specs


class Connect(Protocol):
    """Makes the client of a URL, as `RewardClient.from_url` does."""

    def __call__(self, url: str, *, api_key: str | None, timeout_seconds: float) -> RewardClient:
        """Make one; nothing is sent yet."""


@dataclasses.dataclass(slots=True)
class _Batch:
    """The scores of one call of all reward functions, asked for once."""

    completions: Any
    task: asyncio.Task[dict[str, list[Score]]]


class RewardBoard:
    """Asks all rewards for a batch at once and hands each its column. Lives on TRL's event loop.

    Args:
        specs: The rewards.
        timeout_seconds: How long an outage is waited out before the run ends.
        shadow_wait_seconds: How long a step waits for its shadows when all rewards that count are there.
        shadow_every: Shadows are asked at the first step and then at each ``shadow_every``-th.
        max_failed_share: When more of the rollouts of the last ``failure_window`` steps got no reward, `stop_reason`
            is set; the trainer then stops with a checkpoint.
        monitors: What they measure of each step is logged.
    """

    def __init__(
        self,
        specs: Sequence[RewardSpec],
        *,
        metrics: TrainerMetrics,
        api_key: str | None = None,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        max_failed_share: float = 0.5,
        failure_window: int = 5,
        shadow_wait_seconds: float = SHADOW_WAIT_SECONDS,
        shadow_every: int = 1,
        monitors: Sequence[Monitor] = (),
        connect: Connect = RewardClient.from_url,
    ) -> None:
        self.specs = list(specs)
        self.stop_reason: str | None = None
        self.counts: collections.Counter[str] = collections.Counter()
        self._metrics = metrics
        metrics.expect([spec.name for spec in self.specs])
        self._api_key = api_key
        self._timeout_seconds = timeout_seconds
        self._max_failed_share = max_failed_share
        self._shadow_wait_seconds = shadow_wait_seconds
        self._shadow_every = shadow_every
        self._monitors = list(monitors)
        self._steps = 0
        self._connect = connect
        self._recent: collections.deque[tuple[int, int]] = collections.deque(maxlen=failure_window)
        self._clients: dict[str, RewardClient] = {}
        self._batch: _Batch | None = None

    @property
    def weights(self) -> list[float]:
        """The weights, in the order of `functions`."""
        return [spec.weight for spec in self.specs]

    def functions(self) -> list[RewardFunction]:
        """One asynchronous reward function for each reward, named after it, as GRPOTrainer takes them."""
        return [self._function(spec) for spec in self.specs]

    async def aclose(self) -> None:
        """Give up what is being asked for, and close all connections."""
        if self._batch is not None:
            await end_tasks([self._batch.task])
        await asyncio.gather(*(client.aclose() for client in self._clients.values()))
        self._clients.clear()

    def _function(self, spec: RewardSpec) -> RewardFunction:
        async def reward(prompts: Any, completions: Any, **columns: Any) -> list[float | None]:
            scores = await self._scores_for(prompts, completions, columns)
            if spec.name not in scores:  # a shadow that is not asked at this step
                return [None] * len(completions)
            usable = self._usable(scores)
            return [score.reward if usable[row] else None for row, score in enumerate(scores[spec.name])]

        reward.__name__ = spec.name
        return reward

    async def _scores_for(self, prompts: Any, completions: Any, columns: dict[str, Any]) -> dict[str, list[Score]]:
        """All functions of one step are called with the same list of completions; the first call asks for all."""
        if self._batch is None or self._batch.completions is not completions:
            rollouts = rollouts_of(prompts, completions, columns)
            log_metric: LogMetric | None = columns.get("log_metric")
            self._batch = _Batch(completions, asyncio.ensure_future(self._ask(rollouts, log_metric)))
        return await asyncio.shield(self._batch.task)

    async def _ask(self, rollouts: list[Rollout], log_metric: LogMetric | None) -> dict[str, list[Score]]:
        begun = time.perf_counter()
        with_shadows = self._steps % self._shadow_every == 0
        self._steps += 1
        shadows = {
            spec.name: Shadow(self._client(spec), rollouts) for spec in self.specs if with_shadows and not spec.weight
        }
        try:
            async with asyncio.TaskGroup() as group:
                tasks = {
                    spec.name: group.create_task(self._client(spec).score(rollouts))
                    for spec in self.specs
                    if spec.weight
                }
            if shadows:
                await asyncio.wait(_tasks_of(shadows.values()), timeout=self._shadow_wait_seconds)
        finally:
            await end_tasks(_tasks_of(shadows.values()))
        scores = {name: task.result() for name, task in tasks.items()}
        scores |= {name: shadow.scores() for name, shadow in shadows.items()}
        waited = time.perf_counter() - begun
        self._metrics.reward_wait_seconds.observe(waited)
        self._count(scores, len(rollouts))
        if log_metric is not None:
            self._log(scores, rollouts, waited, log_metric)
        return scores

    def _client(self, spec: RewardSpec) -> RewardClient:
        if spec.name not in self._clients:
            self._clients[spec.name] = self._connect(
                spec.url, api_key=self._api_key, timeout_seconds=self._timeout_seconds
            )
        return self._clients[spec.name]

    def _usable(self, scores: dict[str, list[Score]]) -> list[bool]:
        """For each rollout, whether every weighted reward has scored it."""
        weighted = [scores[spec.name] for spec in self.specs if spec.weight]
        return [all(score.reward is not None for score in row) for row in zip(*weighted, strict=True)]

    def _count(self, scores: dict[str, list[Score]], rollouts: int) -> None:
        for name, column in scores.items():
            for score in column:
                self.counts[f"{name}/{score.status}"] += 1
                self._metrics.rollouts_total.labels(name, score.status).inc()
            rewards = [score.reward for score in column if score.reward is not None]
            self._metrics.score.labels(name).set(sum(rewards) / len(rewards) if rewards else math.nan)
            why = collections.Counter((score.status, score.error.code) for score in column if score.error is not None)
            for (status, code), count in why.items():
                log.warning("rollouts_without_reward", reward=name, status=status, code=code, count=count)
        unusable = self._usable(scores).count(False)
        self._recent.append((unusable, rollouts))
        failed, asked = (sum(column) for column in zip(*self._recent, strict=True))
        if failed > self._max_failed_share * asked:
            self.stop_reason = f"{failed} of the last {asked} rollouts got no reward"

    def _log(
        self, scores: dict[str, list[Score]], rollouts: list[Rollout], waited: float, log_metric: LogMetric
    ) -> None:
        for name, column in scores.items():
            rewards = [score.reward for score in column if score.reward is not None]
            if rewards:
                log_metric(f"scores/{name}", sum(rewards) / len(rewards))
            log_metric(f"unscored/{name}", float(len(column) - len(rewards)))
        completions = [rollout.completion for rollout in rollouts]
        characters = sum(map(len, completions)) / len(completions)
        log_metric("reward_wait_seconds", waited)
        log_metric("policy/characters", characters)
        log_metric("policy/distinct_2", distinct_n(completions, 2))
        self._metrics.policy_characters.set(characters)
        self._metrics.policy_distinct_2.set(distinct_n(completions, 2))
        step = self._scored_step(scores, rollouts)
        for monitor in self._monitors:
            if (value := monitor.measure(step)) is not None:
                log_metric(monitor.figure, value)

    def _scored_step(self, scores: dict[str, list[Score]], rollouts: list[Rollout]) -> ScoredStep:
        """What TRL adds up, and the flags of all."""
        weighted = [spec for spec in self.specs if spec.weight]
        weights = [spec.weight for spec in weighted]
        sums: list[float | None] = []
        for row in zip(*(scores[spec.name] for spec in weighted), strict=True):
            rewards = [score.reward for score in row if score.reward is not None]
            complete = len(rewards) == len(row)
            sums.append(sum(map(operator.mul, weights, rewards)) if complete else None)
        flags = [frozenset().union(*(score.flags for score in row)) for row in zip(*scores.values(), strict=True)]
        return ScoredStep(rollouts=rollouts, rewards=sums, flags=flags)


def _tasks_of(shadows: Iterable[Shadow]) -> list[asyncio.Task[list[Score]]]:
    return [task for shadow in shadows for task in shadow.tasks]


def rollouts_of(prompts: Sequence[Any], completions: Sequence[Any], columns: dict[str, Any]) -> list[Rollout]:
    """TRL's prompts and completions as rollouts; ids are unique in the batch.

    What the reward sees as the prompt is the dataset's column ``request`` where there is one: the words of the user,
    without what was put around them for the policy. Neighbours with the same prompt form a group; its name is never
    used again, so that a service that compares the members of a group cannot mix two steps.
    """
    requests = columns.get("request") or [text_of(prompt) for prompt in prompts]
    texts = [(request, text_of(completion)) for request, completion in zip(requests, completions, strict=True)]
    batch = uuid.uuid4().hex[:12]
    rollouts: list[Rollout] = []
    for number, (_, neighbours) in enumerate(itertools.groupby(texts, key=operator.itemgetter(0))):
        members = list(neighbours)
        rollouts += [
            Rollout(
                id=str(row),
                prompt=request,
                completion=completion,
                group=f"{batch}-{number}",
                metadata={GROUP_SIZE: len(members)},
            )
            for row, (request, completion) in enumerate(members, start=len(rollouts))
        ]
    return rollouts


def text_of(value: Any) -> str:
    """The text of a plain prompt or completion, or of the last message of a conversation."""
    if isinstance(value, str):
        return value
    return str(value[-1]["content"])
