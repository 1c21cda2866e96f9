from __future__ import annotations

import json
from pathlib import Path

from trainer.stack.logs import LINES, last_lines, readable


def test_a_json_line_is_made_readable() -> None:
    line = json.dumps(
        {"event": "drained", "level": "info", "logger": "shared.service", "timestamp": "…", "seconds": 0.2}
    )
    assert readable(line) == ["info drained seconds=0.2"]


def test_the_last_lines_of_a_traceback_follow_their_event() -> None:
    trace = "Traceback (most recent call last):\n  one\n  two\n  three\n  four\nInvalidData: there is no such folder"
    line = json.dumps({"event": "start_failed", "level": "error", "exception": trace})
    assert readable(line) == [
        "error start_failed",
        "  two",
        "  three",
        "  four",
        "InvalidData: there is no such folder",
    ]


def test_what_is_no_event_stays_as_it_is() -> None:
    for line in ("# Server initialized", "12", "[1, 2]", '{"a": 1}', '{"event": '):
        assert readable(line) == [line]


def test_only_the_end_is_shown_and_only_what_came_after_the_start(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"第{number}行\n\n" for number in range(100)), encoding="utf-8")
    assert last_lines(log).splitlines() == [f"第{number}行" for number in range(100 - LINES, 100)]
    start = log.stat().st_size
    assert last_lines(log, start) == "(the log is empty)"
    with log.open("a", encoding="utf-8") as file:
        file.write("又一次\n")
    assert last_lines(log, start) == "又一次"


def test_of_a_huge_log_only_the_end_is_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(("福" * 50_000 + "\n末行\n").encode())
    assert last_lines(log).splitlines()[-1] == "末行"
    assert len(last_lines(log)) < 50_000


def test_a_log_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    assert last_lines(tmp_path / "log") == "(there is no log)"
