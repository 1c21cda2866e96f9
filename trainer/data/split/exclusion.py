"""Rows that no split may hold: those that say nothing, twice or both ways, and those of the sources kept out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from enum import StrEnum

from trainer.data.clusters import PromptRule
from trainer.data.entries import Entry
from trainer.data.similarity import Tick
from trainer.data.text_places import TextPlaces, completion_places, matches, prompt_places


class Reason(StrEnum):
    """Why a row is in no split."""

    SAME_TEXT = "same_text"
    REPEATED = "repeated"
    CONTRADICTED = "contradicted"
    TEXT = "text"
    TEXT_NEAR = "text_near"
    PROMPT = "prompt"
    PROMPT_NEAR = "prompt_near"
    BESIDE = "beside"

    @property
    def description(self) -> str:
        """A few words for people."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    Reason.SAME_TEXT: "chosen and rejected are the same text",
    Reason.REPEATED: "the same row stands before",
    Reason.CONTRADICTED: "another row says the contrary",
    Reason.TEXT: "a text of it stands in an excluded source",
    Reason.TEXT_NEAR: "a text of it nearly stands in an excluded source",
    Reason.PROMPT: "its prompt stands in an excluded source",
    Reason.PROMPT_NEAR: "its prompt nearly stands in an excluded source",
    Reason.BESIDE: "shares a prompt or a text with a held-out row, and is not length-matched itself",
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A row in no split; which other row that is due to, where it is due to one, and how like it is."""

    entry: Entry
    reason: Reason
    like: Entry | None = None
    similarity: float | None = None


def sound_entries(entries: Sequence[Entry]) -> tuple[list[Entry], list[LeftOut]]:
    """The rows to learn from: each once, none that prefers nothing, none whose contrary stands there as well."""
    by_key: dict[tuple[str, ...], Entry] = {}
    left_out: list[LeftOut] = []
    for entry in entries:
        if entry.prefers_nothing:
            left_out.append(LeftOut(entry=entry, reason=Reason.SAME_TEXT))
        elif (before := by_key.setdefault(entry.key, entry)) is not entry:
            left_out.append(LeftOut(entry=entry, reason=Reason.REPEATED, like=before, similarity=1.0))
    sound = []
    for entry in by_key.values():
        if (contrary := by_key.get(_contrary(entry))) is None:
            sound.append(entry)
        else:
            left_out.append(LeftOut(entry=entry, reason=Reason.CONTRADICTED, like=contrary, similarity=1.0))
    return sound, left_out


def without(
    entries: Sequence[Entry],
    excluded: Sequence[Entry],
    *,
    near: float | None,
    prompts: PromptRule,
    tick: Tick | None = None,
) -> tuple[list[Entry], list[LeftOut]]:
    """The rows that share nothing with the excluded ones, and the others.

    A row that shares several things is left out for the first of them in the order of `Reason`.

    Args:
        entries: Rows to keep or leave out.
        excluded: Rows of the sources to be kept out.
        near: Least similarity of texts that count as shared; None takes equal ones only.
        prompts: Which prompts count as shared.
        tick: Told of the progress.

    Raises:
        InvalidRequest: ``near`` is not above 0 and at most 1.
    """
    found: dict[int, LeftOut] = {}

    def look(texts: TextPlaces, others: TextPlaces, least: float | None, exact: Reason, nearly: Reason) -> None:
        for number, match in matches(texts, others, near=least, tick=tick).items():
            like = excluded[others.places[match.number][0].entry]
            for place in texts.places[number]:
                candidate = LeftOut(
                    entry=entries[place.entry],
                    reason=exact if match.exact else nearly,
                    like=like,
                    similarity=match.similarity,
                )
                before = found.setdefault(place.entry, candidate)
                if _REASONS.index(candidate.reason) < _REASONS.index(before.reason):
                    found[place.entry] = candidate

    if excluded:
        look(completion_places(entries), completion_places(excluded), near, Reason.TEXT, Reason.TEXT_NEAR)
    if excluded and prompts != "ignore":
        least = near if prompts == "near" else None
        look(prompt_places(entries), prompt_places(excluded), least, Reason.PROMPT, Reason.PROMPT_NEAR)
    kept = [entry for index, entry in enumerate(entries) if index not in found]
    return kept, [found[index] for index in sorted(found)]


def _contrary(entry: Entry) -> tuple[str, ...]:
    """The key of a row that says the opposite: the pair turned round, the text with the other label."""
    opposite = {1: 0, 0: 1, None: None}
    turned = [f"{opposite[each.label]} {each.folded}" for each in entry.completions]
    contrary = (entry.folded_prompt, *reversed(turned))
    # A row without labels has no contrary: it would be its own.
    return () if contrary == entry.key else contrary


_REASONS = list(Reason)
