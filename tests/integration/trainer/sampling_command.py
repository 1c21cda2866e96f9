"""``zhufu sample`` as a process, and its files as a test reads them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.integration.trainer.commands import zhufu_process
from tests.support.processes import Process
from trainer.sampling.results import Files


def sample_process(output: Path, *arguments: object) -> Process:
    """The command as a process."""
    return zhufu_process(output, "sample", *arguments)


@dataclasses.dataclass(frozen=True)
class Results:
    """The files of a run."""

    files: Files

    @property
    def pairs(self) -> list[dict[str, Any]]:
        return _lines(self.files.pairs)

    @property
    def samples(self) -> list[dict[str, Any]]:
        return _lines(self.files.samples)

    @property
    def summary(self) -> dict[str, Any]:
        return dict(json.loads(self.files.summary.read_text(encoding="utf-8")))

    @property
    def journal(self) -> list[dict[str, Any]]:
        """The whole lines."""
        if not self.files.journal.exists():
            return []
        whole, _, _ = self.files.journal.read_bytes().rpartition(b"\n")
        return [json.loads(line) for line in whole.split(b"\n") if line]

    @property
    def ended(self) -> list[dict[str, Any]]:
        """The lines of prompts that have ended."""
        return [line for line in self.journal if "index" in line]

    @property
    def names(self) -> set[str]:
        """All files of the folder."""
        return {path.name for path in self.files.pairs.parent.iterdir()}


def results_in(folder: Path) -> Results:
    return Results(Files(folder / "pairs.jsonl"))


def write_prompts(path: Path, prompts: Sequence[str]) -> Path:
    """A file of JSON lines."""
    lines = [json.dumps({"prompt": prompt}, ensure_ascii=False) + "\n" for prompt in prompts]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
