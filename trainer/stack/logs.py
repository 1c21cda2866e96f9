"""The end of a process's log, made readable: JSON lines as ``level event key=value``, everything else as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LINES = 20
TAIL_BYTES = 64 * 1024
EXCEPTION_LINES = 4
NOT_SHOWN = frozenset({"event", "level", "logger", "timestamp", "exception"})


def last_lines(path: Path, start: int = 0) -> str:
    """The last few lines that were written to a log after byte ``start``; a sentence where there are none."""
    if not path.is_file():
        return "(there is no log)"
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(start, size - TAIL_BYTES))
        text = file.read().decode(errors="replace")
    lines = [line for raw in text.splitlines() if raw.strip() for line in readable(raw)]
    return "\n".join(lines[-LINES:]) or "(the log is empty)"


def readable(line: str) -> list[str]:
    """One line of a log for people; the last lines of a traceback follow their event."""
    try:
        entry = json.loads(line)
    except ValueError:
        return [line]
    if not isinstance(entry, dict) or "event" not in entry:
        return [line]
    return _event(entry)


def _event(entry: dict[str, Any]) -> list[str]:
    fields = [f"{key}={value}" for key, value in entry.items() if key not in NOT_SHOWN]
    first = " ".join(map(str, [entry.get("level", "info"), entry["event"], *fields]))
    return [first, *str(entry.get("exception", "")).splitlines()[-EXCEPTION_LINES:]]
