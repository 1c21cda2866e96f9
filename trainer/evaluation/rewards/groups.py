"""Rows that belong together: by their request, and by whatever would let a baseline see its own evaluation."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from trainer.data.folding import folded_text

Integers = npt.NDArray[np.int64]

FOLDS = 5


def request_groups(prompts: Sequence[str]) -> Integers:
    """``(rows,)``: rows of one request, folded, have one number; numbers count from 0."""
    numbers: dict[str, int] = {}
    return np.asarray([numbers.setdefault(folded_text(prompt), len(numbers)) for prompt in prompts], dtype=np.int64)


def linked_groups(rows: Sequence[tuple[str, str]]) -> Integers:
    """``(rows,)``: (prompt, completion) that share a request or a text, also by way of others, have one number."""
    parents = list(range(len(rows)))

    def root(row: int) -> int:
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = parents[row]
        return row

    first: dict[tuple[str, str], int] = {}
    for number, (prompt, completion) in enumerate(rows):
        for key in (("prompt", folded_text(prompt)), ("completion", folded_text(completion))):
            parents[root(number)] = root(first.setdefault(key, number))
    numbers: dict[int, int] = {}
    return np.asarray([numbers.setdefault(root(row), len(numbers)) for row in range(len(rows))], dtype=np.int64)


def folds_of(groups: Integers, *, count: int = FOLDS, seed: int) -> Integers:
    """``(rows,)``: the fold of each row, from 0; a group is in one fold, and folds are of about the same size.

    Raises:
        ValueError: There are fewer groups than folds.
    """
    sizes = np.bincount(groups)
    if len(sizes) < count:
        raise ValueError(f"{len(sizes)} groups of rows do not fill {count} folds")
    order = sorted(
        range(len(sizes)), key=lambda group: (-sizes[group], hashlib.sha256(f"{seed}:{group}".encode()).digest())
    )
    filled = [0] * count
    fold_of_group = np.zeros(len(sizes), dtype=np.int64)
    for group in order:
        fold = filled.index(min(filled))
        fold_of_group[group] = fold
        filled[fold] += int(sizes[group])
    return fold_of_group[groups]
