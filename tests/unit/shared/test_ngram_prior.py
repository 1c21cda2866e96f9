from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.errors import InvalidData
from shared.ngram_prior import FILE_NAME, NgramPrior

WIDE = 1e4
"""A bound that no text comes near."""
PRIOR = NgramPrior(longest=2, bias=0.5, bound=WIDE, terms={"春": (1.0, 2.0), "春风": (2.0, -1.0), "福": (3.0, 1.0)})


def test_a_text_gets_the_bias_and_the_mean_of_what_its_ngrams_weigh() -> None:
    assert PRIOR.at("福") == pytest.approx(0.5 + 1.0)
    assert PRIOR.at("春风") == pytest.approx(0.5 + (1.0 * 2.0 - 2.0 * 1.0) / np.sqrt(1 + 4))


def test_a_text_without_known_ngrams_gets_the_bias() -> None:
    assert PRIOR.at("") == PRIOR.at("สุขสันต์") == pytest.approx(0.5)


def test_a_text_does_not_gain_by_saying_the_same_again() -> None:
    assert PRIOR.at("福" * 40) == pytest.approx(PRIOR.at("福"))


def test_it_is_what_scikit_learn_computes() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = ["愿你平安喜乐，万事胜意！", "祝 你  生日\n\n快乐", "Happy Birthday 快乐快乐", "春风十里不如你", ""]
    vectors = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True, lowercase=False).fit(texts)
    weights = np.random.default_rng(0).normal(size=len(vectors.idf_))
    rows = zip(vectors.get_feature_names_out(), vectors.idf_, weights, strict=True)
    terms = {str(name): (float(idf), float(weight)) for name, idf, weight in rows}
    prior = NgramPrior(longest=3, bias=-1.0, bound=WIDE, terms=terms)
    found = vectors.transform([*texts, "祝你平安，快乐"]) @ weights - 1.0
    assert [prior.at(text) for text in [*texts, "祝你平安，快乐"]] == pytest.approx(found.tolist())


def test_no_text_gets_more_than_the_bound_and_order_is_kept() -> None:
    steep = NgramPrior(longest=1, bias=0.0, bound=1.5, terms={"福": (1.0, 4.0), "中": (1.0, 0.1), "祸": (1.0, -40.0)})
    assert steep.at("福") == pytest.approx(1.5 * np.tanh(4.0 / 1.5))
    assert steep.at("中") == pytest.approx(0.1, abs=1e-3)
    assert -1.5 <= steep.at("祸") < steep.at("中") < steep.at("福") < 1.5


def test_scaling_multiplies_every_value() -> None:
    for prior in (PRIOR, PRIOR.model_copy(update={"bound": 0.8})):
        for text in ("春风", "福春", ""):
            assert prior.scaled(3.0).at(text) == pytest.approx(3 * prior.at(text))


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert NgramPrior.read(tmp_path) is None
    PRIOR.write(tmp_path)
    assert NgramPrior.read(tmp_path) == PRIOR


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ("{", "Invalid JSON"),
        ('{"longest": 3, "bias": 0, "bound": 1, "terms": {"春": [1]}}', "terms"),
        ('{"longest": 99, "bias": 0, "bound": 1, "terms": {}}', "longest"),
        ('{"longest": 3, "bias": 0, "bound": 1, "terms": {"春": [1, NaN]}}', "terms"),
        ('{"longest": 3, "bias": 0, "bound": 0, "terms": {}}', "bound"),
        ('{"longest": 3, "bias": 0, "terms": {}}', "bound"),
    ],
)
def test_a_broken_file_is_refused_and_named(tmp_path: Path, content: str, where: str) -> None:
    (tmp_path / FILE_NAME).write_text(content, encoding="utf-8")
    with pytest.raises(InvalidData, match=where) as raised:
        NgramPrior.read(tmp_path)
    assert FILE_NAME in str(raised.value)
