"""Small beginnings of the paper's published files, each in the format of its whole.

The files carry no licence and are in no repository of ours; ``ZHUFU_PAPER_DATA`` names the folder that holds them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

VARIABLE = "ZHUFU_PAPER_DATA"
ROWS = 64


def paper_file(name: str) -> Path:
    """One of the files; skips the test where they are not there."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        pytest.skip(f"{VARIABLE} is not set: the paper's files carry no licence, `zhufu data fetch paper` brings them")
    path = Path(folder) / name
    assert path.is_file(), f"{VARIABLE} names {folder}, which holds no {name}"
    return path


def beginning_of(name: str, folder: Path, rows: int = ROWS) -> Path:
    """A copy of the first rows of a file: a JSON list stays a list, lines stay lines, parquet stays parquet."""
    source, target = paper_file(name), folder / name
    if source.suffix == ".parquet":
        pq.write_table(pq.read_table(source).slice(0, rows), target)
        return target
    text = source.read_text(encoding="utf-8")
    if text.lstrip().startswith("["):
        target.write_text(json.dumps(json.loads(text)[:rows], ensure_ascii=False, indent=2), encoding="utf-8")
    else:
        target.write_text("".join(f"{line}\n" for line in text.split("\n")[:rows]), encoding="utf-8")
    return target
