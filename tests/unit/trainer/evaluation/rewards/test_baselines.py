"""Baselines that know nothing of greetings, and never the text or the request that they are asked about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.unit.trainer.evaluation.rewards.made import GOOD, labelled, material_of, text, write_labelled, write_pairs
from trainer.data.labelled import Labelled
from trainer.evaluation.rewards import baselines
from trainer.evaluation.rewards.baselines import (
    CHANCE,
    LENGTH_RULE,
    NGRAMS,
    baseline_columns,
    fits,
    length_rule,
    ngrams,
)
from trainer.evaluation.rewards.ngrams import fit_ngrams, probabilities_of


def test_length_is_told_by_the_length_rule_and_style_by_the_n_grams(tmp_path: Path) -> None:
    pairs = [(f"请求{number}", text(GOOD, 30, 800 + number), "快乐如意" * 7) for number in range(12)]
    material = material_of(
        tmp_path,
        labelled(80, longer=25),
        pairs=write_pairs(tmp_path / "pairs.jsonl", pairs),
        train=write_labelled(tmp_path / "train.jsonl", labelled(80, seed=1, longer=25)),
    )
    told: list[int] = []
    length, style, chance = baseline_columns(material, lambda: told.append(1))
    assert (length.name, style.name, chance.name) == (LENGTH_RULE, NGRAMS, CHANCE)
    assert sum(told) == fits(material) == 1
    assert length.scores.tolist() == [len(row.completion) for row in material.rows]
    assert length.pairs[0].tolist() == [30, 28]
    assert (length.decisions == material.labels).mean() > 0.8
    assert roc_auc_score(material.labels, style.scores) > 0.99
    assert (style.pairs[:, 0] > style.pairs[:, 1]).all()
    assert chance.decisions.tolist() == [1] * 80
    assert np.unique(chance.scores).size == 1
    assert "80 rows of --train, 0 left out" in style.note


def test_without_training_rows_they_are_cross_fitted(tmp_path: Path) -> None:
    material = material_of(tmp_path, labelled(100, longer=25))
    told: list[int] = []
    style = ngrams(material, lambda: told.append(1))
    assert sum(told) == fits(material) == 5
    assert "cross-fitted" in style.note
    assert roc_auc_score(material.labels, style.scores) > 0.95
    assert (length_rule(material).decisions == material.labels).mean() > 0.8


def test_cross_fitted_n_grams_have_not_seen_what_they_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels at random: who has seen a text knows its label, who has not knows nothing."""
    random = np.random.default_rng(0)
    rows = [
        Labelled(f"第{number // 2}位", text(GOOD, 20, number), 1 if random.random() < 0.5 else 0)
        for number in range(200)
    ]
    material = material_of(tmp_path, rows)
    seen = fit_ngrams([row.completion for row in rows], [row.label for row in rows])
    assert roc_auc_score(material.labels, seen.scores([row.completion for row in rows])) > 0.9
    fitted: list[list[str]] = []

    def watched(texts: list[str], labels: list[int]) -> object:
        fitted.append(texts)
        return fit_ngrams(texts, labels)

    monkeypatch.setattr(baselines, "fit_ngrams", watched)
    found = ngrams(material).scores
    assert abs(roc_auc_score(material.labels, found) - 0.5) < 0.15
    for fold, texts in enumerate(fitted):
        here = {rows[place].completion for place in np.flatnonzero(material.folds == fold)}
        assert here
        assert not here & set(texts)


def test_the_probabilities_are_those_of_scikit_learn() -> None:
    rows = labelled(60)
    texts, labels = [row.completion for row in rows], [row.label for row in rows]
    model = fit_ngrams(texts, labels)
    assert probabilities_of(model.scores(texts)) == pytest.approx(model.pipeline.predict_proba(texts)[:, 1])
    assert probabilities_of(np.asarray([-1e5, 0.0, 1e5])).tolist() == [0.0, 0.5, 1.0]
