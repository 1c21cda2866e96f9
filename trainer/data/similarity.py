"""Near-duplicates: all pairs of texts that share most of their character n-grams, without comparing all with all.

Two texts are as similar as the Jaccard index of their sets of n-grams: what they share, of what either has. Only
letters and digits count, so that another full stop or a flower at the end makes no new text. A text shorter than n
characters is one n-gram, and like itself only.

Sets with an index of at least t share at least t of the larger one, so among the rarest (1 - t) of the n-grams of each,
in one order for all, they have one in common (prefix filtering; Chaudhuri et al. 2006, Bayardo et al. 2007). Those few
are multiplied as sparse matrices, block by block; the n-grams of what is found so are counted, and the result is exact.
14,000 greetings take about a second.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from shared.errors import InvalidRequest
from trainer.data.folding import folded_text

if TYPE_CHECKING:
    from scipy import sparse

NGRAM = 3
THRESHOLD = 0.7
"""Read on the paper's texts: above are copies with a word exchanged or added, below 0.6 texts that share a phrase."""
BLOCK_ROWS = 512
COUNTED_AT_ONCE = 100_000

Tick = Callable[[int, int], None]
"""Called with how many texts are done, and of how many."""
Ticks = Callable[[str], Tick | None]
"""Gives what to tell of the progress of a step, by its name."""
Indices = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class NearPairs:
    """Pairs of texts, by their places in what was searched: three arrays of ``(pairs,)``, ordered by the first two."""

    first: Indices
    second: Indices
    similarity: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.first)


def near_within(
    texts: Sequence[str], *, threshold: float = THRESHOLD, ngram: int = NGRAM, tick: Tick | None = None
) -> NearPairs:
    """Every two texts of one list that are alike, ``first < second``. Give each text once: many copies are many pairs.

    Args:
        texts: Distinct ones; folded here.
        threshold: Of the Jaccard index, above 0 and at most 1.
        ngram: Characters.
        tick: Told of the progress.

    Raises:
        InvalidRequest: The threshold or the n-gram length makes no sense.
    """
    grams = _Grams(texts, threshold, ngram)
    return grams.pairs(range(len(texts)), 0, tick, upper=True)


def near_across(
    first: Sequence[str],
    second: Sequence[str],
    *,
    threshold: float = THRESHOLD,
    ngram: int = NGRAM,
    tick: Tick | None = None,
) -> NearPairs:
    """Every two texts of two lists that are alike, equal ones among them; else as `near_within`."""
    grams = _Grams([*first, *second], threshold, ngram)
    return grams.pairs(range(len(first)), len(first), tick, upper=False)


def similarity(first: str, second: str, *, ngram: int = NGRAM) -> float:
    """The Jaccard index of two texts, by definition: to understand, and to check the above with."""
    one, other = ngrams(first, ngram), ngrams(second, ngram)
    return len(one & other) / len(one | other)


def ngrams(text: str, ngram: int = NGRAM) -> set[str]:
    """The n-grams of a text; never empty."""
    bare = bare_text(text)
    return {bare[start : start + ngram] for start in range(len(bare) - ngram + 1)} or {bare}


def bare_text(text: str) -> str:
    """A folded text without punctuation and symbols; with them where it consists of nothing else."""
    folded = folded_text(text)
    return "".join(character for character in folded if unicodedata.category(character)[0] in "LMN") or folded


class _Grams:
    """The n-grams of all texts as a sparse matrix ``(texts, n-grams)``, the rarest n-gram first."""

    def __init__(self, texts: Sequence[str], threshold: float, ngram: int) -> None:
        if not 0 < threshold <= 1:
            raise InvalidRequest(f"a threshold of similarity is above 0 and at most 1, not {threshold:g}")
        if ngram < 1:
            raise InvalidRequest(f"an n-gram has at least one character, not {ngram}")
        self._threshold = threshold
        self._all = _matrix(texts, ngram)
        self._sizes = np.diff(self._all.indptr).astype(np.int64)
        self._rare = _first_of_each_row(self._all, self._sizes - _at_least(threshold, self._sizes) + 1)

    def pairs(self, rows: range, columns_from: int, tick: Tick | None, *, upper: bool) -> NearPairs:
        """Pairs of a row and a text from a place on; ``upper`` leaves out a text with itself, and each pair once."""
        columns = self._rare[columns_from:].T.tocsr()
        found: list[NearPairs] = []
        for begin in range(rows.start, rows.stop, BLOCK_ROWS):
            end = min(begin + BLOCK_ROWS, rows.stop)
            candidates = (self._rare[begin:end] @ columns).tocoo()
            first = candidates.row.astype(np.int64) + begin
            second = candidates.col.astype(np.int64)
            if upper:
                kept = first < second
                first, second = first[kept], second[kept]
            found.extend(self._counted(first, second, columns_from))
            if tick:
                tick(end, rows.stop)
        return _joined(found)

    def _counted(self, first: Indices, second: Indices, columns_from: int) -> Iterator[NearPairs]:
        """Those candidates that are alike."""
        for begin in range(0, len(first), COUNTED_AT_ONCE):
            one, other = first[begin : begin + COUNTED_AT_ONCE], second[begin : begin + COUNTED_AT_ONCE]
            there = other + columns_from
            shared = np.asarray(self._all[one].multiply(self._all[there]).sum(axis=1)).ravel().astype(np.int64)
            either = self._sizes[one] + self._sizes[there] - shared
            kept = shared >= _at_least(self._threshold, either)
            yield NearPairs(one[kept], other[kept], shared[kept] / either[kept])


def _at_least(threshold: float, sizes: Indices) -> Indices:
    """The least whole number that is the threshold's share of each size, whatever binary fractions make of 0.7 x 10."""
    least: Indices = np.ceil(threshold * sizes - 1e-9).astype(np.int64)
    return least


def _matrix(texts: Sequence[str], ngram: int) -> sparse.csr_array:
    from scipy import sparse  # slow to import

    vocabulary: dict[str, int] = {}
    columns: list[int] = []
    starts = [0]
    for text in texts:
        # Sorted, for the numbering hangs on the order: sets of strings have another one in every process.
        columns.extend(vocabulary.setdefault(gram, len(vocabulary)) for gram in sorted(ngrams(text, ngram)))
        starts.append(len(columns))
    numbers = np.asarray(columns, dtype=np.int64)
    frequency = np.bincount(numbers, minlength=len(vocabulary))
    rank = np.empty(len(vocabulary), dtype=np.int64)
    rank[np.argsort(frequency, kind="stable")] = np.arange(len(vocabulary))
    matrix = sparse.csr_array(
        (np.ones(len(numbers), dtype=np.int32), rank[numbers], np.asarray(starts)),
        shape=(len(texts), max(1, len(vocabulary))),
    )
    matrix.sort_indices()
    return matrix


def _first_of_each_row(matrix: sparse.csr_array, counts: Indices) -> sparse.csr_array:
    from scipy import sparse

    sizes = np.diff(matrix.indptr)
    places = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], sizes)
    kept = places < np.repeat(counts, sizes)
    starts = np.concatenate([[0], np.cumsum(np.minimum(counts, sizes))])
    return sparse.csr_array((matrix.data[kept], matrix.indices[kept], starts), shape=matrix.shape)


def _joined(found: list[NearPairs]) -> NearPairs:
    def column(values: list[Any], kind: Any) -> Any:
        return np.concatenate(values) if values else np.empty(0, dtype=kind)

    first = column([pairs.first for pairs in found], np.int64)
    second = column([pairs.second for pairs in found], np.int64)
    order = np.lexsort((second, first))
    return NearPairs(first[order], second[order], column([pairs.similarity for pairs in found], np.float64)[order])
