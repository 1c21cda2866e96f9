"""The folder of a training run: what it was asked to do, its checkpoints, its history.

OUTPUT/run.json         command, settings, data, versions
OUTPUT/history.jsonl    one line for each logged step
OUTPUT/checkpoint-N/    for resuming; one that a kill left unfinished is passed over
OUTPUT/model/           the result: a model folder like any other
OUTPUT/report.html      what to look at
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import json
import os
import platform
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from shared.errors import ZhufuError
from trainer.progress import read_history

VERSIONS_OF = ("zhufu", "torch", "transformers", "trl", "peft", "accelerate", "datasets")


class RunFolderError(ZhufuError):
    """The output folder cannot be used: it holds another run, or there is nothing to resume."""

    code = "run_folder"


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
        self._description = {"command": command, "settings": json.loads(json.dumps(settings, default=str))}
        record = output / "run.json"
        if record.is_file():
            before = json.loads(record.read_text(encoding="utf-8"))
            if not resume:
                raise RunFolderError(f"{output} holds a run already: choose another folder, or resume it")
            if {key: before.get(key) for key in self._description} != self._description:
                raise RunFolderError(f"{record} tells of a run with other settings: it cannot be resumed with these")
            self.checkpoint = last_whole_checkpoint(output)
        elif output.is_dir() and any(output.iterdir()):
            raise RunFolderError(f"{output} is not empty and holds no run")
        elif resume:
            raise RunFolderError(f"{output} holds no run to resume")
        output.mkdir(parents=True, exist_ok=True)
        if not record.is_file():
            versions = {name: importlib.metadata.version(name) for name in VERSIONS_OF}
            machine = {"python": platform.python_version(), "platform": platform.platform(), "cpus": os.cpu_count()}
            write_json(record, {**self._description, "versions": versions, "machine": machine})

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


def write_json(path: Path, value: Any) -> None:
    """Write so that the file is whole or not there, whatever happens meanwhile."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=_plain) + "\n"
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        file.write(text)
    Path(file.name).replace(path)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")


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
