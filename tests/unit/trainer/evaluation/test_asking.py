"""Asking rewards for many scores: each text once, in order, saved, and gone on with."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from pydantic import JsonValue
from rich.console import Console

from shared.client import RewardClient
from shared.errors import InvalidRequest, InvalidUrl, RewardUnavailable, ZhufuError
from shared.schemas import RewardInfo, RewardRange, Rollout, Score, ScoreFailure
from trainer.evaluation.asking import (
    REQUESTS_AT_ONCE,
    ROWS_AT_ONCE,
    NamedReward,
    ask_rewards,
    describe,
    parse_named_rewards,
)
from trainer.evaluation.score_journal import RewardChanged, ScoreJournal, ScoreJournalBroken, ScoreJournalInUse

QUIET = Console(file=io.StringIO())
ROWS = [
    ("给外婆的生日祝福", f"外婆，第{number}个生日快乐") for number in range(2 * ROWS_AT_ONCE * REQUESTS_AT_ONCE + 5)
]
JUDGE, MODEL = NamedReward("judge", "http://judge"), NamedReward("model", "http://model")

Answer = Callable[[Rollout], float | ZhufuError]


class Fake(RewardClient):
    """Answers as a function says, and remembers what it was asked."""

    def __init__(self, answer: Answer, *, version: str = "one", fail_after: int | None = None) -> None:
        self.answer = answer
        self.version = version
        self.fail_after = fail_after
        self.asked: list[str] = []
        self.closed = 0
        self.under_way = 0
        self.most_under_way = 0

    async def score(
        self,
        rollouts: Sequence[Rollout],
        options: Mapping[str, JsonValue] | None = None,
        *,
        request_id: str | None = None,
    ) -> list[Score]:
        if self.fail_after is not None and len(self.asked) + len(rollouts) > self.fail_after:
            raise RewardUnavailable("gone")
        self.asked += [rollout.completion for rollout in rollouts]
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        # The later it is asked, the sooner it answers: order has to come from elsewhere.
        await asyncio.sleep(0.02 / len(self.asked))
        self.under_way -= 1
        return [self._score(rollout) for rollout in rollouts]

    def _score(self, rollout: Rollout) -> Score:
        found = self.answer(rollout)
        if isinstance(found, ZhufuError):
            failure = ScoreFailure(code=found.code, detail=found.detail, retryable=found.retryable)
            return Score(id=rollout.id, status="failed", reward=None, error=failure, version="x", latency_seconds=0)
        return Score(id=rollout.id, status="scored", reward=found, version=self.version, latency_seconds=0)

    async def info(self) -> RewardInfo:
        return RewardInfo(
            name="fake", version=self.version, range=RewardRange(minimum=0, maximum=None), description="A fake."
        )

    async def aclose(self) -> None:
        self.closed += 1


def length(rollout: Rollout) -> float:
    return float(len(rollout.completion))


def ask(
    rewards: Mapping[NamedReward, Fake], rows: Sequence[tuple[str, str]], journal: Path | None = None
) -> dict[str, list[Score]]:
    fakes = {reward.url: fake for reward, fake in rewards.items()}

    def connect(url: str, *, api_key: str | None, timeout_seconds: float) -> RewardClient:
        assert api_key is None
        assert timeout_seconds > 0
        return fakes[url]

    return ask_rewards(list(rewards), rows, journal=journal, console=QUIET, connect=connect)


def test_scores_come_in_the_order_of_the_rows_and_texts_are_asked_once() -> None:
    fakes = {JUDGE: Fake(lambda rollout: ROWS.index((rollout.prompt, rollout.completion))), MODEL: Fake(length)}
    rows = [*ROWS, ROWS[3], ROWS[0]]
    scores = ask(fakes, rows)
    assert [score.reward for score in scores["judge"]] == [*range(len(ROWS)), 3, 0]
    assert [score.reward for score in scores["model"]] == [len(completion) for _, completion in rows]
    for fake in fakes.values():
        assert sorted(fake.asked) == sorted(completion for _, completion in ROWS)
        assert fake.most_under_way == REQUESTS_AT_ONCE
        assert fake.closed == 1


def test_what_is_saved_is_not_asked_again_and_what_may_pass_is(tmp_path: Path) -> None:
    journal = tmp_path / "scores.jsonl"
    lasting, passing = ROWS[5][1], ROWS[9][1]

    def failing(rollout: Rollout) -> float | ZhufuError:
        errors = {lasting: InvalidRequest("never"), passing: RewardUnavailable("not now")}
        return errors.get(rollout.completion, 0.5)

    first = ask({JUDGE: Fake(failing)}, ROWS, journal)["judge"]
    assert [score.status for score in first].count("failed") == 2
    again = Fake(lambda _: 0.25)
    second = ask({JUDGE: again}, ROWS, journal)["judge"]
    assert again.asked == [passing]
    assert (second[5].status, second[9].reward, second[0].reward) == ("failed", 0.25, 0.5)
    other = Fake(length)
    ask({JUDGE: Fake(length), MODEL: other}, ROWS[:3], journal)
    assert len(other.asked) == 3, "another reward's scores do not count"


def test_a_reward_that_goes_away_ends_it_and_nothing_that_was_scored_is_lost(tmp_path: Path) -> None:
    journal = tmp_path / "scores.jsonl"
    gone = Fake(length, fail_after=3 * ROWS_AT_ONCE)
    with pytest.raises(RewardUnavailable, match="gone"):
        ask({JUDGE: gone, MODEL: Fake(length)}, ROWS, journal)
    assert gone.closed == 1
    journal.write_bytes(journal.read_bytes() + b'{"reward": "judge", "te')  # killed while it wrote
    saved = {json.loads(line)["text"] for line in journal.read_text().split("\n")[:-1] if '"judge"' in line}
    back = Fake(length)
    assert len(ask({JUDGE: back}, ROWS, journal)["judge"]) == len(ROWS)
    assert len(back.asked) == len(ROWS) - len(saved)


def test_two_versions_of_a_reward_are_not_mixed(tmp_path: Path) -> None:
    journal = tmp_path / "scores.jsonl"
    ask({JUDGE: Fake(length)}, ROWS[:3], journal)
    before = journal.read_bytes()
    with pytest.raises(RewardChanged, match="judge answered as one before, and as two now"):
        ask({JUDGE: Fake(length, version="two")}, ROWS[:4], journal)
    assert journal.read_bytes() == before


def test_a_journal_has_one_writer_and_holds_nothing_else(tmp_path: Path) -> None:
    journal = tmp_path / "scores.jsonl"
    with ScoreJournal(journal), pytest.raises(ScoreJournalInUse, match="another process"):
        ScoreJournal(journal)
    journal.write_text('{"reward": "judge"}\n')
    with pytest.raises(ScoreJournalBroken, match="line 1"):
        ScoreJournal(journal)
    with pytest.raises(ScoreJournalBroken, match="cannot be written"):
        ScoreJournal(tmp_path / "missing" / "scores.jsonl")


def test_a_row_that_is_no_text_is_named() -> None:
    with pytest.raises(InvalidRequest, match="row 3 cannot be scored: prompt"):
        ask({JUDGE: Fake(length)}, [ROWS[0], ROWS[0], ("", "祝福")])
    with pytest.raises(InvalidRequest, match="row 1 cannot be scored: completion"):
        ask({JUDGE: Fake(length)}, [("祝福", "\ud83d")])


async def test_rewards_say_what_they_are() -> None:
    infos = await describe([JUDGE], connect=lambda url, *, api_key, timeout_seconds: Fake(length, version=url))
    assert infos["judge"].version == "http://judge"


def test_rewards_are_named_by_options() -> None:
    assert parse_named_rewards(["judge=http://127.0.0.1:1", "b=redis://127.0.0.1:2/0?reward=b"]) == [
        NamedReward("judge", "http://127.0.0.1:1"),
        NamedReward("b", "redis://127.0.0.1:2/0?reward=b"),
    ]
    for wrong in (["http://127.0.0.1"], ["judge="], ["a=http://h", "a=http://h"], ["a=ftp://h"]):
        with pytest.raises(InvalidUrl):
            parse_named_rewards(wrong)


def test_a_record_of_a_reward_holds_no_password() -> None:
    assert (
        NamedReward("judge", "redis://user:secret@redis:6379/0?reward=judge").shown
        == "redis://redis:6379/0?reward=judge"
    )
    assert NamedReward("rm", "http://127.0.0.1:8002").shown == "http://127.0.0.1:8002"
