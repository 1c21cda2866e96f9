"""Copying: how much of what the policy writes stands in the corpus that it is shown, or was trained on."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterable
from pathlib import Path

from shared.errors import InvalidData
from trainer.data.formats import WARM_UP, load_examples, open_source, starter_split
from trainer.data.records import Example
from trainer.data.rows import json_rows, read_file
from trainer.evaluation.policies.copying import KnownTexts
from trainer.monitors.monitor import MeasuredMonitor, ScoredStep


class Copying(MeasuredMonitor):
    """How much of a completion stands in one text of the corpus, on average: 1 is all of it.

    Runs of eight characters count, no meaning: a reward that knows the corpus is fooled by its words, and no model has
    to be loaded. As much as `trainer.evaluation.policies.copying` says of a text: 1 where it is one of the corpus but
    for width, case and spaces; else the larger of its longest stretch and of its share of runs that stand there. N-gram
    overlap is how copying is found at large, too: Lee et al. 2022, https://arxiv.org/abs/2107.06499.
    """

    name = "copying"
    title = "抄语料 · copied from the corpus"
    unit = "share"

    def __init__(self, corpus: KnownTexts) -> None:
        self._corpus = corpus

    def measure(self, step: ScoredStep) -> float | None:
        """Over this process's rollouts."""
        found = (self._corpus.look_up(text) for text in step.completions)
        return statistics.fmean(1.0 if each.whole else max(each.stretch, each.grams) for each in found)


def corpus_texts(sources: Iterable[str]) -> list[str]:
    """The greetings of some sources: all that train (of pairs the chosen ones), and what retrieval's index is made of.

    Raises:
        InvalidData: One is not there, is broken, or holds no greetings.
    """
    return [text for source in sources for text in _texts_of(source)]


def greetings_in(source: str) -> list[str]:
    """The good greetings beside the prompts of a source; none where it has prompts alone.

    Raises:
        InvalidData: It is not there, or none of the formats.
    """
    if _is_shipped(source):
        return _texts_of(source)
    form, rows = open_source(Path(source))
    texts = []
    for row in rows if form.example is not None else ():
        assert form.example is not None
        # The prompts train, whatever else is wrong with a row.
        with contextlib.suppress(InvalidData):
            example = form.example(row)
            texts += [example.completion] if isinstance(example, Example) else []
    return texts


def _texts_of(source: str) -> list[str]:
    field = None if _is_shipped(source) else _document_field(Path(source))
    if field is None:
        return [example.completion for example in load_examples(source).records]
    path = Path(source)
    return [row.text(field) for row in json_rows(path, read_file(path))]


def _is_shipped(source: str) -> bool:
    return source == WARM_UP or starter_split(source) is not None


def _document_field(path: Path) -> str | None:
    """Where the rows of an index's documents have their greeting; None for what the loaders of training data read."""
    data = read_file(path)
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in {b"[", b"{"}:
        return None
    first = next(json_rows(path, data), None)
    fields = set() if first is None else first.fields.keys()
    if {"prompt", "response"} <= fields:
        return "response"
    return "chosen" if {"prompt", "chosen"} <= fields and "rejected" not in fields else None
