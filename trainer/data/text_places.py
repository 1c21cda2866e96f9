"""Where texts stand in a list of entries, and which texts of one list stand in another, exactly or nearly."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from trainer.data.entries import Entry
from trainer.data.records import Label
from trainer.data.similarity import Tick, near_across


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """An entry, by its place in the list, and the label of the text there; None for a prompt or an example."""

    entry: int
    label: Label | None


@dataclasses.dataclass(frozen=True, slots=True)
class TextPlaces:
    """Distinct folded texts, in the order in which they first stand somewhere, each with all its places."""

    texts: Sequence[str]
    places: Sequence[Sequence[Place]]
    number: Mapping[str, int]
    """Of each text among the texts."""

    def __len__(self) -> int:
        return len(self.texts)


@dataclasses.dataclass(frozen=True, slots=True)
class Match:
    """The text of another list that is most like one: its number there. Equal folded texts are exact."""

    number: int
    similarity: float
    exact: bool


def completion_places(entries: Iterable[Entry]) -> TextPlaces:
    """All completions."""
    return _places(
        (each.folded, Place(index, each.label)) for index, entry in enumerate(entries) for each in entry.completions
    )


def prompt_places(entries: Iterable[Entry]) -> TextPlaces:
    """All prompts."""
    return _places((entry.folded_prompt, Place(index, None)) for index, entry in enumerate(entries))


def matches(texts: TextPlaces, others: TextPlaces, *, near: float | None, tick: Tick | None = None) -> dict[int, Match]:
    """For each text that stands in the other list exactly or nearly, by its number: the one there most like it.

    Args:
        texts: What is looked for,
        others: and where.
        near: Least similarity (`trainer.data.similarity`); None finds equal texts only.
        tick: Told of the progress.

    Raises:
        InvalidRequest: ``near`` is not above 0 and at most 1.
    """
    found = {
        number: Match(others.number[text], 1.0, exact=True)
        for number, text in enumerate(texts.texts)
        if text in others.number
    }
    if near is None:
        return found
    rest = [number for number in range(len(texts)) if number not in found]
    pairs = near_across([texts.texts[number] for number in rest], others.texts, threshold=near, tick=tick)
    for first, second, similarity in zip(
        pairs.first.tolist(), pairs.second.tolist(), pairs.similarity.tolist(), strict=True
    ):
        before = found.get(rest[first])
        if before is None or similarity > before.similarity:
            found[rest[first]] = Match(second, similarity, exact=False)
    return found


def _places(stands: Iterable[tuple[str, Place]]) -> TextPlaces:
    number: dict[str, int] = {}
    places: list[list[Place]] = []
    for text, place in stands:
        if text not in number:
            number[text] = len(places)
            places.append([])
        places[number[text]].append(place)
    return TextPlaces(list(number), places, number)
