"""The rows of any source, whatever its format, as `zhufu data audit` and `zhufu data split` look at them.

A source is what `trainer.data.formats` reads. Nothing is left out here: a pair of two equal texts is an entry like
others, and each entry knows the row it comes from.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

from shared.errors import InvalidData
from trainer.data.folding import folded_text
from trainer.data.formats import (
    ALPACA,
    EXAMPLES,
    LABELLED,
    MODEL_ROLES,
    PAIRS,
    PROMPT_PREFIX,
    RANKING,
    WARM_UP,
    Format,
    label_of,
    load_examples,
    open_source,
    starter_split,
)
from trainer.data.records import Label, Skipped
from trainer.data.rows import Row, read_file
from trainer.data.starter import SHA256, load_starter

Kind = Literal["pairs", "labelled", "examples", "prompts"]


@dataclasses.dataclass(frozen=True, slots=True)
class Completion:
    """A text and what its row says of it: 1 good or chosen, 0 bad or rejected, None an example without a label."""

    text: str
    label: Label | None

    @property
    def folded(self) -> str:
        """What it is compared by."""
        return folded_text(self.text)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row.

    Attributes:
        source: Name of its source.
        row: Its number there, from 1; of the starter set, in the order of the ids.
        prompt: The request as it stands there.
        completions: Of a pair the chosen and the rejected one, of a list of prompts none.
    """

    source: str
    row: int
    prompt: str
    completions: tuple[Completion, ...]

    @property
    def folded_prompt(self) -> str:
        """What the request is compared by: without what the paper puts before every one."""
        return folded_text(self.prompt.removeprefix(PROMPT_PREFIX))

    @property
    def key(self) -> tuple[str, ...]:
        """Rows that say the same have the same."""
        return (self.folded_prompt, *(f"{each.label} {each.folded}" for each in self.completions))

    @property
    def prefers_nothing(self) -> bool:
        """A pair whose two texts are the same."""
        return len({each.text for each in self.completions}) < len(self.completions)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """All rows of a source.

    Attributes:
        name: As it was given.
        kind: What its rows are.
        sha256: Of the file, as it lies there.
        entries: In the order of the rows.
        refused: Rows that no loader takes, and why.
    """

    name: str
    kind: Kind
    sha256: str
    entries: Sequence[Entry]
    refused: Sequence[Skipped]


def read_source(name: str, *, strict: bool = True) -> Source:
    """Read all rows of a source.

    Args:
        name: Of the source; for the starter set also ``starter:warm-up``.
        strict: Raise at the first row that no loader takes; otherwise it is named and passed over.

    Raises:
        InvalidData: The source is not there, cannot be read at all, or has no row that is in order.
    """
    if name == WARM_UP:
        rows = load_examples(name).records
        made = [
            Entry(source=name, row=number, prompt=row.prompt, completions=(Completion(row.completion, None),))
            for number, row in enumerate(rows, start=1)
        ]
        return Source(name=name, kind="examples", sha256=SHA256["train"], entries=made, refused=[])
    if (split := starter_split(name)) is not None:
        made = [
            Entry(source=name, row=number, prompt=row.prompt, completions=_pair(row.chosen, row.rejected))
            for number, row in enumerate(load_starter(split), start=1)
        ]
        return Source(name=name, kind="pairs", sha256=SHA256[split], entries=made, refused=[])
    path = Path(name)
    digest = hashlib.sha256(read_file(path)).hexdigest()
    form, found = open_source(path)
    kind, completions = _READERS.get(form.name, _PROMPTS)
    entries, refused = _read(name, form, completions, found, strict=strict)
    if not entries:
        reason = refused[0].reason if refused else "it has no rows"
        raise InvalidData(name, f"no row is in order: {reason}", refused[0].row if refused else None)
    return Source(name=name, kind=kind, sha256=digest, entries=entries, refused=refused)


def record_of(kind: Kind, entry: Entry) -> dict[str, object]:
    """An entry as a JSON line that the loaders read."""
    texts = [each.text for each in entry.completions]
    if kind == "pairs":
        return {"prompt": entry.prompt, "chosen": texts[0], "rejected": texts[1]}
    if kind == "labelled":
        return {"query": entry.prompt, "response": texts[0], "label": entry.completions[0].label}
    return {"prompt": entry.prompt, "completion": texts[0]} if kind == "examples" else {"prompt": entry.prompt}


def _read(
    name: str, form: Format, completions: Callable[[Row], tuple[Completion, ...]], rows: Iterable[Row], *, strict: bool
) -> tuple[list[Entry], list[Skipped]]:
    entries: list[Entry] = []
    refused: list[Skipped] = []
    for row in rows:
        try:
            entries.append(Entry(source=name, row=row.number, prompt=form.prompt(row), completions=completions(row)))
        except InvalidData as error:
            if strict:
                raise
            refused.append(Skipped(row.number, error.detail.removeprefix(f"{row.path}, row {row.number}: ")))
    return entries, refused


def _pair(chosen: str, rejected: str) -> tuple[Completion, ...]:
    return (Completion(chosen, 1), Completion(rejected, 0))


def _ranking(row: Row) -> tuple[Completion, ...]:
    return _pair(row.turn("chosen", MODEL_ROLES), row.turn("rejected", MODEL_ROLES))


def _plain_pair(row: Row) -> tuple[Completion, ...]:
    return _pair(row.text("chosen"), row.text("rejected"))


def _labelled(row: Row) -> tuple[Completion, ...]:
    return (Completion(row.text("response"), label_of(row)),)


def _alpaca(row: Row) -> tuple[Completion, ...]:
    return (Completion(row.text("output"), None),)


def _example(row: Row) -> tuple[Completion, ...]:
    return (Completion(row.text("completion"), None),)


def _nothing(row: Row) -> tuple[Completion, ...]:
    return ()


_PROMPTS: tuple[Kind, Callable[[Row], tuple[Completion, ...]]] = ("prompts", _nothing)
_READERS: dict[str, tuple[Kind, Callable[[Row], tuple[Completion, ...]]]] = {
    RANKING.name: ("pairs", _ranking),
    PAIRS.name: ("pairs", _plain_pair),
    LABELLED.name: ("labelled", _labelled),
    ALPACA.name: ("examples", _alpaca),
    EXAMPLES.name: ("examples", _example),
}
