"""Length-matched pairs: as many good greetings as bad ones, each good one with a bad one of about its own length.

Where good texts are longer, whoever counts characters agrees with people (``docs/`` and the paper's data: 89 %). On a
matched set that comes to a half, and so does any constant answer: what is above a half was seen in the words.
"""

from __future__ import annotations

import dataclasses
import hashlib
import statistics
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TypeVar

from shared.errors import InvalidData
from trainer.data.labelled import Labelled, digest_of
from trainer.evaluation.auc import FLOOR, TOLERANCE, auc

LEAST_PAIRS = 4
"""Fewer pairs decide nothing."""

Item = TypeVar("Item")


@dataclasses.dataclass(frozen=True, slots=True)
class MatchedPair:
    """A good and a bad greeting of about the same length; of one request where there was such a pair."""

    good: Labelled
    bad: Labelled

    @property
    def gap(self) -> int:
        """By how many characters the good one is longer."""
        return len(self.good.completion) - len(self.bad.completion)

    @property
    def key(self) -> str:
        """Names it in an order."""
        return f"{self.good.id}{self.bad.id}"


@dataclasses.dataclass(frozen=True, slots=True)
class MatchedSet:
    """Pairs, drawn from one source."""

    source: str
    pairs: tuple[MatchedPair, ...]

    @property
    def rows(self) -> tuple[Labelled, ...]:
        """Good, bad, good, bad, …"""
        return tuple(row for pair in self.pairs for row in (pair.good, pair.bad))

    def describe(self) -> dict[str, object]:
        """For the record: what it is, and how much its lengths tell of its labels (0.5: nothing)."""
        lengths = [float(len(row.completion)) for row in self.rows]
        gaps = [pair.gap for pair in self.pairs]
        return {
            "source": self.source,
            "rows": len(self.rows),
            "of_one_request": sum(pair.good.prompt == pair.bad.prompt for pair in self.pairs),
            "sha256": digest_of(self.rows),
            "mean_length_gap": round(statistics.fmean(gaps), 4),
            "length_auc": round(auc(lengths, [row.label for row in self.rows], resamples=1).interval.mean, 4),
        }


def matched(source: str, rows: Sequence[Labelled], *, seed: int, at_most_rows: int | None = None) -> MatchedSet:
    """Match good with bad rows of about the same length, each row once, and draw from the pairs.

    Args:
        source: Where the rows are from; named in errors.
        rows: Of both labels.
        seed: Of the order in which pairs are drawn.
        at_most_rows: Of the result, two for each pair; all that could be matched unless given.

    Raises:
        InvalidData: There are fewer than `LEAST_PAIRS` such pairs.
    """
    pairs, good, bad = _of_one_request(rows)
    pairs += across_requests(good, bad)
    if len(pairs) < LEAST_PAIRS:
        raise InvalidData(
            source,
            f"{len(pairs)} pairs of a good and a bad text differ in length by at most {TOLERANCE:.0%} or {FLOOR:g} "
            f"characters; {LEAST_PAIRS} are needed",
        )
    drawn = in_order(pairs, [pair.key for pair in pairs], str(seed))
    wanted = len(drawn) if at_most_rows is None else max(LEAST_PAIRS, at_most_rows // 2)
    return MatchedSet(source, tuple(_balanced(drawn, wanted)))


def about_as_long(first: str, second: str) -> bool:
    """Whether lengths differ by at most `TOLERANCE` of their mean, or by `FLOOR` characters where that is more."""
    return abs(len(first) - len(second)) <= max(FLOOR, TOLERANCE * (len(first) + len(second)) / 2)


def in_order(items: Iterable[Item], keys: Sequence[str], seed: str) -> list[Item]:
    """Items shuffled by a seed; the order hangs on keys and seed alone, not on a version of Python."""
    hashes = [hashlib.sha256(f"{seed}\0{key}".encode()).digest() for key in keys]
    return [item for _, _, item in sorted(zip(hashes, range(len(keys)), items, strict=True), key=lambda each: each[:2])]


def _balanced(pairs: Sequence[MatchedPair], wanted: int) -> list[MatchedPair]:
    """The first pairs, but so that now the good and now the bad text is the longer one: the gaps cancel out."""
    longer_good = deque(pair for pair in pairs if pair.gap > 0)
    others = deque(pair for pair in pairs if pair.gap <= 0)
    chosen: list[MatchedPair] = []
    total = 0
    while len(chosen) < min(wanted, len(pairs)):
        first, second = (others, longer_good) if total > 0 else (longer_good, others)
        pair = (first or second).popleft()
        total += pair.gap
        chosen.append(pair)
    return chosen


def _of_one_request(rows: Sequence[Labelled]) -> tuple[list[MatchedPair], list[Labelled], list[Labelled]]:
    """Pairs of one request, and the rows that are left: good ones and bad ones."""
    by_prompt: dict[str, list[Labelled]] = {}
    for row in rows:
        by_prompt.setdefault(row.prompt, []).append(row)
    pairs: list[MatchedPair] = []
    left_good: list[Labelled] = []
    left_bad: list[Labelled] = []
    for some in by_prompt.values():
        found = across_requests([row for row in some if row.label], [row for row in some if not row.label])
        taken = {row for pair in found for row in (pair.good, pair.bad)}
        pairs += found
        left_good += [row for row in some if row.label and row not in taken]
        left_bad += [row for row in some if not row.label and row not in taken]
    return pairs, left_good, left_bad


def across_requests(good: Sequence[Labelled], bad: Sequence[Labelled]) -> list[MatchedPair]:
    """Shortest with shortest: what is too short for all that is left of the other side finds no partner.

    Args:
        good: Rows of label 1,
        bad: and of label 0. Each is in one pair at most.
    """
    good = sorted(good, key=lambda row: (len(row.completion), row.id))
    bad = sorted(bad, key=lambda row: (len(row.completion), row.id))
    pairs: list[MatchedPair] = []
    one = other = 0
    while one < len(good) and other < len(bad):
        if about_as_long(good[one].completion, bad[other].completion):
            pairs.append(MatchedPair(good[one], bad[other]))
            one, other = one + 1, other + 1
        elif len(good[one].completion) < len(bad[other].completion):
            one += 1
        else:
            other += 1
    return pairs
