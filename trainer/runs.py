"""The folder of a training run: what it was asked to do, its checkpoints, its history.

OUTPUT/run.json         command, settings, data, versions
OUTPUT/history.jsonl    one line for each logged step
OUTPUT/checkpoint-N/    for resuming; one that a kill left unfinished is passed over
OUTPUT/model/           the result: a model folder like any other
OUTPUT/report.html      what to look at
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from trainer.processes import is_main_process
from trainer.progress import read_history
from trainer.run_folder import RunFolderError, open_run_folder, write_json

__all__ = ["Run", "RunFolderError", "cpu_has_bfloat16", "last_whole_checkpoint", "use_bfloat16", "write_json"]

VERSIONS_OF = ("zhufu", "torch", "transformers", "trl", "peft", "accelerate", "datasets")


class Run:
    """One training run and its folder."""

    def __init__(self, output: Path, *, command: str, settings: Mapping[str, Any], resume: bool) -> None:
        """Prepare the folder.

        Args:
            output: The folder; made when missing.
            command: Which command runs, such as ``train sft``.
            settings: Everything that decides the result, as JSON values.
            resume: Go on from the last checkpoint that lies there; from the start where a run ended before its first.

        Raises:
            RunFolderError: The folder holds a run and ``resume`` is not given, the run there had other settings, or
                ``resume`` is given and there is no run.
        """
        self.output = output
        self.checkpoint: str | None = None
        if is_main_process():
            holds_run = open_run_folder(
                output, command=command, settings=settings, resume=resume, versions_of=VERSIONS_OF
            )
        else:
            holds_run = resume  # the main process looks, and ends all where that is wrong
        if holds_run:
            self.checkpoint = last_whole_checkpoint(output)

    @property
    def model_folder(self) -> Path:
        """Where the result goes."""
        return self.output / "model"

    @property
    def history_file(self) -> Path:
        """Where the logged steps go."""
        return self.output / "history.jsonl"

    def history(self) -> list[dict[str, Any]]:
        """All logged steps so far, in order."""
        return read_history(self.history_file)


def last_whole_checkpoint(output: Path) -> str | None:
    """The newest checkpoint that was saved to its end; None where there is none.

    The trainer writes ``trainer_state.json`` last: a folder without it, or with half of it, is of a process that was
    killed while it saved.
    """
    numbers = {path: path.name.removeprefix("checkpoint-") for path in output.glob("checkpoint-*")}
    newest_first = sorted((path for path in numbers if numbers[path].isdecimal()), key=lambda path: -int(numbers[path]))
    for path in newest_first:
        with contextlib.suppress(OSError, ValueError):
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
            return str(path)
    return None


def cpu_has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 natively (AVX-512 BF16 or AMX); without, it would be slower, not faster."""
    flags = Path("/proc/cpuinfo")
    with contextlib.suppress(OSError):
        text = flags.read_text(encoding="utf-8", errors="replace")
        return "avx512_bf16" in text or "amx_bf16" in text
    return False


def use_bfloat16() -> bool:
    """bfloat16 where the hardware has it: CUDA from Ampere on, newer CPUs."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return cpu_has_bfloat16()
