"""A dry run: every step looked at, none run; the plan as a table and as ``plan.json``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trainer.steps.parsing import check_command_lines
from trainer.steps.plan import check_plan
from trainer.steps.progress import duration
from trainer.steps.serving import PlannedAddresses
from trainer.steps.step import Step

PLAN = "plan.json"


def check_steps(steps: Sequence[Step], folder: Path, base_port: int) -> None:
    """Raise `trainer.steps.errors.InvalidPlan` where inputs are missing or command lines are not taken."""
    check_plan(steps, folder)
    check_command_lines(steps, PlannedAddresses(base_port), folder)


def plan_record(steps: Sequence[Step], base_port: int, missing: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """As JSON values: what would run, in which order, and what this machine lacks."""
    return {
        "steps": [
            {
                "name": step.name,
                "title": step.title,
                "command": command_of(step, base_port),
                "environment": dict(step.environment),
                "beside": serving_record(step),
                "reads": [str(path) for path in step.inputs],
                "makes": [str(path) for path in step.results],
                "minutes": step.minutes,
            }
            for step in steps
        ],
        "missing": {what: list(names) for what, names in missing.items()},
    }


def serving_record(step: Step) -> dict[str, Any] | None:
    """What runs beside a step."""
    serving = step.serving
    if serving is None:
        return None
    return {
        "rewards": list(serving.rewards),
        "llm": None if serving.llm is None else serving.llm.shown_url(0) if serving.is_given else "started here",
        "reward_checkpoint": serving.reward_checkpoint and str(serving.reward_checkpoint),
        "principles": serving.principles and str(serving.principles),
        "settings": {name: dict(settings) for name, settings in serving.settings.items()},
    }


def command_of(step: Step, base_port: int) -> list[str]:
    """The command line as one would type it."""
    program = [*step.launcher, "-m", "trainer.cli"] if step.launcher else ["zhufu"]
    return [*program, *step.command_line(PlannedAddresses(base_port))]


def show_plan(
    steps: Sequence[Step], base_port: int, missing: Mapping[str, Sequence[str]], console: Console, path: Path
) -> None:
    """Print the plan."""
    table = Table("", "step", "beside it", "about")
    for number, step in enumerate(steps, start=1):
        table.add_row(str(number), Text(f"{step.name}\n{step.title}"), _beside(step), _about(step))
    console.print(table)
    for step in steps:
        console.print(Text(f"{step.name}: {shlex.join(command_of(step, base_port))}"), soft_wrap=True)
    measured = [step.minutes for step in steps if step.minutes is not None]
    if measured:
        console.print(f"about {duration(60 * sum(measured))} in all, where that was measured", highlight=False)
    for what, names in missing.items():
        console.print(Text(f"this machine lacks {what}, for {', '.join(names)}", style="yellow"), soft_wrap=True)
    console.print(
        Text(f"{len(steps)} steps, each resolved: commands, inputs and presets are there. {path}"), soft_wrap=True
    )


def _beside(step: Step) -> str:
    if step.serving is None:
        return "–"
    names = [*step.serving.rewards, *(["LLM"] if step.serving.llm is not None else [])]
    return ", ".join(names)


def _about(step: Step) -> str:
    return "–" if step.minutes is None else duration(60 * step.minutes)
