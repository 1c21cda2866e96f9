"""What rewards are evaluated on: labelled rows, pairs of about the same length, and what baselines may learn from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from shared.errors import InvalidData
from trainer.data.folding import folded_text
from trainer.data.formats import load_pairs
from trainer.data.labelled import Labelled, load_labelled
from trainer.data.lengths import CLOSE, close_in_length
from trainer.data.matching import in_order
from trainer.data.records import PreferencePair
from trainer.evaluation.auc import Floats
from trainer.evaluation.rewards.groups import Integers, folds_of, linked_groups, request_groups
from trainer.evaluation.rewards.matching import matched_rows

LEAST_ROWS = 10
"""Of each label, in anything that is given a figure."""

Row = tuple[str, str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where everything is from.

    Attributes:
        data: Labelled rows.
        pairs: Preference pairs to look for close ones in; else the data, where they are pairs.
        train: What baselines learn from; else they are cross-fitted on the data.
        validation: Labelled rows to choose thresholds on, for rewards that say neither verdict nor probability.
        limit: So many rows at most, drawn by request.
    """

    data: str
    pairs: str | None = None
    train: str | None = None
    validation: str | None = None
    limit: int | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """Rows that baselines learn from, none of whose texts is evaluated.

    Attributes:
        rows: Those that are left.
        leaked: How many were left out, since their text, folded, is evaluated.
    """

    rows: tuple[Labelled, ...]
    leaked: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """All of it, loaded.

    Attributes:
        sources: Where from.
        rows: The labelled rows.
        of: So many rows the source has.
        matched: ``(pairs, 2)``, places of a good and a bad row; see `matching`.
        pairs: Preference pairs that are scored.
        pairs_source: Where these are from; None where there are none.
        pairs_of: So many pairs that source has.
        training: What baselines learn from; None to cross-fit them.
        validation: For thresholds.
        folds: ``(rows + 2 * pairs,)``, of `texts`; none of one fold shares a request or a text with another fold.
    """

    sources: Sources
    rows: tuple[Labelled, ...]
    of: int
    matched: Integers
    pairs: tuple[PreferencePair, ...]
    pairs_source: str | None
    pairs_of: int
    training: Training | None
    validation: tuple[Labelled, ...]
    folds: Integers

    @property
    def texts(self) -> list[Row]:
        """What is to be scored: the rows, then chosen and rejected of each pair in turns."""
        return [(row.prompt, row.completion) for row in self.rows] + pair_texts(self.pairs)

    @property
    def labels(self) -> Integers:
        """``(rows,)``."""
        return np.asarray([row.label for row in self.rows], dtype=np.int64)

    @property
    def lengths(self) -> Floats:
        """``(rows,)``, in characters."""
        return np.asarray([len(row.completion) for row in self.rows], dtype=np.float64)

    @property
    def requests(self) -> Integers:
        """``(rows,)``: the number of each row's request."""
        return request_groups([row.prompt for row in self.rows])

    @property
    def close(self) -> Integers:
        """Places of the pairs whose two texts are close in length."""
        return np.flatnonzero([_is_close(pair) for pair in self.pairs]).astype(np.int64)


def load_material(sources: Sources, *, seed: int) -> Material:
    """Load it, and see that nothing leaks.

    Raises:
        InvalidData: A source is not what it should be, or has too few rows.
    """
    every = load_labelled(sources.data)
    rows = every if sources.limit is None else _drawn(every, sources.limit, seed)
    check_labels(sources.data, [row.label for row in rows])
    pairs, pairs_source, pairs_of = _pairs(sources, rows)
    texts = [(row.prompt, row.completion) for row in rows] + pair_texts(pairs)
    try:
        folds = folds_of(linked_groups(texts), seed=seed)
    except ValueError as error:
        raise InvalidData(sources.data, f"{error}; baselines cannot be cross-fitted") from None
    return Material(
        sources=sources,
        rows=tuple(rows),
        of=len(every),
        matched=matched_rows(rows, seed=seed),
        pairs=tuple(pairs),
        pairs_source=pairs_source,
        pairs_of=pairs_of,
        training=None if sources.train is None else _training(sources.train, texts),
        validation=() if sources.validation is None else tuple(_validation(sources.validation)),
        folds=folds,
    )


def without_leaks(rows: Iterable[Labelled], texts: Iterable[Row]) -> Training:
    """The rows whose text, folded, is none of others' texts."""
    seen = {folded_text(completion) for _, completion in texts}
    every = list(rows)
    kept = tuple(row for row in every if folded_text(row.completion) not in seen)
    return Training(rows=kept, leaked=len(every) - len(kept))


def _is_close(pair: PreferencePair) -> bool:
    return close_in_length(len(pair.chosen), len(pair.rejected))


def pair_texts(pairs: Iterable[PreferencePair]) -> list[Row]:
    """Chosen and rejected of each pair, in turns."""
    return [
        row
        for pair in pairs
        for row in ((pair.prompt, pair.chosen), (pair.rejected_prompt or pair.prompt, pair.rejected))
    ]


def enough(labels: Sequence[int] | Integers) -> bool:
    """Whether there are `LEAST_ROWS` of each label."""
    good = int(np.sum(labels))
    return min(good, len(labels) - good) >= LEAST_ROWS


def check_labels(source: str, labels: Sequence[int]) -> None:
    """Raise `InvalidData` where there are too few rows of a label."""
    if not enough(labels):
        good = sum(labels)
        raise InvalidData(source, f"{good} good and {len(labels) - good} bad rows; {LEAST_ROWS} of each are needed")


def _drawn(rows: Sequence[Labelled], limit: int, seed: int) -> list[Labelled]:
    """The rows of requests in a drawn order until there are so many, as they stand in the source."""
    by_request: dict[str, list[Labelled]] = {}
    for row in rows:
        by_request.setdefault(folded_text(row.prompt), []).append(row)
    kept: set[Labelled] = set()
    for request in in_order(by_request, list(by_request), str(seed)):
        kept.update(by_request[request][: limit - len(kept)])
    return [row for row in rows if row in kept]


def _pairs(sources: Sources, rows: Sequence[Labelled]) -> tuple[list[PreferencePair], str | None, int]:
    """The pairs to be scored, where they are from, and of how many.

    Of a source of their own the close ones alone: to score the others would cost, and tell of length. Where the data
    are pairs themselves, these: their texts are scored anyway.
    """
    if sources.pairs is not None:
        pairs = load_pairs(sources.pairs).records
        close = [pair for pair in pairs if _is_close(pair)]
        if len(close) < LEAST_ROWS:
            raise InvalidData(
                sources.pairs, f"{len(close)} pairs are within {CLOSE:.0%} in length; {LEAST_ROWS} are needed"
            )
        return close, sources.pairs, len(pairs)
    try:
        pairs = load_pairs(sources.data).records
    except InvalidData:  # labelled responses: the file was read before, and is in order
        return [], None, 0
    scored = {(row.prompt, row.completion) for row in rows}
    kept = [pair for pair in pairs if scored.issuperset(pair_texts([pair]))]
    return kept, sources.data, len(pairs)


def _training(source: str, texts: Sequence[Row]) -> Training:
    training = without_leaks(load_labelled(source), texts)
    good = sum(row.label for row in training.rows)
    if not enough([row.label for row in training.rows]):
        raise InvalidData(
            source,
            f"{good} good and {len(training.rows) - good} bad rows are left when {training.leaked} whose text is "
            f"evaluated are taken out; {LEAST_ROWS} of each are needed",
        )
    return training


def _validation(source: str) -> list[Labelled]:
    rows = load_labelled(source)
    check_labels(source, [row.label for row in rows])
    return rows
