"""What a benchmark starts ends with it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.processes import started
from tests.support.waiting import until


def runs(process: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def test_what_a_process_has_started_ends_with_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with started(["sh", "-c", "sleep 600 & echo $!; wait"], log, {}):
        await until(lambda: log.read_text(encoding="utf-8").endswith("\n"))
        child = int(log.read_text(encoding="utf-8"))
        assert runs(child)
    await until(lambda: not runs(child))
