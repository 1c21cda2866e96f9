"""Fitting the n-gram prior of a reward model, and how much it counts beside the encoder.

The prior is fitted on the training pairs with labels that balance at every length, so that length helps it little.
Encoder and prior are stacked on validation pairs, which neither has seen (Wolpert 1992): a logistic regression over
differences, in equal parts those of the pairs and those of good against bad texts of about the same length. The prior
knows nothing of requests and of broken sentences; so it counts only so much that hardly any more made-up bad texts pass
than without it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import structlog

from shared.errors import InvalidData
from shared.ngram_prior import NgramPrior
from trainer.data.lengths import CLOSE
from trainer.data.negatives import NegativeMaker
from trainer.data.records import PreferencePair

log = structlog.get_logger(__name__)

Floats = npt.NDArray[np.float64]

LONGEST = 3
RAREST = 2
"""An n-gram that fewer texts have is not one of style."""
REGULARISATION = 30.0
"""scikit-learn's C; of 1 to 100 the best by cross-validation on the paper's training pairs, at equal length."""
BOUND = 1.5
"""Log-odds; what the characters say beyond that does not count. Labels are wrong now and then, so no style is certain
(with a share e of them wrong, log-odds end at log((1 - e) / e)), and good texts shall not be told apart by style."""
RATIO = 2.0
"""Of the prior to the encoder at most; validation pairs may want less of it."""
LENGTH_BINS = 12
HEAVIEST = 20.0
MOST_STEPS = 1_000
MADE = 6
"""Made-up bad texts for each validation pair; see `trainer.data.negatives`."""
TOLERANCE = 0.15
"""So many more of the made-up bad texts of any kind may pass than without a prior, as a share; but one always."""
STEP, STEPS = 0.9, 100
"""Its weight is multiplied with the first until that holds, as often at most."""

Row = tuple[str, str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How much encoder and prior count.

    Attributes:
        encoder: Of the encoder's difference, in log-odds that the better text is the better one.
        prior: Of the prior's.
        ratio: What the prior is multiplied with, to be added to the encoder's logit; 0 where it is left out.
    """

    encoder: float
    prior: float
    ratio: float = 0.0


def fit_ngram_prior(pairs: Sequence[PreferencePair]) -> NgramPrior:
    """The prior, in log-odds that a text is a chosen one, bounded; ten seconds for ten thousand texts.

    Raises:
        InvalidData: No run of characters stands in two of the texts.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer  # slow to import
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    texts = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
    labels = np.asarray([1] * len(pairs) + [0] * len(pairs), dtype=np.int64)
    vectors = TfidfVectorizer(
        analyzer="char", ngram_range=(1, LONGEST), min_df=RAREST, sublinear_tf=True, lowercase=False
    )
    model = LogisticRegression(C=REGULARISATION, max_iter=MOST_STEPS)
    try:
        features = vectors.fit_transform(texts)
    except ValueError as error:
        raise InvalidData(
            "preference pairs", "their texts have no characters in common to learn a style from"
        ) from error
    weights = length_balanced(np.asarray([len(text) for text in texts], dtype=np.float64), labels)
    with threadpool_limits(limits=1):  # its steps are so short that threads wait for each other
        model.fit(features, labels, sample_weight=weights)
    rows = zip(vectors.get_feature_names_out(), vectors.idf_, model.coef_[0], strict=True)
    terms = {str(ngram): (float(f"{idf:.7g}"), float(weight)) for ngram, idf, weight in rows}
    return NgramPrior(longest=LONGEST, bias=float(model.intercept_[0]), bound=BOUND, terms=terms)


def length_balanced(characters: Floats, labels: npt.NDArray[np.int64]) -> Floats:
    """``(texts,)`` weights under which, among texts of any length, both labels weigh the same.

    Args:
        characters: ``(texts,)``.
        labels: ``(texts,)``, 1 or 0.
    """
    edges = np.unique(np.quantile(characters, np.linspace(0, 1, LENGTH_BINS + 1)[1:-1]))
    places = np.digitize(characters, edges)
    weights = np.ones(len(characters))
    for place in np.unique(places):
        here = places == place
        for label in (0, 1):
            of_label = here & (labels == label)
            if of_label.any():
                weights[of_label] = here.sum() / 2 / of_label.sum()
    return np.minimum(weights, HEAVIEST)


def made_up(pairs: Sequence[PreferencePair], *, seed: int) -> list[tuple[str, PreferencePair]]:
    """(kind, pair), bad texts that a prior must not let pass."""
    return NegativeMaker(pairs, seed=seed).make(MADE)


def rows_to_weigh(pairs: Sequence[PreferencePair], made: Sequence[tuple[str, PreferencePair]]) -> list[Row]:
    """All (prompt, completion) whose logits `weighed` wants, each once."""
    compared = [*pairs, *(pair for _, pair in made)]
    return list(dict.fromkeys([*map(better_row, compared), *map(worse_row, compared)]))


def weighed(
    prior: NgramPrior,
    pairs: Sequence[PreferencePair],
    made: Sequence[tuple[str, PreferencePair]],
    logits: Mapping[Row, float],
) -> tuple[NgramPrior | None, Weights]:
    """The prior, scaled so that it can be added to the encoder's logit; None where it must not count at all.

    Args:
        prior: As it was fitted.
        pairs: That neither has seen.
        made: See `made_up`.
        logits: Of the encoder, for `rows_to_weigh`; what has none (a text that is too long) does not count.
    """
    pairs = [pair for pair in pairs if better_row(pair) in logits and worse_row(pair) in logits]
    made = [(kind, pair) for kind, pair in made if better_row(pair) in logits and worse_row(pair) in logits]
    style = {text: prior.at(text) for text in {text for _, text in logits}}
    good, bad = ([side(pair) for pair in pairs] for side in (better_row, worse_row))
    close = np.nonzero(equally_long(*(np.asarray([len(text) for _, text in rows], float) for rows in (good, bad))))
    encoder, prior_of = (
        [np.asarray([value(row) for row in rows], dtype=np.float64) for rows in (good, bad)]
        for value in (logits.__getitem__, lambda row: style[row[1]])
    )
    weights = stacked(
        [
            (encoder[0] - encoder[1], prior_of[0] - prior_of[1]),
            (encoder[0][close[0]] - encoder[1][close[1]], prior_of[0][close[0]] - prior_of[1][close[1]]),
        ]
    )
    if min(weights.encoder, weights.prior) > 0:
        kinds: dict[str, list[tuple[float, float]]] = {}
        for kind, pair in made:
            better, worse = better_row(pair), worse_row(pair)
            difference = (logits[better] - logits[worse], style[better[1]] - style[worse[1]])
            kinds.setdefault(kind, []).append(difference)
        differences = [np.asarray(found) for found in kinds.values()]
        ratio = _allowed(min(RATIO, weights.prior / weights.encoder), differences)
        weights = dataclasses.replace(weights, ratio=ratio)
    if not weights.ratio:
        log.warning("ngram_prior_left_out", encoder_weight=weights.encoder, ngram_weight=weights.prior)
        return None, weights
    return prior.scaled(weights.ratio), weights


def _allowed(most: float, kinds: Sequence[Floats]) -> float:
    """The greatest ratio up to ``most`` with which hardly any more made-up texts pass; 0 where there is none.

    ``kinds`` are differences by encoder and prior, ``(n, 2)`` each, better less worse.
    """
    for step in range(STEPS):
        ratio = most * STEP**step
        passing = [int((each @ [1, ratio] <= 0).sum()) - int((each[:, 0] <= 0).sum()) for each in kinds]
        if all(more <= max(1, TOLERANCE * len(each)) for more, each in zip(passing, kinds, strict=True)):
            return ratio
    return 0.0


def better_row(pair: PreferencePair) -> Row:
    """The better text, under its prompt."""
    return pair.prompt, pair.chosen


def worse_row(pair: PreferencePair) -> Row:
    """The worse text, under the prompt that it was written for."""
    return pair.prompt if pair.rejected_prompt is None else pair.rejected_prompt, pair.rejected


def stacked(kinds: Sequence[tuple[Floats, Floats]]) -> Weights:
    """How much encoder and prior count.

    Args:
        kinds: For each kind of comparison the differences, better less worse, by encoder and by prior, ``(n,)`` each.
            Kinds weigh the same; an empty one does not count.
    """
    from sklearn.linear_model import LogisticRegression

    kinds = [kind for kind in kinds if len(kind[0])]
    features = np.concatenate([np.stack(kind, axis=1) for kind in kinds])
    weights = np.concatenate([np.full(len(kind[0]), 1 / len(kind[0])) for kind in kinds])
    spread = features.std(axis=0)
    spread[spread == 0] = 1.0
    scaled = features / spread
    model = LogisticRegression(C=1e3, fit_intercept=False, max_iter=MOST_STEPS)
    # Each comparison stands there both ways: without an intercept, one way alone has a single class.
    both, labels = np.concatenate([scaled, -scaled]), np.repeat([1, 0], len(scaled))
    model.fit(both, labels, sample_weight=np.tile(weights * len(weights) / len(kinds), 2))
    encoder, prior = (float(value) for value in model.coef_[0] / spread)
    return Weights(encoder=encoder, prior=prior)


def equally_long(characters_good: Floats, characters_bad: Floats) -> npt.NDArray[np.bool_]:
    """``(good, bad)``: which good and bad texts are close in length."""
    longer = np.maximum(characters_good[:, None], characters_bad[None])
    close: npt.NDArray[np.bool_] = np.abs(characters_good[:, None] - characters_bad[None]) <= CLOSE * longer
    return close
