"""What a person is given to read: the samples that tell most, each text once."""

from __future__ import annotations

from shared.schemas import Score
from tests.unit.trainer.evaluation.policies.made import failed, scored, written
from trainer.evaluation.policies.copying import Copied
from trainer.evaluation.policies.reading import SHOWN, ReadingList, reading_lists
from trainer.evaluation.policies.reward_figures import Judged


def by(name: str, scores: dict[str, list[Score]]) -> Judged:
    return Judged(reward=name, version=None, excellence=None, scores=scores)


def named(lists: list[ReadingList], title: str) -> ReadingList:
    (found,) = [each for each in lists if each.title == title]
    return found


def test_the_lowest_come_first_and_failures_are_not_low() -> None:
    policy = written("p", [["一"], ["二"], ["三"]])
    lists = reading_lists([policy], [by("rm", {"p": [scored(2.0), failed(), scored(-1.0)]})], None)
    assert [read.sample.completion for read in named(lists, "Lowest under rm").samples] == ["三", "一"]
    assert named(lists, "Lowest under rm").samples[0].rewards == {"rm": -1.0}
    assert [each.title for each in lists] == ["Lowest under rm", "Longest"]


def test_each_policy_has_its_place_and_each_text_is_shown_once() -> None:
    first = written("first", [["同"] * 3, *[[f"文{number}"] for number in range(20)]])
    second = written("second", [["另"]])
    scores = {"first": [scored(0.0)] * 3 + [scored(float(number)) for number in range(20)], "second": [scored(99.0)]}
    lists = reading_lists([first, second], [by("rm", scores)], None)
    shown = named(lists, "Lowest under rm").samples
    assert [read.model for read in shown] == ["first"] * SHOWN + ["second"]
    assert len({read.sample.row for read in shown}) == len(shown)


def test_rewards_are_at_odds_by_rank_not_by_size() -> None:
    policy = written("p", [["一"], ["二"], ["三"], ["四"]])
    small = by("small", {"p": [scored(0.1), scored(0.2), scored(0.3), scored(0.4)]})
    large = by("large", {"p": [scored(100.0), scored(500.0), scored(300.0), scored(-900.0)]})
    read = named(reading_lists([policy], [small, large], None), "Rewards most at odds").samples
    assert read[0].sample.completion == "四"
    assert read[0].why == "rank 100% by small, 25% by large"


def test_copies_are_listed_and_what_is_new_is_not() -> None:
    policy = written("p", [["一"], ["二"], ["三"]])
    copied = {
        "p": [
            Copied(whole=False, stretch=0.9, grams=0.8),
            Copied(whole=True, stretch=1.0, grams=1.0),
            Copied(whole=False, stretch=0.3, grams=0.2),
        ]
    }
    scores = {"p": [scored(0.0)] * 3}
    read = named(reading_lists([policy], [by("rm", scores)], copied), "Copied from the training texts").samples
    assert [(each.sample.completion, each.why) for each in read] == [
        ("二", "whole"),
        ("一", "90% in one stretch, 80% in short runs"),
    ]
