"""Every part of the benchmarks runs through: real processes, little work."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.context import Context
from benchmarks.parts import PARTS, run_of
from tests.support.effort import SLOW

LARGER_ONLY = {"reward-model-base"}
"""Parts that differ from another one only in how large their model is."""

LONG = {"reward-model-small", "judge"}
"""Parts that start several servers with a model each, and take half a minute even so."""

CHOSEN = [
    pytest.param(name, marks=pytest.mark.skipif(name in LONG and not SLOW, reason="long: set ZHUFU_SLOW_TESTS=1"))
    for name in PARTS
    if name not in LARGER_ONLY
]


@pytest.mark.parametrize("name", CHOSEN)
async def test_a_part_fills_its_table(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "part"
    folder.mkdir()
    context = Context(console=Console(quiet=True), folder=folder, quick=True, peers=tmp_path / "peers")
    section = await run_of(name)(context)
    assert section.rows
    assert {len(row) for row in section.rows} == {len(section.columns)}
    assert section.title in section.markdown()
