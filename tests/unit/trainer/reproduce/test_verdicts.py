from __future__ import annotations

import pytest

from tests.unit.trainer.reproduce.made import measured
from trainer.evaluation.intervals import Interval
from trainer.reproduce.measured import Measured
from trainer.reproduce.results import Comparison, Difference
from trainer.reproduce.rows import row_named
from trainer.reproduce.verdicts import Change, Verdict, learned_from_its_reward


@pytest.fixture(scope="module")
def made() -> Measured:
    return measured()


def found(made: Measured, row: str, against: str, reward: str = "reward_model") -> Change:
    (change,) = (
        each for each in made.changes if (each.row.name, each.against.name, each.reward) == (row, against, reward)
    )
    return change


@pytest.mark.parametrize(
    ("row", "against", "verdict"),
    [
        ("sft", "base", Verdict.LEARNED),
        ("rm-rl", "base", Verdict.BY_LENGTH),
        ("judge-rl", "base", Verdict.NO_CHANGE),
        ("sft-rm-rl", "base", Verdict.LEARNED),
        ("sft-rm-rl", "sft", Verdict.LEARNED),
        ("sft-judge-rl", "base", Verdict.NO_CHANGE),
        ("sft-judge-rl", "sft", Verdict.WORSE),
    ],
)
def test_what_became_of_a_row_is_told_rightly(made: Measured, row: str, against: str, verdict: Verdict) -> None:
    assert found(made, row, against).verdict is verdict


def test_every_row_is_held_against_the_base_and_those_from_sft_against_that_too(made: Measured) -> None:
    under_one = [change for change in made.changes if change.reward == "judge"]
    assert [(change.row.name, change.against.name) for change in under_one] == [
        ("sft", "base"),
        ("rm-rl", "base"),
        ("judge-rl", "base"),
        ("sft-rm-rl", "base"),
        ("sft-rm-rl", "sft"),
        ("sft-judge-rl", "base"),
        ("sft-judge-rl", "sft"),
    ]


def test_a_row_is_asked_by_the_reward_that_it_climbed_against_where_it_began(made: Measured) -> None:
    assert learned_from_its_reward(made.changes) == {
        "rm-rl": Verdict.BY_LENGTH,
        "judge-rl": Verdict.NO_CHANGE,
        "sft-rm-rl": Verdict.LEARNED,
        "sft-judge-rl": Verdict.WORSE,
    }
    assert found(made, "rm-rl", "base", "reward_model").climbed
    assert not found(made, "rm-rl", "base", "judge").climbed


def comparison(mean: Interval | None, equal: Interval | None, *, mostly: bool = False) -> Change:
    return Change(
        row=row_named("sft"),
        against=row_named("base"),
        reward="judge",
        comparison=Comparison(
            one="base",
            other="sft",
            reward="judge",
            characters=Interval(1, 0, 2),
            excellence=None,
            mean=None if mean is None else Difference(interval=mean, prompts=10, holm=0.01),
            at_equal_length=equal,
            by_length=None,
            rises_mostly_by_length=mostly,
        ),
    )


UP, LESS_UP = Interval(1, 0.5, 1.5), Interval(0.3, -0.1, 0.7)


def test_a_rise_of_which_nothing_is_seen_to_be_left_at_equal_length_is_of_length() -> None:
    assert comparison(UP, UP).verdict is Verdict.LEARNED
    assert comparison(UP, LESS_UP).verdict is Verdict.BY_LENGTH
    assert comparison(UP, UP, mostly=True).verdict is Verdict.BY_LENGTH
    assert comparison(UP, None).verdict is Verdict.LEARNED, "lengths do not differ, or cannot be compared"
    assert comparison(LESS_UP, UP).verdict is Verdict.NO_CHANGE


def test_without_figures_there_is_no_verdict() -> None:
    assert comparison(None, None).verdict is Verdict.NOT_MEASURED
    missing = Change(row=row_named("sft"), against=row_named("base"), reward="judge", comparison=None)
    assert missing.verdict is Verdict.NOT_MEASURED
    assert missing.difference is None
