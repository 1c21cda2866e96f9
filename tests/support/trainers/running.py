"""Starting a program that calls a trainer's code, in a process that finds the trainer's packages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.processes import ROOT

RUN_SECONDS = 170
"""Longer than the sum of what the trainers wait before they ask again."""


def answers_of(program: str, packages: Path, asked: Mapping[str, Any], **environment: str) -> dict[str, Any]:
    """What one of the programs beside this file says to what it is asked, both as JSON.

    Args:
        program: Its module's name.
        packages: Where the trainer's packages are.
        asked: Goes to its standard input.
        environment: Of the program, beside that of the tests.
    """
    settings = {**os.environ, "OMP_NUM_THREADS": "1", "TRAINER_PACKAGES": str(packages), **environment}
    done = subprocess.run(
        [sys.executable, "-m", f"tests.support.trainers.{program}"],
        input=json.dumps(asked),
        cwd=ROOT,
        env=settings,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
    answers: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answers
