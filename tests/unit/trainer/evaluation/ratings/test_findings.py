"""What people say of policies, and how far rewards say the same."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from shared.errors import InvalidData
from tests.unit.trainer.evaluation.ratings.made import evaluated, filled, key_of, reward
from trainer.evaluation.policies.texts import EvaluatedText, RewardOfText
from trainer.evaluation.ratings.filled import FilledSheet
from trainer.evaluation.ratings.findings import Findings, findings
from trainer.evaluation.ratings.report import ratings_document
from trainer.evaluation.ratings.reward_agreement import LENGTH, RewardAndPeople, correlation
from trainer.report.document import Notice

PROMPTS = 30
MODELS = ["base", "sft"]
QUALITY = {"base": 1.6, "sft": 2.5}


def texts(rewards: Callable[[str, int], dict[str, RewardOfText]] = lambda model, prompt: {}) -> list[EvaluatedText]:
    """One text of each policy for each prompt, of lengths that differ and tell nothing."""
    return evaluated(
        MODELS, PROMPTS, 1, rewards=rewards, completion=lambda model, prompt, number: "福" * (20 + prompt * 7 % 11)
    )


def sheets(*, noise: float = 0.3, raters: int = 3) -> list[FilledSheet]:
    """Raters who see quality, more or less."""
    random = np.random.default_rng(4)

    def points(model: str) -> tuple[int, ...]:
        drawn = np.clip(np.round(QUALITY[model] + random.normal(0, noise, 5)), 1, 3)
        return tuple(int(value) for value in drawn)

    items = [f"{model}-row-{prompt}" for model in MODELS for prompt in range(1, PROMPTS + 1)]
    return [
        filled(f"rater-{number}", {item: points(item.partition("-")[0]) for item in items}) for number in range(raters)
    ]


def found(of: list[EvaluatedText], by: list[FilledSheet]) -> Findings:
    return findings(by, key_of(of), of)


def beside(what: Findings, name: str) -> RewardAndPeople:
    (each,) = [one for one in what.rewards if one.reward == name]
    return each


def test_policies_are_compared_by_what_people_accept() -> None:
    what = found(texts(), sheets())
    base, sft = what.models
    assert base.acceptable is not None
    assert sft.acceptable is not None
    assert sft.acceptable.mean - base.acceptable.mean > 0.5
    (compared,) = what.comparisons
    assert compared.score is not None
    assert compared.acceptable is not None
    assert (compared.one, compared.other, compared.score.prompts) == ("base", "sft", PROMPTS)
    assert compared.score.interval.low > 0.5
    assert compared.score.holm == compared.score.p < 0.001
    assert compared.acceptable.interval.mean == pytest.approx(sft.acceptable.mean - base.acceptable.mean)


def test_a_text_is_acceptable_by_the_mean_of_all_its_raters() -> None:
    key = key_of(texts())
    item = "base-row-1"
    what = findings(
        [filled("one", {item: 3}), filled("two", {item: 1}), filled("three", {item: (1, 1, 1, 1, None)})], key, None
    )
    (rated,) = what.items
    assert (len(rated.ratings), rated.score, rated.acceptable) == (2, 2.0, True)
    assert what.rewards == []


def test_a_reward_is_held_against_people_as_scipy_and_scikit_learn_would() -> None:
    random = np.random.default_rng(1)
    values = {
        (model, prompt): QUALITY[model] + float(random.normal(0, 0.8)) for model in MODELS for prompt in range(99)
    }

    def rewards(model: str, prompt: int) -> dict[str, RewardOfText]:
        value = values[(model, prompt)]
        return {"rm": reward(value, excellent=value > 2.2), "plain": reward(value if prompt > 5 else None)}

    of = texts(rewards)
    what = found(of, sheets())
    by_item = {item.id: item for item in what.items}
    scores = [by_item[f"{text.model}-{text.prompt_id}"].score for text in of]
    verdicts = [by_item[f"{text.model}-{text.prompt_id}"].acceptable for text in of]
    given = [text.rewards["rm"] for text in of]
    rm = beside(what, "rm")
    assert (rm.items, rm.missing) == (60, 0)
    assert rm.rank is not None
    assert rm.kappa is not None
    assert rm.auc is not None
    assert rm.rank_at_equal_length is not None
    assert rm.auc_at_equal_length is not None
    assert rm.rank.mean == pytest.approx(stats.spearmanr([one.reward for one in given], scores).statistic)
    assert rm.kappa.mean == pytest.approx(cohen_kappa_score([one.excellent for one in given], verdicts))
    assert rm.auc.mean == pytest.approx(roc_auc_score(verdicts, [one.reward for one in given]))
    assert rm.rank_at_equal_length.mean == pytest.approx(rm.rank.mean, abs=0.1), "lengths tell nothing here"
    assert rm.rank.low < rm.rank.mean < rm.rank.high
    plain = beside(what, "plain")
    assert (plain.items, plain.missing, plain.kappa) == (50, 10, None)
    assert plain.rank is not None


def test_a_reward_that_counts_characters_is_named() -> None:
    of = evaluated(
        MODELS,
        PROMPTS,
        1,
        rewards=lambda model, prompt: {"long": reward(float(prompt))},
        completion=lambda model, prompt, number: "福" * prompt,
    )
    by_length = {f"{m}-row-{p}": 1 + (p > 10) + (p > 20) for m in MODELS for p in range(1, PROMPTS + 1)}
    what = found(of, [filled("one", by_length), filled("two", by_length)])
    alone, reward_named_long = beside(what, LENGTH), beside(what, "long")
    assert alone.rank is not None
    assert reward_named_long.rank is not None
    assert reward_named_long.rank.mean == pytest.approx(alone.rank.mean)
    assert reward_named_long.rank_at_equal_length is None
    assert any("long agrees with people no better than length does" in text for text in notices(what))


def notices(what: Findings) -> list[str]:
    return [notice.text for notice in document_notices(what)]


def document_notices(what: Findings) -> list[Notice]:
    return list(ratings_document(what, {}).notices)


def test_raters_who_throw_dice_are_named() -> None:
    random = np.random.default_rng(7)
    items = [f"{model}-row-{prompt}" for model in MODELS for prompt in range(1, PROMPTS + 1)]
    dice = [
        filled(f"rater-{number}", {item: [int(point) for point in random.integers(1, 4, 5)] for item in items})
        for number in range(2)
    ]
    (notice,) = document_notices(found(texts(), dice))
    assert notice.text.startswith("Raters agree no better than by chance")
    assert notice.tone == "bad"
    assert document_notices(found(texts(), sheets(noise=0.2))) == []


def test_copies_and_empty_sheets_are_named() -> None:
    (one,) = sheets(raters=1)
    copy = FilledSheet(rater="copy", points=one.points, comments={}, items=one.items)
    what = found(texts(), [one, copy, filled("nobody", {})])
    assert what.empty_sheets == ["nobody"]
    assert [text for text in notices(what) if "nobody" in text] == ["Without any points: nobody."]
    assert [text for text in notices(what) if "copy" in text and "very same points" in text]
    assert json.loads(json.dumps(what.record()))["copied_sheets"] == [["rater-0", "copy"]]


def test_one_rater_alone_is_shown_without_agreement() -> None:
    what = found(texts(), sheets(raters=1))
    assert "nothing is known of how far they agree" in " ".join(notices(what))
    assert ratings_document(what, {}).sections[0].title == "Policies"


def test_sheets_without_a_complete_rating_are_refused() -> None:
    with pytest.raises(InvalidData, match="not one text has points in all five dimensions"):
        found(texts(), [filled("one", {"base-row-1": (1, 1, 1, 1, None)}), filled("two", {})])


def test_texts_that_are_not_those_that_were_rated_are_refused() -> None:
    of = texts()
    changed = [of[0].model_copy(update={"completion": "另一条"}), *of[1:]]
    with pytest.raises(InvalidData, match="another text now than the one that was rated as base-row-1"):
        findings(sheets(), key_of(of), changed)


def test_a_correlation_of_what_does_not_vary_is_none() -> None:
    constant, other = np.full(6, 0.1), np.arange(6.0)
    assert np.isnan(correlation(constant, other)(np.ones((1, 6))))[0]
    assert correlation(other, other)(np.ones((1, 6)))[0] == pytest.approx(1.0)
    assert correlation(other, -other)(np.ones((2, 6))).tolist() == pytest.approx([-1.0, -1.0])
