"""OUTPUT/rounds.jsonl: one line for each round, the same bytes in every replay; times stand in OUTPUT/times.jsonl.

A resumed run begins at the beginning, with its answers at hand: it comes to the lines that are there already, which are
compared, and then goes on behind them. So there is no other state that could be half written.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from trainer.judge_optimizer.errors import RunDiverged

ROUNDS = "rounds.jsonl"
TIMES = "times.jsonl"


class RoundLog:
    """The log of one run."""

    def __init__(self, folder: Path) -> None:
        """Read what is there; half a line at the end, of a process that was killed, is cut off."""
        self.records: list[dict[str, Any]] = []
        """The rounds of this process, those that were replayed included."""
        self._path = folder / ROUNDS
        self._times = folder / TIMES
        self._began = time.monotonic()
        data = self._path.read_bytes() if self._path.is_file() else b""
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            with self._path.open("r+b") as file:
                file.truncate(len(whole))
        self._before = whole.decode("utf-8").split("\n")[:-1]

    @property
    def finished(self) -> int:
        """Lines that an earlier process wrote."""
        return len(self._before)

    def add(self, record: dict[str, Any], *, paid_calls: int, paid_tokens: int) -> None:
        """Add the line of a round; ``paid_…``: by this process, for `TIMES`.

        Raises:
            RunDiverged: An earlier process wrote another line there.
        """
        line = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        number = len(self.records)
        if number < len(self._before):
            if self._before[number] != line:
                raise RunDiverged(
                    f"{self._path}, line {number + 1}, tells another story than the kept answers: were some removed, "
                    "or is this another version of the program?"
                )
        else:
            _append(self._path, line)
            seconds = round(time.monotonic() - self._began, 3)
            times = {
                "round": record["round"],
                "ended_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "seconds": seconds,
                "paid_calls": paid_calls,
                "paid_tokens": paid_tokens,
            }
            _append(self._times, json.dumps(times))
        self._began = time.monotonic()
        self.records.append(record)


def _append(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())
