"""Steps for tests: small, and never run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainer.steps.step import Mark, Step


def step(folder: Path, name: str, *arguments: str, **more: Any) -> Step:
    """One that writes ``FOLDER/NAME/report.html``."""
    return Step(
        name=name,
        title=f"a step {name}",
        arguments=arguments,
        done=more.pop("done", Mark(path=folder / name / "report.html")),
        **more,
    )


def do(made: Step) -> None:
    """Write what a step would leave."""
    for path in made.results:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
