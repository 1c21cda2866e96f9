"""What data files hold, once loaded: preference pairs, examples and prompts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Literal, TypeVar

ROWS_NAMED = 5
"""So many rows a summary names one by one."""

Label = Literal[0, 1]
"""1 good, 0 bad."""

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """Two completions of one prompt, of which the first is the better one.

    In a made-up pair the rejected one may stand under another prompt: the same greeting, sent to the wrong person.
    """

    prompt: str
    chosen: str
    rejected: str
    rejected_prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt and a completion that a policy may learn from."""

    prompt: str
    completion: str


class Flaw(StrEnum):
    """What is wrong with a rejected greeting of the starter set: its one main flaw."""

    WRONG_OCCASION = "wrong_occasion"
    WRONG_RECIPIENT = "wrong_recipient"
    IGNORES_REQUEST = "ignores_request"
    OVER_FAMILIAR = "over_familiar"
    TOO_FORMAL = "too_formal"
    TABOO = "taboo"
    GENERIC = "generic"
    CLICHE = "cliche"
    PRESSURE = "pressure"
    PROMOTION = "promotion"
    GRAMMAR = "grammar"
    FLAT = "flat"
    DATED_PHRASE = "dated_phrase"
    INCOMPLETE = "incomplete"

    @property
    def description(self) -> str:
        """One line for people."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    Flaw.WRONG_OCCASION: "a fine greeting for another occasion",
    Flaw.WRONG_RECIPIENT: "a fine greeting for somebody else: age, sex, role or relation",
    Flaw.IGNORES_REQUEST: "fine, but ignores or contradicts a wish or a detail of the prompt: form, tone, length, fact",
    Flaw.OVER_FAMILIAR: "too intimate or joking for this relation",
    Flaw.TOO_FORMAL: "stiff and official to somebody close",
    Flaw.TABOO: "taboo or unlucky here by custom",
    Flaw.GENERIC: "could be sent to anybody on any day",
    Flaw.CLICHE: "strings stock phrases together",
    Flaw.PRESSURE: "turns the wish into a demand, a comparison or guilt",
    Flaw.PROMOTION: "smuggles in an advertisement, a favour asked or a self-interest",
    Flaw.GRAMMAR: "a wrong word, or a broken or illogical sentence",
    Flaw.FLAT: "listless, bookkeeping, without feeling",
    Flaw.DATED_PHRASE: "one worn-out or old-fashioned phrase spoils it",
    Flaw.INCOMPLETE: "breaks off before it is done, or plainly lacks an element",
}


@dataclass(frozen=True, slots=True)
class StarterPair:
    """A row of the starter set; its datasheet (``starter/README.md``) explains the fields."""

    id: str
    occasion: str
    relation: str
    prompt: str
    chosen: str
    rejected: str
    flaw: Flaw
    flaw_note: str
    needs_prompt: bool

    @property
    def pair(self) -> PreferencePair:
        """The row without its annotations."""
        return PreferencePair(self.prompt, self.chosen, self.rejected)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that is in order but makes no record of the kind asked for. Rows count from 1; in text files, lines do."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class Loaded(Generic[Record]):
    """The records of a source in their order, and what had to be left out: every row is in one of the two."""

    records: list[Record]
    skipped: list[Skipped]

    def summary(self) -> str:
        """One line for people: how many rows were used, and which were left out for what reason."""
        if not self.skipped:
            return f"{len(self.records):,} rows"
        by_reason: dict[str, list[int]] = {}
        for skipped in self.skipped:
            by_reason.setdefault(skipped.reason, []).append(skipped.row)
        left_out = "; ".join(f"{len(rows):,} left out, {reason} ({_named(rows)})" for reason, rows in by_reason.items())
        return f"{len(self.records):,} of {len(self.records) + len(self.skipped):,} rows; {left_out}"


def _named(rows: list[int]) -> str:
    names = ", ".join(map(str, rows[:ROWS_NAMED]))
    more = len(rows) - ROWS_NAMED
    return f"row{'s' if len(rows) > 1 else ''} {names}" + (f" and {more:,} more" if more > 0 else "")
