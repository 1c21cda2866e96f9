"""What of an evaluation stands in audited data: prompts and texts, exactly and nearly, and under which label."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from trainer.data.audit.repeats import EXAMPLES, NearExample
from trainer.data.entries import Entry, Source
from trainer.data.similarity import Tick
from trainer.data.text_places import Match, Place, TextPlaces, completion_places, matches, prompt_places

Called = Literal["good", "bad", "good and bad", "example"]
"""What the rows with a text say of it; without labels it is an example."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TextLeak:
    """Texts of the evaluation with one label, and how many stand in the data under one label."""

    evaluated: Called
    known_as: Called
    exact: int
    near: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Leaks:
    """What one evaluation shares with the data. Evaluation texts count as often as they stand there.

    Attributes:
        evaluation: Name of its source.
        rows: Of the evaluation.
        texts: Of the evaluation, by label.
        prompts_exact: Rows of the evaluation whose prompt stands in the data,
        prompts_near: and whose prompt nearly does.
        by_label: Of the texts that do; without those that do not.
        tainted_rows: Rows of the data with a text of the evaluation, exactly or nearly.
        examples: The least alike of the near texts, a row of the evaluation and then one of the data.
    """

    evaluation: str
    rows: int
    texts: Mapping[Called, int]
    prompts_exact: int
    prompts_near: int
    by_label: Sequence[TextLeak]
    tainted_rows: int
    examples: Sequence[NearExample]

    @property
    def texts_exact(self) -> int:
        """Evaluation texts that stand in the data."""
        return sum(leak.exact for leak in self.by_label)

    @property
    def texts_near(self) -> int:
        """Evaluation texts that nearly do."""
        return sum(leak.near for leak in self.by_label)


def leaks_into(source: Source, evaluation: Source, *, near: float | None, tick: Tick | None = None) -> Leaks:
    """Compare an evaluation with the data.

    Args:
        source: The data.
        evaluation: Its rows should be unknown there.
        near: Least similarity; None looks for equal texts only.
        tick: Told of the progress.
    """
    known, asked = completion_places(source.entries), completion_places(evaluation.entries)
    found = matches(asked, known, near=near, tick=tick)
    prompts, known_prompts = prompt_places(evaluation.entries), prompt_places(source.entries)
    found_prompts = matches(prompts, known_prompts, near=near, tick=tick)

    def prompt_rows(*, exact: bool) -> int:
        return sum(len(prompts.places[number]) for number, match in found_prompts.items() if match.exact == exact)

    tainted = matches(known, asked, near=near, tick=tick)
    return Leaks(
        evaluation=evaluation.name,
        rows=len(evaluation.entries),
        texts=Counter(_called([place]) for places in asked.places for place in places),
        prompts_exact=prompt_rows(exact=True),
        prompts_near=prompt_rows(exact=False),
        by_label=_by_label(asked, known, found),
        tainted_rows=len({place.entry for number in tainted for place in known.places[number]}),
        examples=_examples(asked, known, found, evaluation.entries, source.entries),
    )


def _by_label(asked: TextPlaces, known: TextPlaces, found: Mapping[int, Match]) -> list[TextLeak]:
    counts: Counter[tuple[Called, Called, bool]] = Counter(
        (_called([place]), _called(known.places[match.number]), match.exact)
        for number, match in found.items()
        for place in asked.places[number]
    )
    pairs = sorted({(evaluated, known_as) for evaluated, known_as, _ in counts})
    return [
        TextLeak(
            evaluated=evaluated,
            known_as=known_as,
            exact=counts[evaluated, known_as, True],
            near=counts[evaluated, known_as, False],
        )
        for evaluated, known_as in pairs
    ]


def _called(places: Sequence[Place]) -> Called:
    labels = {place.label for place in places} - {None}
    if labels == {1, 0}:
        return "good and bad"
    if not labels:
        return "example"
    return "good" if labels == {1} else "bad"


def _examples(
    asked: TextPlaces,
    known: TextPlaces,
    found: Mapping[int, Match],
    evaluation: Sequence[Entry],
    entries: Sequence[Entry],
) -> list[NearExample]:
    near = sorted((match.similarity, number) for number, match in found.items() if not match.exact)
    return [
        NearExample(
            first_row=evaluation[asked.places[number][0].entry].row,
            second_row=entries[known.places[found[number].number][0].entry].row,
            first_text=asked.texts[number],
            second_text=known.texts[found[number].number],
            similarity=similarity,
        )
        for similarity, number in near[:EXAMPLES]
    ]
