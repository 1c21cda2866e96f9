from __future__ import annotations

import numpy as np
import pytest

from shared.errors import InvalidData
from trainer.data.lengths import close_in_length
from trainer.data.records import PreferencePair
from trainer.evaluation.auc import auc
from trainer.evaluation.rewards.ngrams import fit_ngrams
from trainer.ngram_prior import (
    BOUND,
    HEAVIEST,
    RATIO,
    TOLERANCE,
    equally_long,
    fit_ngram_prior,
    length_balanced,
    made_up,
    rows_to_weigh,
    stacked,
    weighed,
)


def pair(number: int, good: str, bad: str) -> PreferencePair:
    return PreferencePair(f"祝福语{number}", good, bad)


STYLED = [
    pair(
        number,
        "愿你" + "山川湖海星"[number % 5] * (1 + number % 7),
        "祝你" + "天地日月风"[number % 5] * (1 + number % 6),
    )
    for number in range(40)
]


def test_it_learns_which_characters_good_texts_have() -> None:
    prior = fit_ngram_prior(STYLED)
    good, bad = (
        [prior.at(text) for text in texts] for texts in zip(*((p.chosen, p.rejected) for p in STYLED), strict=True)
    )
    assert auc([*good, *bad], [1] * len(good) + [0] * len(bad), resamples=1).interval.mean == 1
    assert BOUND > prior.at("愿你山山") > 0 > prior.at("祝你天天") > -BOUND


def test_it_is_taken_in_by_length_less_than_presence_is() -> None:
    source = np.random.default_rng(0)

    def text(long: float) -> str:
        return "".join(source.choice(list("春夏秋冬山川湖海福禄寿喜"), size=max(3, int(source.normal(long, 6)))))

    pairs = [pair(number, text(30), text(18)) for number in range(300)]
    texts = [each.chosen for each in pairs] + [each.rejected for each in pairs]
    prior, presence = fit_ngram_prior(pairs), fit_ngrams(texts, [1] * 300 + [0] * 300)
    new = [text(24) for _ in range(400)]
    long = [int(len(each) > 24) for each in new]
    by_prior = auc([prior.at(each) for each in new], long, resamples=1).interval.mean
    by_presence = auc(presence.scores(new).tolist(), long, resamples=1).interval.mean
    assert by_prior < by_presence - 0.1


def test_texts_that_share_no_characters_cannot_be_learned_from() -> None:
    with pytest.raises(InvalidData, match="no characters in common"):
        fit_ngram_prior([pair(0, "甲", "乙"), pair(1, "丙", "丁")])


def test_at_every_length_both_labels_weigh_the_same() -> None:
    source = np.random.default_rng(0)
    labels = source.integers(2, size=600)
    characters = np.where(labels == 1, source.integers(20, 60, size=600), source.integers(5, 40, size=600)).astype(
        float
    )
    weights = length_balanced(characters, labels)
    edges = np.unique(np.quantile(characters, np.linspace(0, 1, 13)[1:-1]))
    places = np.digitize(characters, edges)
    both = 0
    for place in np.unique(places):
        good, bad = (weights[(places == place) & (labels == label)] for label in (1, 0))
        if len(good) and len(bad) and max(good.max(), bad.max()) < HEAVIEST:
            assert good.sum() == pytest.approx(bad.sum())
            both += 1
    assert both >= 4
    assert weights.max() <= HEAVIEST


def test_stacking_finds_how_much_each_part_counts() -> None:
    source = np.random.default_rng(0)
    features = source.normal(size=(20_000, 2))
    better = source.random(20_000) < 1 / (1 + np.exp(-(2 * features[:, 0] + 0.5 * features[:, 1])))
    differences = np.where(better[:, None], features, -features)
    weights = stacked([(differences[:, 0], differences[:, 1]), (differences[:0, 0], differences[:0, 1])])
    assert weights.encoder == pytest.approx(2, abs=0.1)
    assert weights.prior == pytest.approx(0.5, abs=0.05)


def test_kinds_of_comparison_weigh_the_same_however_many_there_are() -> None:
    few = (np.asarray([1.0, 1.0, 1.0, -1.0]), np.zeros(4))
    many = (np.asarray([-1.0, -1.0, -1.0, 1.0] * 50), np.zeros(200))
    assert stacked([few, many]).encoder == pytest.approx(0, abs=1e-3)
    assert stacked([few, few]).encoder == pytest.approx(np.log(3), abs=0.01)


def test_texts_are_equally_long_exactly_where_the_rule_says_so() -> None:
    good, bad = np.arange(1.0, 60.0), np.arange(1.0, 80.0)
    found = equally_long(good, bad)
    assert found.tolist() == [[close_in_length(int(one), int(other)) for other in bad] for one in good]


def encoder() -> dict[tuple[str, str], float]:
    """Logits that know good pairs, noisily."""
    source = np.random.default_rng(0)
    right = {(each.prompt, each.chosen) for each in STYLED}
    rows = rows_to_weigh(STYLED, MADE_UP)
    return {row: float(source.normal() + 2 * (row in right)) for row in rows}


MADE_UP = made_up(STYLED, seed=0)


def test_a_prior_is_scaled_to_the_logits_that_it_is_added_to() -> None:
    prior = fit_ngram_prior(STYLED)
    found, weights = weighed(prior, STYLED, MADE_UP, encoder())
    assert found is not None
    assert 0 < weights.ratio <= min(RATIO, weights.prior / weights.encoder)
    assert found.at("愿你山") == pytest.approx(prior.at("愿你山") * weights.ratio, rel=1e-4)


def test_a_prior_counts_only_so_much_that_made_up_texts_do_not_pass() -> None:
    prior, logits = fit_ngram_prior(STYLED).model_copy(update={"bound": 10.0}), encoder()
    found, weights = weighed(prior, STYLED, MADE_UP, logits)
    assert found is not None
    more: dict[str, list[int]] = {}
    for kind, each in MADE_UP:
        rows = (each.prompt, each.chosen), (each.rejected_prompt or each.prompt, each.rejected)
        with_prior = [logits[row] + found.at(row[1]) for row in rows]
        passes = int(with_prior[0] <= with_prior[1]) - int(logits[rows[0]] <= logits[rows[1]])
        more.setdefault(kind, []).append(passes)
    assert all(sum(passes) <= max(1, TOLERANCE * len(passes)) for passes in more.values())
    _, unbound = weighed(prior, STYLED, [], logits)
    assert weights.ratio < unbound.ratio == RATIO


def test_beside_an_encoder_that_is_wrong_there_is_no_prior() -> None:
    right = {(each.prompt, each.chosen) for each in STYLED}
    wrong = {row: -float(row in right) - 0.1 * (len(row[1]) % 3) for row in rows_to_weigh(STYLED, MADE_UP)}
    found, weights = weighed(fit_ngram_prior(STYLED), STYLED, MADE_UP, wrong)
    assert found is None
    assert weights.encoder < 0
    assert weights.ratio == 0


def test_what_has_no_logit_does_not_count() -> None:
    prior, logits = fit_ngram_prior(STYLED), encoder()
    kept = [each for each in STYLED if each is not STYLED[3]]
    some = {row: logit for row, logit in logits.items() if row != (STYLED[3].prompt, STYLED[3].rejected)}
    made = [(kind, each) for kind, each in MADE_UP if each.chosen != STYLED[3].rejected]
    assert weighed(prior, STYLED, made, some)[1] == weighed(prior, kept, made, logits)[1]
