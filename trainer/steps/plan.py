"""Whether steps fit together: names are unique, and all that a step reads is there, or made by a step before it.

What a command line names counts as read, too, so that a step cannot forget to say what it needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from trainer.steps.errors import InvalidPlan
from trainer.steps.step import Step


def check_plan(steps: Sequence[Step], folder: Path) -> None:
    """Look at steps in their order; nothing is run or made.

    Args:
        steps: All of them.
        folder: What lies in it is made by steps; all else has to be there.

    Raises:
        InvalidPlan: There is a hole; the first one is named.
    """
    names: set[str] = set()
    made: list[Path] = []
    for step in steps:
        if step.name in names:
            raise InvalidPlan(f"two steps are called {step.name}")
        names.add(step.name)
        for path in step.inputs:
            if not _is_within(path, folder):
                if not path.exists():
                    raise InvalidPlan(f"{step.name} reads {path}, which is not there")
            elif not _is_known(path, made):
                raise InvalidPlan(f"{step.name} reads {path}, which no step before it makes")
        for path in paths_in(step, folder):
            is_output = any(_is_within(result, path) for result in step.results)
            if not is_output and not _is_known(path, made):
                raise InvalidPlan(f"the command line of {step.name} names {path}, which no step before it makes")
        made += step.results


def paths_in(step: Step, folder: Path) -> Iterator[Path]:
    """The paths below a folder that stand in a command line, alone or as NAME=PATH."""
    for argument in step.arguments:
        before, found, rest = argument.partition(f"{folder}/") if isinstance(argument, str) else ("", "", "")
        if found and (not before or before.endswith("=")):
            yield folder / rest


def _is_within(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def _is_known(path: Path, made: Sequence[Path]) -> bool:
    """Whether a path is one that is made, or lies within one that is."""
    return any(_is_within(path, each) for each in made)
