"""Entries to audit, written down row by row."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.data.entries import Completion, Entry, Kind, Source
from trainer.data.records import Skipped


def pair(prompt: str, chosen: str, rejected: str, row: int = 0) -> Entry:
    completions = (Completion(chosen, 1), Completion(rejected, 0))
    return Entry(source="data", row=row, prompt=prompt, completions=completions)


def labelled(prompt: str, text: str, good: bool, row: int = 0) -> Entry:
    return Entry(source="data", row=row, prompt=prompt, completions=(Completion(text, 1 if good else 0),))


def example(prompt: str, text: str) -> Entry:
    return Entry(source="data", row=0, prompt=prompt, completions=(Completion(text, None),))


def prompt(text: str) -> Entry:
    return Entry(source="data", row=0, prompt=text, completions=())


def source(kind: Kind, entries: Sequence[Entry], *, name: str = "data", refused: Sequence[Skipped] = ()) -> Source:
    """The entries with their rows numbered from 1."""
    numbered = [
        Entry(source=name, row=number, prompt=entry.prompt, completions=entry.completions)
        for number, entry in enumerate(entries, start=1)
    ]
    return Source(name=name, kind=kind, sha256="ab" * 32, entries=numbered, refused=refused)
