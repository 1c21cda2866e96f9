"""``zhufu sample`` as a command: options that make no sense are refused before anything happens."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tests.support.processes import ROOT
from trainer.sampling.command import sample_command

HEAVY = ("torch", "transformers", "trl", "peft", "datasets", "pyarrow", "fastapi", "matplotlib", "numpy")


def invoke(folder: Path, *options: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(sample_command)
    common = ["--prompts", "starter:test", "--output", str(folder / "pairs.jsonl"), "--url", "http://127.0.0.1:9"]
    result = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(app, [*common, *options])
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--pair-by", "length"], "verdict, quality"),
        (["--length", "equal"], "prefer, require, ignore"),
        (["--without", "generator"], "retrieval, positive, negative, judge, reflect"),
        (["--candidates", "1"], "Invalid value for '--candidates'"),
        (["--max-tokens", "0"], "Invalid value for '--max-tokens'"),
    ],
)
def test_an_option_that_nobody_knows_is_a_usage_error(tmp_path: Path, options: list[str], says: str) -> None:
    status, output = invoke(tmp_path, *options)
    assert status == 2
    assert says in output
    assert list(tmp_path.iterdir()) == []


def test_the_command_loads_nothing_heavy_until_it_runs() -> None:
    code = f"""
        import sys
        import trainer.sampling.command
        loaded = sorted(set({HEAVY!r}) & set(sys.modules))
        assert not loaded, loaded
        """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_names_offered_are_those_that_the_types_know() -> None:
    from trainer.sampling.request import AGENTS, LENGTHS, PAIR_BY

    assert (AGENTS, LENGTHS) == (
        ("retrieval", "positive", "negative", "judge", "reflect"),
        ("prefer", "require", "ignore"),
    )
    assert PAIR_BY == ("verdict", "quality")
