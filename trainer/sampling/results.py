"""The files of a bulk run, and how they are written: whole or not at all, and the same however often it was killed.

pairs.jsonl            OUTPUT: what ``zhufu train rm --data`` reads, a pair a line, in the order of the prompts
pairs.samples.jsonl    every sample as the service told it: candidates, verdicts, reasons, transcripts
pairs.summary.json     counts, failures, tokens, lengths
pairs.html             the same to look at
pairs.journal          what has been done (`trainer.sampling.journal`); keep it until the run is complete
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from pydantic import JsonValue

from shared.errors import ZhufuError
from trainer.sampling.journal import Journal, JournalExists
from trainer.sampling.prompts import Prompt

SUFFIX = ".jsonl"


class OutputUnusable(ZhufuError):
    """The output cannot be called so, or cannot be written."""

    code = "output_unusable"


@dataclasses.dataclass(frozen=True, slots=True)
class Files:
    """Where everything goes; the names follow from the output's."""

    pairs: Path

    @property
    def journal(self) -> Path:
        """What has been done."""
        return self.pairs.with_suffix(".journal")

    @property
    def samples(self) -> Path:
        """All samples, whole."""
        return self.pairs.with_suffix(".samples.jsonl")

    @property
    def summary(self) -> Path:
        """Counts, for programs."""
        return self.pairs.with_suffix(".summary.json")

    @property
    def page(self) -> Path:
        """Counts and plots, for people."""
        return self.pairs.with_suffix(".html")

    def prepare(self) -> None:
        """Make the folder, and see that nothing of another run would be lost.

        Raises:
            OutputUnusable: The name does not end in .jsonl, or the folder cannot be made.
            JournalExists: There are pairs already, and no journal that could be gone on with.
        """
        if self.pairs.suffix != SUFFIX:
            raise OutputUnusable(f"{self.pairs}: the name of the output ends in {SUFFIX}")
        try:
            self.pairs.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputUnusable(f"{self.pairs.parent} cannot be made: {error.strerror}") from None
        if self.pairs.exists() and not self.journal.exists():
            raise JournalExists(f"{self.pairs} is there already, and no journal beside it: choose another --output")


def write_pairs(files: Files, prompts: Sequence[Prompt], journal: Journal) -> None:
    """Write the samples and the pairs, in the order of the prompts."""
    with whole_file(files.samples) as samples:
        for index, prompt in enumerate(prompts):
            entry = journal.entries.get(index)
            if entry is not None and entry.choice is not None:
                _write_line(samples, {"id": prompt.id, "sample": journal.sample(index)})
    with whole_file(files.pairs) as pairs:
        for index, prompt in enumerate(prompts):
            entry = journal.entries.get(index)
            if entry is not None and entry.choice is not None and entry.choice.pair is not None:
                pair = entry.choice.pair
                row: dict[str, JsonValue] = {
                    "prompt": prompt.text,
                    "chosen": pair.chosen,
                    "rejected": pair.rejected,
                    "id": prompt.id,
                    "margin": pair.margin,
                    "length_matched": pair.length_matched,
                }
                _write_line(pairs, row)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """A text file that takes its name only when it is complete and on the disk.

    Raises:
        OutputUnusable: It cannot be written.
    """
    part = path.with_name(f".{path.name}.part")  # one name: what a kill leaves is written over by the next run
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise OutputUnusable(f"{path} cannot be written: {error.strerror}") from error


def _write_line(file: IO[str], value: Mapping[str, JsonValue]) -> None:
    file.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")
