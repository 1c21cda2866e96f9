"""Two policies under one reward: paired by prompt, failures apart, and what length explains is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from shared.schemas import Score
from tests.unit.trainer.evaluation.policies.made import failed, scored, written
from trainer.evaluation.policies.comparison import Comparison, compare
from trainer.evaluation.policies.excellence import Excellence
from trainer.evaluation.policies.lengths import adjusted
from trainer.evaluation.policies.reward_figures import Judged, reward_figures
from trainer.evaluation.policies.samples import PolicySample, Written

VERDICT = Excellence("verdict")
PROMPTS, SAMPLES = 60, 2


def policy(name: str, *, around: int, seed: int, prompts: int = PROMPTS) -> Written:
    """Texts whose lengths differ."""
    random = np.random.default_rng(seed)
    return written(
        name, [["福" * int(random.integers(around - 10, around + 11)) for _ in range(SAMPLES)] for _ in range(prompts)]
    )


def judged(
    policies: Sequence[Written], reward: Callable[[str, PolicySample], Score], excellence: Excellence | None = None
) -> Judged:
    return Judged(
        reward="rm",
        version="rm@1",
        excellence=excellence,
        scores={each.model: [reward(each.model, sample) for sample in each.samples] for each in policies},
    )


def compared(policies: Sequence[Written], by: Judged) -> list[Comparison]:
    equal = adjusted({each.model: by.lengths_and_rewards(each) for each in policies})
    return compare(policies, [by], {"rm": equal})


def noise(sample: PolicySample) -> float:
    return int.from_bytes(f"{sample.id}{len(sample.completion)}".encode()) % 97 / 97 * 0.2


def test_a_rise_that_goes_with_length_is_called_one() -> None:
    policies = [policy("base", around=30, seed=1), policy("sft", around=40, seed=2)]
    (found,) = compared(policies, judged(policies, lambda _, s: scored(len(s.completion) / 20 + noise(s))))
    assert found.mean is not None
    assert found.mean.interval.low > 0
    assert found.characters.low > 5
    assert found.by_length == pytest.approx(1.0, abs=0.3)
    assert found.rises_mostly_by_length


def test_a_rise_at_equal_length_is_not() -> None:
    policies = [policy("base", around=30, seed=1), policy("sft", around=40, seed=2)]
    (found,) = compared(
        policies,
        judged(policies, lambda name, s: scored(len(s.completion) / 100 + (name == "sft") + noise(s))),
    )
    assert found.by_length == pytest.approx(0.1, abs=0.1)
    assert not found.rises_mostly_by_length
    assert not found.hidden_by_length


def test_what_length_hides_is_named() -> None:
    policies = [policy("base", around=30, seed=1), policy("sft", around=40, seed=2)]
    by = judged(policies, lambda name, s: scored((name == "sft") * 0.5 - len(s.completion) / 20 + noise(s)))
    (found,) = compared(policies, by)
    assert found.mean is not None
    assert found.at_equal_length is not None
    assert found.mean.interval.mean < 0.1 < found.at_equal_length.low
    assert found.hidden_by_length
    assert not found.rises_mostly_by_length


def test_a_fall_and_a_difference_by_chance_are_no_rise() -> None:
    policies = [policy("base", around=40, seed=1), policy("sft", around=30, seed=2)]
    (fall,) = compared(policies, judged(policies, lambda _, s: scored(len(s.completion) / 20 + noise(s))))
    assert fall.by_length is not None
    assert not fall.rises_mostly_by_length
    (chance,) = compared(policies, judged(policies, lambda _, s: scored(noise(s))))
    assert chance.by_length is None
    assert not chance.hidden_by_length
    assert not chance.rises_mostly_by_length


def test_pairs_are_of_prompts_that_both_have_a_reward_for() -> None:
    one, other = policy("one", around=20, seed=1, prompts=6), policy("other", around=20, seed=2, prompts=4)

    def reward(name: str, sample: PolicySample) -> Score:
        if sample.prompt_id == "row-1":
            return failed()
        return scored(2.0 if name == "other" else 1.0, verdict=name == "other")

    (found,) = compared([one, other], judged([one, other], reward, VERDICT))
    assert found.mean is not None
    assert found.excellence is not None
    assert (found.mean.prompts, found.mean.interval.mean) == (3, 1.0)
    assert (found.excellence.prompts, found.excellence.interval.mean) == (3, 1.0)


def test_a_reward_that_failed_everywhere_gives_no_difference() -> None:
    policies = [policy("one", around=20, seed=1, prompts=3), policy("other", around=20, seed=2, prompts=3)]
    (found,) = compared(policies, judged(policies, lambda *_: failed()))
    assert (found.mean, found.excellence, found.at_equal_length, found.matched.difference) == (None, None, None, None)


def test_each_p_is_corrected_for_all_pairs() -> None:
    policies = [policy(name, around=20, seed=seed, prompts=12) for seed, name in enumerate("abc")]
    shift = {"a": 0.0, "b": 0.02, "c": 0.5}
    found = compared(policies, judged(policies, lambda name, s: scored(shift[name] + noise(s))))
    means = [each.mean for each in found]
    assert [(each.one, each.other) for each in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    small = sorted(mean.p for mean in means if mean is not None)
    assert sorted(mean.holm for mean in means if mean is not None)[0] == pytest.approx(3 * small[0])
    assert all(mean.p <= mean.holm for mean in means if mean is not None)


def test_failures_are_counted_apart_and_are_in_no_mean() -> None:
    one = written("one", [["一", "二"], ["三", "四"], ["五", "六"]])
    scores = [scored(1.0, verdict=True), failed("llm_timeout"), failed("llm_timeout"), failed("text_too_long")]
    scores += [scored(0.0, verdict=False), Score(**{**scored(0.5).model_dump(), "verdict": None})]
    by = Judged(reward="judge", version="judge@1", excellence=VERDICT, scores={"one": scores})
    figures = reward_figures(one, by, adjusted({"one": by.lengths_and_rewards(one)}), {"first": ["row-1", "row-2"]})
    assert (figures.samples, figures.scored, figures.undecided) == (6, 3, 1)
    assert figures.failures == {"llm_timeout": 2, "text_too_long": 1}
    assert figures.failed_share == pytest.approx(0.5)
    assert figures.mean is not None
    assert figures.excellence is not None
    assert figures.mean.mean == pytest.approx((1.0 + 0.25) / 2)
    assert figures.excellence.mean == pytest.approx((1.0 + 0.0) / 2)
    first = figures.excellence_of["first"]
    assert first is not None
    assert first.mean == 1.0
