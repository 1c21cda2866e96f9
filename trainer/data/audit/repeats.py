"""What stands in a source more than once: whole rows, prompts, texts; exactly, and nearly."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

from trainer.data.clusters import Clusters
from trainer.data.entries import Entry
from trainer.data.similarity import Tick, near_within
from trainer.data.text_places import TextPlaces, completion_places, prompt_places

What = Literal["rows", "prompts", "texts"]
EXAMPLES = 10


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NearExample:
    """Two rows and how alike their texts are."""

    first_row: int
    second_row: int
    first_text: str
    second_text: str
    similarity: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """What of one thing stands there again.

    Attributes:
        what: Whole rows, their prompts, or their completions.
        total: How many there are.
        distinct: How many different ones, folded.
        near: Of these, how many are nearly another one of another row; None where that was not looked for.
        near_pairs: In so many pairs.
        largest_group: Rows that belong together by it, exactly or nearly, also through others, at most.
        examples: The least alike of the near pairs: what the threshold lets count as the same.
    """

    what: What
    total: int
    distinct: int
    near: int | None = None
    near_pairs: int | None = None
    largest_group: int = 1
    examples: Sequence[NearExample] = ()

    @property
    def repeated(self) -> int:
        """Those that stand there before."""
        return self.total - self.distinct

    @property
    def share(self) -> float:
        """Of all, those that stand there before."""
        return self.repeated / self.total if self.total else 0.0

    @property
    def near_share(self) -> float | None:
        """Of the different ones, those that are nearly another one."""
        return None if self.near is None else self.near / max(1, self.distinct)


def repeats_of(entries: Sequence[Entry], *, near: float, tick: Tick | None = None) -> list[Repeats]:
    """Repeated rows, prompts and, where there are some, texts.

    Args:
        entries: Of one source.
        near: Least similarity.
        tick: Told of the progress.
    """
    found = [
        Repeats(what="rows", total=len(entries), distinct=len({entry.key for entry in entries})),
        _repeats("prompts", prompt_places(entries), entries, near, tick),
    ]
    if any(entry.completions for entry in entries):
        found.append(_repeats("texts", completion_places(entries), entries, near, tick))
    return found


def _repeats(what: What, texts: TextPlaces, entries: Sequence[Entry], near: float, tick: Tick | None) -> Repeats:
    pairs = near_within(texts.texts, threshold=near, tick=tick)
    rows = [{place.entry for place in places} for places in texts.places]
    # The two texts of one row may be alike: a greeting, and the same with its one flaw.
    across = [
        (first, second, similarity)
        for first, second, similarity in zip(
            pairs.first.tolist(), pairs.second.tolist(), pairs.similarity.tolist(), strict=True
        )
        if len(rows[first] | rows[second]) > 1
    ]
    groups = Clusters(len(entries))
    for some in rows:
        groups.join(some)
    for first, second, _ in across:
        groups.join([min(rows[first]), min(rows[second])])
    shown = sorted(across, key=lambda pair: pair[2])[:EXAMPLES]
    return Repeats(
        what=what,
        total=sum(len(places) for places in texts.places),
        distinct=len(texts),
        near=len({text for first, second, _ in across for text in (first, second)}),
        near_pairs=len(across),
        largest_group=max(map(len, groups.members().values()), default=0),
        examples=[
            NearExample(
                first_row=entries[min(rows[first])].row,
                second_row=entries[min(rows[second])].row,
                first_text=texts.texts[first],
                second_text=texts.texts[second],
                similarity=similarity,
            )
            for first, second, similarity in shown
        ],
    )
