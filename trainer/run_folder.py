"""The folder of a run that can be resumed: its ``run.json`` says what was asked for, and nothing else may follow it.

Nothing of a trainer is imported here; `trainer.runs` adds checkpoints and history.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import platform
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.errors import ZhufuError

RECORD = "run.json"
HALF_WRITTEN = ".half-written-"
"""What begins like this is of a process that was killed while it wrote, and counts for nothing."""


class RunFolderError(ZhufuError):
    """The output folder cannot be used: it holds another run, or there is nothing to resume."""

    code = "run_folder"


def open_run_folder(
    output: Path, *, command: str, settings: Mapping[str, Any], resume: bool, versions_of: Sequence[str]
) -> bool:
    """Prepare the folder of a run; made when missing.

    Args:
        output: The folder.
        command: Which command runs, such as ``train sft``.
        settings: Everything that decides the result, as JSON values.
        resume: Go on with the run that lies there.
        versions_of: Distributions whose versions are written down.

    Returns:
        Whether a run lies there, which is now to go on.

    Raises:
        RunFolderError: The folder holds a run and ``resume`` is not given, the run there had other settings, or
            ``resume`` is given and there is no run.
    """
    description = {"command": command, "settings": json.loads(json.dumps(settings, default=str))}
    record = output / RECORD
    holds_run = record.is_file()
    if holds_run:
        before = json.loads(record.read_text(encoding="utf-8"))
        if not resume:
            raise RunFolderError(f"{output} holds a run already: choose another folder, or resume it")
        if {key: before.get(key) for key in description} != description:
            raise RunFolderError(f"{record} tells of a run with other settings: it cannot be resumed with these")
    elif output.is_dir() and any(not path.name.startswith(HALF_WRITTEN) for path in output.iterdir()):
        raise RunFolderError(f"{output} is not empty and holds no run")
    elif resume:
        raise RunFolderError(f"{output} holds no run to resume")
    output.mkdir(parents=True, exist_ok=True)
    if not holds_run:
        versions = {name: importlib.metadata.version(name) for name in versions_of}
        machine = {"python": platform.python_version(), "platform": platform.platform(), "cpus": os.cpu_count()}
        write_json(record, {**description, "versions": versions, "machine": machine})
    return holds_run


def write_json(path: Path, value: Any) -> None:
    """Write so that the file is whole or not there, whatever happens meanwhile."""
    write_whole(path, json.dumps(value, ensure_ascii=False, indent=2, default=_plain) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write so that the file is whole or not there, whatever happens meanwhile."""
    half = path.with_name(f"{HALF_WRITTEN}{uuid.uuid4().hex}")
    half.write_text(text, encoding="utf-8")
    half.replace(path)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")
