"""Reward functions made from URLs: what is asked, what is handed to TRL, and what is told of failures."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence

import pytest
from pydantic import JsonValue

from shared.client import RewardClient
from shared.errors import InvalidUrl, RewardRejected, RewardUnavailable, ZhufuError
from shared.schemas import RewardInfo, Rollout, Score, ScoreFailure
from tests.support.waiting import until
from trainer.metrics import TrainerMetrics
from trainer.monitors.monitor import MeasuredMonitor, Monitor, ScoredStep
from trainer.rewards import RewardBoard, RewardSpec, parse_rewards, rollouts_of, text_of

JUDGE = "http://127.0.0.1:8001"
MODEL = "redis://127.0.0.1:6379/0?reward=model"
PROMPTS = ["祝妈妈生日快乐", "祝妈妈生日快乐", "贺新居", "贺新居"]
COMPLETIONS = ["妈妈，愿您天天开心。", "生日快乐", "新居大吉，灯火可亲。", "恭喜"]

Answer = Callable[[Rollout], float | None]


class FakeReward(RewardClient):
    """Answers at once what it was told to; None is a failed score, an error is raised, ``None`` for all never ends.

    Nor does what holds a completion that it is stuck on.
    """

    def __init__(self, answer: Answer | ZhufuError | None, stuck_on: str | None = None) -> None:
        self.asked: list[list[Rollout]] = []
        self.closed = False
        self.cancelled = False
        self._answer = answer
        self._stuck_on = stuck_on

    async def score(
        self,
        rollouts: Sequence[Rollout],
        options: Mapping[str, JsonValue] | None = None,
        *,
        request_id: str | None = None,
    ) -> list[Score]:
        self.asked.append(list(rollouts))
        if isinstance(self._answer, ZhufuError):
            raise self._answer
        if self._answer is None or any(rollout.completion == self._stuck_on for rollout in rollouts):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        assert callable(self._answer)
        return [score_of(rollout, self._answer(rollout)) for rollout in rollouts]

    async def info(self) -> RewardInfo:
        raise NotImplementedError

    async def aclose(self) -> None:
        self.closed = True


class Recorder(MeasuredMonitor):
    """Keeps what it is given."""

    name = "recorder"

    def __init__(self, value: float | None) -> None:
        self.steps: list[ScoredStep] = []
        self._value = value

    def measure(self, step: ScoredStep) -> float | None:
        self.steps.append(step)
        return self._value


def score_of(rollout: Rollout, reward: float | None) -> Score:
    failure = ScoreFailure(code="refused", detail="no", retryable=False) if reward is None else None
    status = "scored" if failure is None else "failed"
    return Score.model_validate(
        {
            "id": rollout.id,
            "status": status,
            "reward": reward,
            "error": failure,
            "version": "fake",
            "flags": ["short"] if len(rollout.completion) < 3 else [],
            "latency_seconds": 0.0,
        }
    )


def by_length(rollout: Rollout) -> float | None:
    return float(len(rollout.completion))


def fails_on(*completions: str) -> Answer:
    return lambda rollout: None if rollout.completion in completions else float(len(rollout.completion))


class Board:
    """A `RewardBoard` over fakes, and a way to call its functions as TRL does."""

    def __init__(
        self,
        weights: Mapping[str, float],
        *,
        max_failed_share: float = 1.0,
        failure_window: int = 5,
        shadow_every: int = 1,
        shadow_stuck_on: str | None = None,
        monitors: Sequence[Monitor] = (),
        **answers: Answer | ZhufuError | None,
    ) -> None:
        self.fakes = {
            name: FakeReward(answer, None if weights[name] else shadow_stuck_on) for name, answer in answers.items()
        }
        self.metrics = TrainerMetrics()
        self.board = RewardBoard(
            [RewardSpec(name=name, url=f"http://{name}", weight=weight) for name, weight in weights.items()],
            metrics=self.metrics,
            max_failed_share=max_failed_share,
            failure_window=failure_window,
            shadow_wait_seconds=0.05,
            shadow_every=shadow_every,
            monitors=monitors,
            connect=self._connect,
        )
        self.logged: dict[str, float] = {}

    def _connect(self, url: str, *, api_key: str | None, timeout_seconds: float) -> RewardClient:
        return self.fakes[url.removeprefix("http://")]

    def log_metric(self, name: str, value: float) -> None:
        assert name not in self.logged, f"{name} was logged twice"
        self.logged[name] = value

    async def step(self, completions: Sequence[str] = COMPLETIONS) -> dict[str, list[float | None]]:
        """All columns, by name; all functions get the same list object, as from TRL."""
        self.logged = {}
        same = list(completions)
        functions = self.board.functions()
        columns = await asyncio.gather(
            *(
                function(prompts=PROMPTS[: len(same)], completions=same, log_metric=self.log_metric, trainer_state=None)
                for function in functions
            )
        )
        return {spec.name: column for spec, column in zip(self.board.specs, columns, strict=True)}

    def counted(self, name: str, status: str) -> float | None:
        return self.metrics.registry.get_sample_value(
            "zhufu_trainer_rollouts_total", {"reward": name, "status": status}
        )

    def shown_score(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value("zhufu_trainer_score", {"reward": name})


def test_rewards_are_read_with_their_weights_in_the_order_given() -> None:
    specs = parse_rewards([f"judge={JUDGE}", f"model={MODEL}", f"shadow={JUDGE}/v"], ["model=-0.5", "shadow=0"])
    assert specs == [
        RewardSpec(name="judge", url=JUDGE, weight=1.0),
        RewardSpec(name="model", url=MODEL, weight=-0.5),
        RewardSpec(name="shadow", url=f"{JUDGE}/v", weight=0.0),
    ]


@pytest.mark.parametrize(
    ("rewards", "weights", "says"),
    [
        ([JUDGE], [], "write NAME=URL"),
        (["=http://127.0.0.1"], [], "write NAME=URL"),
        (["judge="], [], "write NAME=URL"),
        (["a judge=http://127.0.0.1"], [], "write NAME=URL"),
        ([f"judge={JUDGE}", f"judge={MODEL}"], [], "--reward judge stands twice"),
        (["judge=ftp://127.0.0.1"], [], "--reward judge: a reward's URL starts with"),
        (["judge=redis://127.0.0.1:6379/0"], [], "--reward judge: a queue's URL names its reward"),
        (["judge=http://127.0.0.1:notaport"], [], "--reward judge: not the URL of a reward"),
        ([f"judge={JUDGE}"], ["judge"], "write NAME=NUMBER"),
        ([f"judge={JUDGE}"], ["judge=much"], "write NAME=NUMBER"),
        ([f"judge={JUDGE}"], ["judge=nan"], "not a finite number"),
        ([f"judge={JUDGE}"], ["judge=inf"], "not a finite number"),
        ([f"judge={JUDGE}"], ["model=1"], "--weight model names no --reward"),
        ([f"judge={JUDGE}"], ["judge=1", "judge=2"], "--weight judge stands twice"),
        ([f"judge={JUDGE}"], ["judge=0"], "no reward counts"),
        ([], [], "no reward counts"),
    ],
)
def test_options_that_make_no_rewards_are_refused(rewards: list[str], weights: list[str], says: str) -> None:
    with pytest.raises(InvalidUrl) as refused:
        parse_rewards(rewards, weights)
    assert says in refused.value.detail


def test_a_password_in_a_refused_url_is_not_repeated() -> None:
    with pytest.raises(InvalidUrl) as refused:
        parse_rewards(["judge=redis://:s3cret@127.0.0.1:6379/0"], [])
    assert "s3cret" not in refused.value.detail


def test_neighbours_with_the_same_prompt_form_a_group() -> None:
    rollouts = rollouts_of(["甲", "甲", "乙", "甲"], ["1", "2", "3", "4"], {})
    first, again, second, third = (rollout.group for rollout in rollouts)
    assert first == again
    assert len({first, second, third}) == 3
    assert [rollout.metadata["group_size"] for rollout in rollouts] == [2, 2, 1, 1]
    assert len({rollout.id for rollout in rollouts}) == 4
    assert [(rollout.prompt, rollout.completion) for rollout in rollouts] == [
        ("甲", "1"),
        ("甲", "2"),
        ("乙", "3"),
        ("甲", "4"),
    ]


def test_the_groups_of_two_steps_have_different_names() -> None:
    before, after = (rollouts_of(["甲", "甲"], ["1", "2"], {})[0].group for _ in range(2))
    assert before != after


def test_conversations_are_reduced_to_the_last_turn() -> None:
    prompts = [[{"role": "system", "content": "你是诗人"}, {"role": "user", "content": "贺新居"}]]
    completions = [[{"role": "assistant", "content": "灯火可亲"}]]
    (rollout,) = rollouts_of(prompts, completions, {})
    assert (rollout.prompt, rollout.completion) == ("贺新居", "灯火可亲")
    assert text_of("灯火可亲") == "灯火可亲"


def test_rewards_see_the_request_and_not_what_was_put_around_it() -> None:
    prompts = [[{"role": "user", "content": f"请写一条祝福：{request}"}] for request in ("贺新居", "贺新婚")]
    rollouts = rollouts_of(prompts, ["好", "好"], {"request": ["贺新居", "贺新婚"]})
    assert [rollout.prompt for rollout in rollouts] == ["贺新居", "贺新婚"]
    assert len({rollout.group for rollout in rollouts}) == 2


def test_completions_and_prompts_of_different_number_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        rollouts_of(["甲", "乙"], ["1"], {})


async def test_each_function_is_named_after_its_reward_and_gives_its_column() -> None:
    board = Board({"judge": 1.0, "model": 0.5}, judge=by_length, model=lambda rollout: -1.0)
    assert [function.__name__ for function in board.board.functions()] == ["judge", "model"]
    assert board.board.weights == [1.0, 0.5]
    columns = await board.step()
    assert columns == {"judge": [float(len(text)) for text in COMPLETIONS], "model": [-1.0] * 4}


async def test_all_functions_of_a_step_ask_each_reward_once() -> None:
    board = Board({"judge": 1.0, "model": 1.0, "shadow": 0.0}, judge=by_length, model=by_length, shadow=by_length)
    for steps in (1, 2):  # the second has an equal list, but another one
        await board.step()
        assert [len(board.fakes[name].asked) for name in ("judge", "model")] == [steps, steps]
        asked = board.fakes["shadow"].asked
        assert [rollout.completion for part in asked for rollout in part] == COMPLETIONS * steps


async def test_a_failed_rollout_is_none_in_every_column_and_the_others_keep_their_rewards() -> None:
    board = Board(
        {"judge": 1.0, "model": 1.0, "shadow": 0.0},
        judge=fails_on("生日快乐"),
        model=fails_on("恭喜"),
        shadow=by_length,
    )
    columns = await board.step()
    for column in columns.values():
        assert column == [float(len(COMPLETIONS[0])), None, float(len(COMPLETIONS[2])), None]


async def test_a_shadow_that_fails_on_a_rollout_changes_no_other_column() -> None:
    board = Board({"shadow": 0.0, "judge": 1.0}, judge=by_length, shadow=fails_on("恭喜"))
    columns = await board.step()
    lengths = [float(len(text)) for text in COMPLETIONS]
    assert columns == {"judge": lengths, "shadow": [*lengths[:3], None]}


async def test_a_dear_shadow_is_asked_at_every_nth_step_only() -> None:
    board = Board({"judge": 1.0, "shadow": 0.0}, shadow_every=3, judge=by_length, shadow=by_length)
    lengths = [float(len(text)) for text in COMPLETIONS]
    for step in range(5):
        columns = await board.step()
        asked = step % 3 == 0
        assert columns == {"judge": lengths, "shadow": lengths if asked else [None] * 4}
        assert ("scores/shadow" in board.logged) is asked
    assert len(board.fakes["judge"].asked) == 5
    assert sum(map(len, board.fakes["shadow"].asked)) == 2 * len(COMPLETIONS)


@pytest.mark.parametrize(
    ("trouble", "status"),
    [(RewardUnavailable("away"), "failed"), (RewardRejected("wrong key", 401), "failed"), (None, "expired")],
)
async def test_a_shadow_that_is_away_or_slow_changes_no_other_column(trouble: ZhufuError | None, status: str) -> None:
    board = Board({"judge": 1.0, "shadow": 0.0}, judge=by_length, shadow=trouble)
    columns = await asyncio.wait_for(board.step(), timeout=30)
    assert columns == {"judge": [float(len(text)) for text in COMPLETIONS], "shadow": [None] * 4}
    assert board.counted("shadow", status) == 4
    assert board.logged["unscored/shadow"] == 4
    assert "scores/shadow" not in board.logged
    assert board.board.stop_reason is None
    assert board.fakes["shadow"].cancelled == (trouble is None)


async def test_a_slow_shadow_gives_the_groups_that_it_had_scored() -> None:
    board = Board({"judge": 1.0, "shadow": 0.0}, judge=by_length, shadow=by_length, shadow_stuck_on="恭喜")
    columns = await asyncio.wait_for(board.step(), timeout=30)
    lengths = [float(len(text)) for text in COMPLETIONS]
    assert columns == {"judge": lengths, "shadow": [*lengths[:2], None, None]}
    assert [board.counted("shadow", status) for status in ("scored", "failed", "expired")] == [2, 0, 2]
    assert board.logged["unscored/shadow"] == 2
    assert board.fakes["shadow"].cancelled


async def test_a_bug_in_a_shadow_is_not_hidden() -> None:
    def broken(rollout: Rollout) -> float:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Board({"judge": 1.0, "shadow": 0.0}, judge=by_length, shadow=broken).step()


@pytest.mark.parametrize("error", [RewardUnavailable("away for too long"), RewardRejected("wrong key", 401)])
async def test_a_reward_that_counts_and_is_away_ends_the_step(error: ZhufuError) -> None:
    board = Board({"judge": 1.0, "model": 1.0, "shadow": 0.0}, judge=by_length, model=error, shadow=None)
    with pytest.raises(ExceptionGroup) as raised:
        await board.step()
    assert raised.value.exceptions == (error,)
    assert board.fakes["shadow"].cancelled


async def test_failures_are_counted_in_the_log_and_in_the_metrics() -> None:
    board = Board(
        {"judge": 1.0, "shadow": 0.0}, judge=fails_on("恭喜"), shadow=fails_on("恭喜", "生日快乐", COMPLETIONS[0])
    )
    await board.step()
    assert board.logged["unscored/judge"] == 1
    assert board.logged["unscored/shadow"] == 3
    scored = [len(text) for text in COMPLETIONS[:3]]
    assert board.logged["scores/judge"] == pytest.approx(sum(scored) / 3)
    assert board.logged["scores/shadow"] == len(COMPLETIONS[2])
    assert board.shown_score("judge") == board.logged["scores/judge"]
    assert board.shown_score("shadow") == board.logged["scores/shadow"]
    assert board.logged["policy/characters"] == sum(map(len, COMPLETIONS)) / 4
    assert 0 < board.logged["policy/distinct_2"] <= 1
    assert board.logged["reward_wait_seconds"] >= 0
    await board.step()
    assert board.counted("judge", "scored") == 6
    assert board.counted("judge", "failed") == 2
    assert board.counted("shadow", "failed") == 6
    assert dict(board.board.counts) == {
        "judge/scored": 6,
        "judge/failed": 2,
        "shadow/scored": 2,
        "shadow/failed": 6,
    }
    assert board.metrics.registry.get_sample_value("zhufu_trainer_reward_wait_seconds_count") == 2


async def test_no_mean_is_logged_where_nothing_was_scored() -> None:
    board = Board({"judge": 1.0}, judge=lambda rollout: None)
    assert await board.step() == {"judge": [None] * 4}
    assert "scores/judge" not in board.logged
    shown = board.shown_score("judge")
    assert shown is not None
    assert math.isnan(shown), "no reward is not a reward of zero"
    assert board.logged["unscored/judge"] == 4


async def test_too_large_a_share_of_failures_gives_a_reason_to_stop() -> None:
    board = Board(
        {"judge": 1.0, "model": 1.0}, max_failed_share=0.5, judge=fails_on("恭喜"), model=fails_on("生日快乐")
    )
    await board.step()
    assert board.board.stop_reason is None, "exactly the share is not above it"
    await board.step(["恭喜", "生日快乐", "恭喜", "好"])
    assert board.board.stop_reason == "5 of the last 8 rollouts got no reward"


async def test_only_recent_steps_count_for_stopping() -> None:
    board = Board({"judge": 1.0}, max_failed_share=0.5, failure_window=2, judge=fails_on("恭喜"))
    for _ in range(5):
        await board.step(["好", "好", "好", "好"])
    await board.step(["恭喜"] * 4)
    assert board.board.stop_reason is None
    await board.step(["恭喜", "好", "好", "好"])
    assert board.board.stop_reason == "5 of the last 8 rollouts got no reward"


async def test_a_failing_shadow_is_no_reason_to_stop() -> None:
    board = Board({"judge": 1.0, "shadow": 0.0}, max_failed_share=0.0, judge=by_length, shadow=lambda rollout: None)
    await board.step()
    assert board.board.stop_reason is None


async def test_closing_gives_up_what_is_being_asked_for() -> None:
    board = Board({"judge": 1.0}, judge=None)
    step = asyncio.create_task(board.step())
    await until(lambda: bool(board.fakes["judge"].asked))
    await board.board.aclose()
    assert board.fakes["judge"].cancelled
    assert board.fakes["judge"].closed
    with pytest.raises(asyncio.CancelledError):
        await step


def test_all_rewards_and_outcomes_are_in_the_metrics_before_the_first_step() -> None:
    board = Board({"judge": 1.0, "shadow": 0.0})
    for name in ("judge", "shadow"):
        assert [board.counted(name, status) for status in ("scored", "failed", "expired")] == [0, 0, 0]
        shown = board.shown_score(name)
        assert shown is not None
        assert math.isnan(shown)


def test_what_was_not_measured_is_not_zero() -> None:
    registry = TrainerMetrics().registry
    for name in ("step", "reward", "kl", "policy_characters", "policy_distinct_2", "policy_truncated"):
        value = registry.get_sample_value(f"zhufu_trainer_{name}")
        assert value is not None
        assert math.isnan(value), name


async def test_monitors_see_what_is_climbed_and_the_flags_of_all_and_what_they_measure_is_logged() -> None:
    sees, says_nothing = Recorder(0.25), Recorder(None)
    board = Board(
        {"judge": 1.0, "model": -0.5, "shadow": 0.0},
        monitors=[sees, says_nothing],
        judge=fails_on("生日快乐"),
        model=lambda rollout: 2.0,
        shadow=by_length,
    )
    await board.step()
    assert board.logged["policy/recorder"] == 0.25, "and not twice"
    (step,) = sees.steps
    assert step.completions == COMPLETIONS
    assert step.rewards == [len(COMPLETIONS[0]) - 1.0, None, len(COMPLETIONS[2]) - 1.0, 1.0]
    assert [set(flags) for flags in step.flags] == [set(), set(), set(), {"short"}]
    assert says_nothing.steps == sees.steps
