"""Rows that belong together because they share a prompt or a text, exactly or nearly, or each with a third."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

from trainer.data.entries import Entry
from trainer.data.similarity import Tick, near_within
from trainer.data.text_places import TextPlaces, completion_places, prompt_places

PromptRule = Literal["exact", "near", "ignore"]
"""Which prompts count as shared."""
PROMPT_RULES: tuple[PromptRule, ...] = get_args(PromptRule)


class Clusters:
    """Disjoint sets of the numbers below a count (union-find); each is named by its least member."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def join(self, members: Iterable[int]) -> None:
        """Put the sets of all these into one."""
        roots = {self.of(member) for member in members}
        least = min(roots, default=0)
        for root in roots:
            self._parent[root] = least

    def of(self, member: int) -> int:
        """The name of the set that holds this one."""
        root = member
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[member] != root:
            self._parent[member], member = root, self._parent[member]
        return root

    def members(self) -> dict[int, list[int]]:
        """All sets by their names, in order."""
        sets: dict[int, list[int]] = {}
        for member in range(len(self._parent)):
            sets.setdefault(self.of(member), []).append(member)
        return sets


def clustered(
    entries: Sequence[Entry], *, near: float | None, prompts: PromptRule, tick: Tick | None = None
) -> Clusters:
    """Join the entries that share something.

    Args:
        entries: By their places in this list.
        near: Least similarity of texts that count as shared; None takes equal ones only.
        prompts: Which prompts count.
        tick: Told of the progress.

    Raises:
        InvalidRequest: ``near`` is not above 0 and at most 1.
    """
    clusters = Clusters(len(entries))
    _join(clusters, completion_places(entries), near, tick)
    if prompts != "ignore":
        _join(clusters, prompt_places(entries), near if prompts == "near" else None, tick)
    return clusters


def _join(clusters: Clusters, texts: TextPlaces, near: float | None, tick: Tick | None) -> None:
    for places in texts.places:
        clusters.join(place.entry for place in places)
    if near is None:
        return
    pairs = near_within(texts.texts, threshold=near, tick=tick)
    for first, second in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True):
        clusters.join([texts.places[first][0].entry, texts.places[second][0].entry])
