"""Which rows are held out: whole clusters, drawn by a seed, so that none crosses from one split into another.

Length-matched, a split consists of units whose good and bad text are about as long: pairs within 20 % of each other, or
a good and a bad labelled row of the same length or, where there is none, of nearly the same. The good text is as often
the longer one as the shorter one, so that length decides nothing. Such units are rare where length gives the label
away, and training needs them too: at most half of them are held out. Every other row goes to training, unless it shares
a cluster with a row that is held out; then it is in no split.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from trainer.data.clusters import Clusters
from trainer.data.entries import Entry
from trainer.data.labelled import Labelled
from trainer.data.lengths import close_in_length
from trainer.data.matching import MatchedPair, across_requests, in_order

HELD_OUT_AT_MOST = 0.5
"""Of the length-matched units."""
MOST_BESIDE = 3
"""So many rows at most are lost to training for one unit held out; of larger clusters none is held out."""

TRAIN: Final = "train"
BESIDE: Final = "beside"


@dataclasses.dataclass(frozen=True, slots=True)
class Unit:
    """Rows that are held out together; by how many characters their good text is longer than their bad one."""

    rows: tuple[int, ...]
    gap: int
    key: str


def unit_of_pair(row: int, entry: Entry) -> Unit | None:
    """A pair as a unit; None where its two lengths differ by more than 20 %."""
    good, bad = (len(each.text) for each in entry.completions)
    return Unit((row,), good - bad, digest(entry)) if close_in_length(good, bad) else None


def units_of_labelled(entries: Sequence[Entry]) -> list[Unit]:
    """A good and a bad row in each: as many as can be of the very same length, then of about the same.

    Which row goes with which hangs on what they say alone. Rows without a partner are in no unit.
    """
    rows = [Labelled(each.prompt, each.completions[0].text, each.completions[0].label or 0) for each in entries]
    number = {row: index for index, row in enumerate(rows)}
    pairs: list[MatchedPair] = []
    rest: dict[int, list[Labelled]] = {1: [], 0: []}
    by_length: dict[int, dict[int, list[Labelled]]] = {}
    for row in sorted(rows, key=lambda each: each.id):
        by_length.setdefault(len(row.completion), {1: [], 0: []})[row.label].append(row)
    for length in sorted(by_length):
        good, bad = by_length[length][1], by_length[length][0]
        both = min(len(good), len(bad))
        pairs += [MatchedPair(one, other) for one, other in zip(good[:both], bad[:both], strict=True)]
        rest[1] += good[both:]
        rest[0] += bad[both:]
    pairs += across_requests(rest[1], rest[0])
    return [Unit((number[pair.good], number[pair.bad]), pair.gap, pair.key) for pair in pairs]


def draw_clusters(entries: Sequence[Entry], clusters: Clusters, sizes: Mapping[str, int], *, seed: int) -> list[str]:
    """The split of each row, by whole clusters in a random order; what does not fit any more goes to training.

    Args:
        entries: ``(rows,)``.
        clusters: Of the rows.
        sizes: Rows wanted of each split but training.
        seed: Of the order.
    """
    members = clusters.members()
    split = [TRAIN] * len(entries)
    names = list(members)
    left = in_order(names, [min(digest(entries[row]) for row in members[name]) for name in names], f"split {seed}")
    for target, wanted in sizes.items():
        room, passed = wanted, []
        for name in left:
            if len(members[name]) > room:
                passed.append(name)
                continue
            room -= len(members[name])
            for row in members[name]:
                split[row] = target
        left = passed
    return split


def draw_matched(
    units: Sequence[Unit], clusters: Clusters, rows: int, sizes: Mapping[str, int], *, seed: int
) -> list[str]:
    """The split of each row, `BESIDE` for what shares a cluster with a row held out; see the module.

    Args:
        units: What may be held out.
        clusters: Of the rows.
        rows: How many there are.
        sizes: Rows wanted of each split but training.
        seed: Of the order.
    """
    members = clusters.members()
    small = [unit for unit in units if _beside(unit, clusters, members) <= MOST_BESIDE * len(unit.rows)]
    ordered = in_order(small, [unit.key for unit in small], f"split {seed}")
    positive, negative = (sum(unit.gap * sign > 0 for unit in ordered) for sign in (1, -1))
    balanced = len(ordered) - abs(positive - negative)
    split = [TRAIN] * rows
    owner: dict[int, str] = {}
    for target, wanted in sizes.items():
        share = HELD_OUT_AT_MOST * wanted / max(1, sum(sizes.values()))
        rows_of_unit = len(ordered[0].rows) if ordered else 1
        count = min(wanted // rows_of_unit, math.floor(balanced * share))
        for unit in _balanced(
            [unit for unit in ordered if split[unit.rows[0]] == TRAIN], owner, clusters, target, count
        ):
            for row in unit.rows:
                split[row] = target
    for row, name in enumerate(split):
        if name == TRAIN and clusters.of(row) in owner:
            split[row] = BESIDE
    return split


def digest(entry: Entry) -> str:
    """Of what a row says, wherever it stands."""
    return hashlib.sha256("\0".join(entry.key).encode()).hexdigest()


def _beside(unit: Unit, clusters: Clusters, members: Mapping[int, Sequence[int]]) -> int:
    return sum(len(members[name]) for name in {clusters.of(row) for row in unit.rows}) - len(unit.rows)


def _balanced(units: Sequence[Unit], owner: dict[int, str], clusters: Clusters, target: str, count: int) -> list[Unit]:
    """The first units that no other split has a part in, neither sign of the gap more than one ahead."""
    queues = {sign: deque(each for each in enumerate(units) if _sign(each[1].gap) == sign) for sign in (1, 0, -1)}
    ahead, drawn = 0, list[Unit]()
    while len(drawn) < count:
        open_queues = [queue for sign, queue in queues.items() if queue and sign * ahead <= 0]
        if not open_queues:
            break
        _, unit = min(open_queues, key=lambda queue: queue[0][0]).popleft()
        names = {clusters.of(row) for row in unit.rows}
        if any(owner.get(name, target) != target for name in names):
            continue
        owner.update(dict.fromkeys(names, target))
        ahead += _sign(unit.gap)
        drawn.append(unit)
    return drawn


def _sign(gap: int) -> int:
    return (gap > 0) - (gap < 0)
