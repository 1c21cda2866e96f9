"""Each test logs from a process of its own: logging is configured for a whole process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
import logging, sys, structlog
from shared.logging import configure_logging

configure_logging(*sys.argv[1:])
log = structlog.get_logger("祝福")

def score(completion, api_key):
    raise ValueError("the judge does not answer")

structlog.contextvars.bind_contextvars(request_id="步骤7")
log.debug("rollout_read")
log.info("ready", reward="judge")
logging.getLogger("a.library").warning("of a library")
try:
    score("外婆生日快乐", "key-that-is-secret")
except ValueError as error:
    log.error("scorer_raised", exc_info=error)
"""


def logged(*arguments: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout, done.stderr


def test_json_logs_are_one_object_a_line_on_standard_error() -> None:
    printed, text = logged("debug", "json")
    assert printed == ""
    events = [json.loads(line) for line in text.splitlines()]
    assert [event["event"] for event in events] == ["rollout_read", "ready", "of a library", "scorer_raised"]
    assert [event["level"] for event in events] == ["debug", "info", "warning", "error"]
    assert all(event["request_id"] == "步骤7" for event in events)
    assert all(event["timestamp"].endswith("Z") for event in events)
    assert events[1]["reward"] == "judge"
    assert "ValueError: the judge does not answer" in events[3]["exception"]


def test_without_a_terminal_auto_means_json() -> None:
    _, text = logged()
    assert json.loads(text.splitlines()[0])["event"] == "ready"


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_tracebacks_show_no_local_variables_for_they_hold_texts_and_keys(log_format: str) -> None:
    _, text = logged("info", log_format)
    assert "the judge does not answer" in text
    assert "外婆" not in text.replace('score("外婆生日快乐", "key-that-is-secret")', "")
    assert "secret" not in text.replace('score("外婆生日快乐", "key-that-is-secret")', "")


def test_less_important_lines_are_left_out() -> None:
    _, text = logged("error", "json")
    assert [json.loads(line)["event"] for line in text.splitlines()] == ["scorer_raised"]
