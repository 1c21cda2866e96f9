"""Asking rewards, by their URLs, for scores of many texts: all rewards at once, in parts, with a journal.

    rewards = parse_named_rewards(["judge=http://127.0.0.1:8001"])
    scores = ask_rewards(rewards, rows, journal=output / JOURNAL, console=console)  # {"judge": [Score, …]}, as the rows

Each text is asked once for each reward, however often it stands among the rows, and not at all where the journal has
its reward already. So an evaluation that was killed goes on where it was. What failed or expired stays what it is, a
`Score` with an error; what of it may pass is asked again when the journal is opened again.
"""

from __future__ import annotations

import asyncio
import dataclasses
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress, TaskID

from shared.client import RewardClient
from shared.client.base import DEFAULT_TIMEOUT_SECONDS
from shared.errors import InvalidRequest, ZhufuError
from shared.schemas import RewardInfo, Rollout, Score
from trainer.evaluation.score_journal import ScoreJournal
from trainer.progress_bar import progress_bar
from trainer.rewards import parse_reward_urls

JOURNAL = "scores.jsonl"
"""Name of the journal in an evaluation's folder."""
ROWS_AT_ONCE = 32
"""Rows of one request; what is under way when a process is killed is asked again."""
REQUESTS_AT_ONCE = 4
"""Of one reward. A client by HTTP has twice as many places, so that none waits for one."""

Row = tuple[str, str]
"""A prompt and a completion."""


@dataclasses.dataclass(frozen=True, slots=True)
class NamedReward:
    """A reward and what it is called in a report."""

    name: str
    url: str

    @property
    def shown(self) -> str:
        """The URL as it may stand in a record: a queue's may hold a password."""
        parts = urllib.parse.urlsplit(self.url)
        return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


class Connect(Protocol):
    """Makes the client of a URL, as `RewardClient.from_url` does."""

    def __call__(self, url: str, *, api_key: str | None, timeout_seconds: float) -> RewardClient:
        """Make one; nothing is sent yet."""


def parse_named_rewards(options: Sequence[str]) -> list[NamedReward]:
    """Read ``NAME=URL`` options.

    Raises:
        InvalidUrl: One is not of that form, a name stands twice, or there is none.
    """
    return [NamedReward(name, url) for name, url in parse_reward_urls(options).items()]


def ask_rewards(
    rewards: Sequence[NamedReward],
    rows: Sequence[Row],
    *,
    journal: Path | None,
    console: Console,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    api_key: str | None = None,
    title: str = "score",
    connect: Connect = RewardClient.from_url,
) -> dict[str, list[Score]]:
    """`ask`, for who has no event loop."""
    return asyncio.run(
        ask(
            rewards,
            rows,
            journal=journal,
            console=console,
            timeout_seconds=timeout_seconds,
            api_key=api_key,
            title=title,
            connect=connect,
        )
    )


async def ask(
    rewards: Sequence[NamedReward],
    rows: Sequence[Row],
    *,
    journal: Path | None,
    console: Console,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    api_key: str | None = None,
    title: str = "score",
    connect: Connect = RewardClient.from_url,
) -> dict[str, list[Score]]:
    """The scores of every reward, in the order of the rows; their ids mean nothing.

    Args:
        rewards: With names that differ.
        rows: (prompt, completion) each.
        journal: Where scores are saved, and taken from; None keeps them in memory only.
        console: Where progress is shown, one bar a reward.
        timeout_seconds: Of one request of `ROWS_AT_ONCE` rows, outages included.
        api_key: Of the services, by HTTP.
        title: Said before each bar.
        connect: How a client is made.

    Raises:
        InvalidRequest: A prompt is empty, or a text is none.
        RewardUnavailable: A reward was away for longer than the time allowed. What was scored before is saved.
        RewardRejected, RewardProtocolError: A reward refuses, or breaks the contract.
        RewardChanged: A reward answers as another version than before.
        ScoreJournalInUse, ScoreJournalBroken: The journal cannot be used.
    """
    unique = list(dict.fromkeys(rows))
    numbers = {row: number for number, row in reversed(list(enumerate(rows, start=1)))}
    rollouts = {row: _rollout(numbers[row], row) for row in unique}
    with ScoreJournal(journal) as saved, progress_bar(console) as progress:
        askers = [_Asker(reward, saved, progress, title, unique) for reward in rewards]
        async with _FirstError() as group:
            for asker in askers:
                client = connect(asker.reward.url, api_key=api_key, timeout_seconds=timeout_seconds)
                group.create_task(asker.run(client, rollouts))
        return {asker.reward.name: [asker.scores[row] for row in rows] for asker in askers}


async def describe(
    rewards: Sequence[NamedReward],
    *,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    api_key: str | None = None,
    connect: Connect = RewardClient.from_url,
) -> dict[str, RewardInfo]:
    """What each reward says of itself; raises as `ask`."""

    async def describe_one(reward: NamedReward) -> RewardInfo:
        async with connect(reward.url, api_key=api_key, timeout_seconds=timeout_seconds) as client:
            return await client.info()

    async with _FirstError() as group:
        tasks = {reward.name: group.create_task(describe_one(reward)) for reward in rewards}
    return {name: task.result() for name, task in tasks.items()}


class _FirstError(asyncio.TaskGroup):
    """A group whose first error, if it is one of ours, comes out as it is."""

    async def __aexit__(self, *details: object) -> None:
        try:
            await super().__aexit__(*details)  # type: ignore[arg-type]
        except BaseExceptionGroup as errors:
            ours, _ = errors.split(ZhufuError)
            while isinstance(ours, BaseExceptionGroup):
                ours = ours.exceptions[0]  # type: ignore[assignment]
            if ours is None:
                raise
            raise ours from None


class _Asker:
    """Asks one reward."""

    def __init__(
        self, reward: NamedReward, saved: ScoreJournal, progress: Progress, title: str, rows: Sequence[Row]
    ) -> None:
        self.reward = reward
        self.scores: dict[Row, Score] = {}
        self._saved = saved
        self._progress = progress
        self._open: list[Row] = []
        for row in rows:
            score = saved.get(reward.name, *row)
            if score is None or (score.error is not None and score.error.retryable):
                self._open.append(row)
            else:
                self.scores[row] = score
        self._bar: TaskID = progress.add_task(f"{title} {reward.name}", total=len(rows), figures="")
        self._show()

    async def run(self, client: RewardClient, rollouts: dict[Row, Rollout]) -> None:
        parts = (self._open[start : start + ROWS_AT_ONCE] for start in range(0, len(self._open), ROWS_AT_ONCE))
        async with client, _FirstError() as group:
            for _ in range(REQUESTS_AT_ONCE):
                group.create_task(self._work(client, parts, rollouts))

    async def _work(self, client: RewardClient, parts: Iterator[list[Row]], rollouts: dict[Row, Rollout]) -> None:
        """Take one part after the other, until there is none; several workers share the parts."""
        for part in parts:
            scores = await client.score([rollouts[row] for row in part])
            self._saved.append(self.reward.name, [(*row, score) for row, score in zip(part, scores, strict=True)])
            self.scores.update(zip(part, scores, strict=True))
            self._show()

    def _show(self) -> None:
        failed = sum(score.status != "scored" for score in self.scores.values())
        self._progress.update(self._bar, completed=len(self.scores), figures=f"not scored {failed:,}")


def _rollout(number: int, row: Row) -> Rollout:
    prompt, completion = row
    try:
        return Rollout(id=str(number), prompt=prompt, completion=completion)
    except ValidationError as error:
        reason = error.errors(include_input=False)[0]
        raise InvalidRequest(f"row {number} cannot be scored: {reason['loc'][0]}: {reason['msg']}") from None
