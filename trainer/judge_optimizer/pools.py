"""The data of a run: requests and labelled pairs to learn from, pairs that decide, pairs that only report."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import TypeVar

from trainer.data.folding import folded_text
from trainer.data.labelled import Labelled, load_labelled
from trainer.data.matching import MatchedPair, MatchedSet, in_order, matched
from trainer.judge_optimizer.errors import PoolsOverlap

Item = TypeVar("Item")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """Disjoint in requests and texts.

    Attributes:
        requests: What the Generator writes for; those of the training source.
        reflection: What the Detector is told the labels of; length-matched, so that no lesson is about length.
        validation: What the gate asks.
        test: What is measured once, at the end.
    """

    requests: tuple[str, ...]
    reflection: MatchedSet
    validation: MatchedSet
    test: MatchedSet

    def describe(self) -> dict[str, object]:
        """For the record."""
        named = {"reflection": self.reflection, "validation": self.validation, "test": self.test}
        return {"requests": len(self.requests), **{name: data.describe() for name, data in named.items()}}


def load_pools(*, train: str, validation: str, test: str, seed: int, validation_rows: int, test_rows: int) -> Pools:
    """Read and match the three sources; see `trainer.data.labelled`.

    Raises:
        InvalidData: A source cannot be used, or has too few rows that can be matched in length.
        PoolsOverlap: Two sources share a request or a text.
    """
    sources = {"train": train, "validation": validation, "test": test}
    rows: dict[str, Sequence[Labelled]] = {name: load_labelled(source) for name, source in sources.items()}
    check_disjoint(rows)
    return Pools(
        requests=tuple(dict.fromkeys(row.prompt for row in rows["train"])),
        reflection=matched(train, rows["train"], seed=seed),
        validation=matched(validation, rows["validation"], seed=seed, at_most_rows=validation_rows),
        test=matched(test, rows["test"], seed=seed, at_most_rows=test_rows),
    )


class Deal:
    """Deals items in an order that a seed decides; when all are dealt, they are shuffled anew."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def requests(self, pools: Pools, round_number: int, count: int) -> list[str]:
        """For the adversarial phase of a round; rounds count from 1."""
        return self._dealt(pools.requests, pools.requests, "requests", (round_number - 1) * count, count)

    def labelled(self, pools: Pools, round_number: int, count: int) -> list[Labelled]:
        """For the reflection phase of a round: whole pairs, so that both labels are equally many (but for one)."""
        pairs = pools.reflection.pairs
        needed = -(-count // 2)
        keys = [pair.key for pair in pairs]
        dealt: list[MatchedPair] = self._dealt(pairs, keys, "labelled", (round_number - 1) * needed, needed)
        return [row for pair in dealt for row in (pair.good, pair.bad)][:count]

    def _dealt(self, items: Sequence[Item], keys: Sequence[str], what: str, start: int, count: int) -> list[Item]:
        orders: dict[int, list[Item]] = {}
        dealt: list[Item] = []
        for place in range(start, start + count):
            epoch, position = divmod(place, len(items))
            if epoch not in orders:
                orders[epoch] = in_order(items, keys, f"{self._seed}:{what}:{epoch}")
            dealt.append(orders[epoch][position])
        return dealt


def check_disjoint(pools: dict[str, Sequence[Labelled]]) -> None:
    """Raise `PoolsOverlap` where two pools share a request or a text, white space, width and case aside."""
    for (first, some), (second, others) in itertools.combinations(pools.items(), 2):
        for what in ("prompt", "completion"):
            here = {folded_text(getattr(row, what)) for row in some}
            shared = here & {folded_text(getattr(row, what)) for row in others}
            if shared:
                kind = "requests" if what == "prompt" else "texts"
                raise PoolsOverlap(first, f"shares {len(shared)} {kind} with {second}: nothing would be held out")
