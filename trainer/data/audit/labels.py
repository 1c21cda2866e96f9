"""Labels: how many of each, rows that prefer nothing, and texts that are called both good and bad."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from trainer.data.entries import Entry


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """A text with both labels, and the rows that call it good and bad."""

    text: str
    good_rows: Sequence[int]
    bad_rows: Sequence[int]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What the labels of a source are like.

    Attributes:
        good: Texts of label 1, as often as they stand there,
        bad: and of label 0.
        same_text_rows: Pairs whose two texts are the same, to the letter.
        one_prompt: Texts called both under one prompt, other rows than those.
        across_prompts: Texts called good under one prompt and bad under another: no contradiction where the prompt
            decides, but no reward can learn it from the text.
    """

    good: int
    bad: int
    same_text_rows: Sequence[int]
    one_prompt: Sequence[Contradiction]
    across_prompts: Sequence[Contradiction]

    @property
    def minority(self) -> float:
        """Share of the rarer label."""
        return min(self.good, self.bad) / max(1, self.good + self.bad)


def labels_of(entries: Sequence[Entry]) -> Labels | None:
    """None where rows have no labels."""
    labels = [each.label for entry in entries for each in entry.completions if each.label is not None]
    if not labels:
        return None
    return Labels(
        good=sum(labels),
        bad=len(labels) - sum(labels),
        same_text_rows=[entry.row for entry in entries if entry.prefers_nothing],
        one_prompt=_contradictions(entries, by_prompt=True),
        across_prompts=_contradictions(entries, by_prompt=False),
    )


def _contradictions(entries: Sequence[Entry], *, by_prompt: bool) -> list[Contradiction]:
    """Under one prompt, or else under no prompt both ways."""
    rows: dict[str, dict[str, dict[int, set[int]]]] = {}
    for entry in entries:
        if entry.prefers_nothing:
            continue
        for each in entry.completions:
            sides = rows.setdefault(each.folded, {}).setdefault(entry.folded_prompt, {1: set(), 0: set()})
            sides[each.label or 0].add(entry.row)
    found = []
    for text, prompts in rows.items():
        both = [sides for sides in prompts.values() if sides[1] and sides[0]]
        if by_prompt:
            shown = both
        elif both:
            continue
        else:
            shown = list(prompts.values())
        good, bad = (sorted({row for sides in shown for row in sides[label]}) for label in (1, 0))
        if good and bad:
            found.append(Contradiction(text=text, good_rows=good, bad_rows=bad))
    return found
