"""The folder of a split: the parts as JSON lines, what is in none of them, and ``split.json``, which says how.

The folder is there whole or not at all. One that holds the same split already stays as it is; any other is refused.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.data.entries import record_of
from trainer.data.split.exclusion import LeftOut
from trainer.data.split.job import Split, length_figures
from trainer.run_folder import HALF_WRITTEN, RunFolderError, write_json

RECORD = "split.json"
LEFT_OUT = "left_out.jsonl"


def write_split(split: Split, output: Path) -> bool:
    """Write a split into a folder, made when missing; whether it was there already.

    Raises:
        RunFolderError: The folder holds something else, or the same split with files that were changed.
    """
    files = {f"{name}.jsonl": _lines(record_of(split.kind, row) for row in rows) for name, rows in split.parts.items()}
    files[LEFT_OUT] = _lines(_left_out(each) for each in split.left_out)
    record = describe(split) | {"files": {name: _sha256(text.encode()) for name, text in files.items()}}
    if output.is_file():
        raise RunFolderError(f"{output} is a file, not a folder")
    if output.is_dir() and any(output.iterdir()):
        _check_same(output, json.loads(json.dumps(record)))
        return True
    half = output.absolute().with_name(f"{HALF_WRITTEN}{output.name}")
    if half.is_dir():  # of a process that was killed
        shutil.rmtree(half)
    half.mkdir(parents=True)
    for name, text in files.items():
        (half / name).write_bytes(text.encode())
    write_json(half / RECORD, record)
    if output.is_dir():
        output.rmdir()
    half.rename(output)
    return False


def describe(split: Split) -> dict[str, Any]:
    """What a split is: its sources, its settings and its figures."""
    settings = dataclasses.asdict(split.job)
    return {
        "kind": split.kind,
        "settings": settings | {"data": list(split.job.data), "exclude": list(split.job.exclude)},
        "length_matched": split.length_matched,
        "sources": [
            {"role": role, "name": source.name, "sha256": source.sha256, "rows": len(source.entries)}
            for role, sources in (("data", split.sources), ("exclude", split.excluded))
            for source in sources
        ],
        "parts": {
            name: {"rows": len(rows), "wanted": split.wanted.get(name)} | length_figures(split.kind, rows)
            for name, rows in split.parts.items()
        },
        "groups": {"count": len(split.groups), "largest": split.groups[0]},
        "left_out": {reason.value: count for reason, count in split.reasons.items()},
    }


def _check_same(output: Path, record: Mapping[str, Any]) -> None:
    try:
        before = json.loads((output / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise RunFolderError(f"{output} is not empty and holds no split: choose another folder") from None
    if before != record:
        raise RunFolderError(f"{output} holds another split: choose another folder")
    for name, digest in record["files"].items():
        path = output / name
        if not path.is_file() or _sha256(path.read_bytes()) != digest:
            raise RunFolderError(f"{path} is not what was written there: remove {output}, or choose another folder")


def _left_out(each: LeftOut) -> dict[str, object]:
    like = each.like
    return {
        "source": each.entry.source,
        "row": each.entry.row,
        "reason": each.reason.value,
        "like": {"source": like.source, "row": like.row} if like else None,
        "similarity": None if each.similarity is None else round(each.similarity, 4),
    }


def _lines(rows: Any) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
