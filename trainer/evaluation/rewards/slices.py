"""Slices of the rows: by occasion, by how often a request is asked, and by length."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from trainer.data.labelled import Labelled
from trainer.data.starter import SPLITS, load_starter
from trainer.evaluation.auc import Floats
from trainer.evaluation.probes.occasions import named_occasions
from trainer.evaluation.rewards.frequency import Frequencies
from trainer.evaluation.rewards.groups import Integers

OTHER = "no occasion named"
RARE, RARE_ROWS = "rare occasions", 10
"""Occasions of fewer rows make up one slice."""
HIGH, ORDINARY = "high-frequency", "ordinary"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slice:
    """Some of the rows.

    Attributes:
        group: By what is sliced.
        name: Which slice it is.
        rows: Places of its rows.
    """

    group: str
    name: str
    rows: Integers


def slices_of(rows: Sequence[Labelled], lengths: Floats, frequencies: Frequencies) -> list[Slice]:
    """All slices that hold rows; each row is in one of each group."""
    starter = starter_occasions()
    thirds, names = _thirds(lengths)
    return [
        *_slices("occasion", _without_rare([occasion_of(row.prompt, starter.get(row.prompt)) for row in rows])),
        *_slices("request", [HIGH if frequencies.is_high(row.prompt) else ORDINARY for row in rows], (HIGH, ORDINARY)),
        *_slices("length", [names[third] for third in thirds], names),
    ]


def occasion_of(prompt: str, known: str | None = None) -> str:
    """The family of the occasion that a request names first in the lexicon; of the known one, where it names that."""
    named = (named_occasions(known) if known else []) or named_occasions(prompt)
    return named[0].family if named else OTHER


def starter_occasions() -> dict[str, str]:
    """The occasion of each request of the starter set: there it is a field."""
    return {pair.prompt: pair.occasion for split in SPLITS for pair in load_starter(split)}


def _without_rare(names: Sequence[str]) -> list[str]:
    counts = Counter(names)
    return [name if counts[name] >= RARE_ROWS else RARE for name in names]


def _thirds(lengths: Floats) -> tuple[list[int], list[str]]:
    """The third of each row by length, from the short ones, and what the thirds are called."""
    low, high = (int(edge) for edge in np.quantile(lengths, [1 / 3, 2 / 3], method="lower"))
    names = [f"to {low} characters", f"{low + 1} to {high}", f"from {high + 1}"]
    return [0 if length <= low else 1 if length <= high else 2 for length in lengths], names


def _slices(group: str, names: Sequence[str], order: Iterable[str] = ()) -> list[Slice]:
    """In a given order, else the largest first."""
    marks = np.asarray(names)
    found, counts = np.unique(marks, return_counts=True)
    sizes = {str(name): int(count) for name, count in zip(found, counts, strict=True)}
    ordered = [name for name in order if name in sizes] or sorted(sizes, key=lambda name: (-sizes[name], name))
    return [Slice(group=group, name=name, rows=np.flatnonzero(marks == name).astype(np.int64)) for name in ordered]
