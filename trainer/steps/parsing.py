"""Whether the real command line takes every step: options exist, values are of their types, what they name is known.

Nothing is run. What a command itself looks at before it begins (sources, presets, rewards, models) is looked at here
with the same readers, save that what an earlier step makes may not be there yet.
"""

from __future__ import annotations

import contextlib
import functools
import io
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import typer

from shared.errors import ZhufuError
from trainer.data.formats import WARM_UP, starter_split
from trainer.evaluation.asking import parse_named_rewards
from trainer.presets import PresetName
from trainer.rewards import parse_rewards
from trainer.steps.errors import InvalidPlan
from trainer.steps.runner import MODULE
from trainer.steps.step import Addresses, Step

SOURCES: Mapping[tuple[str, ...], frozenset[str]] = {
    ("data", "audit"): frozenset({"sources", "evaluation"}),
    ("data", "split"): frozenset({"data", "exclude"}),
    ("train", "sft"): frozenset({"data", "eval_data", "vocabulary"}),
    ("train", "rm"): frozenset({"data", "eval_data"}),
    ("train", "grpo"): frozenset({"data", "eval_data"}),
    ("sample",): frozenset({"prompts"}),
    ("optimize-judge",): frozenset({"train", "validation", "test"}),
    ("evaluate", "rewards"): frozenset({"data", "train", "pairs", "validation", "high_frequency"}),
    ("evaluate", "policy"): frozenset({"prompts", "train", "requests"}),
}
"""Options that name data, by command."""
MODELS = frozenset({"model", "policy"})
FILES = frozenset({"principles", "deepspeed"})
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w.-]+)?")
MADE_HERE = frozenset({"tiny", "e5"})
"""Models that are made from what is installed."""
USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]
"""Of click, whichever typer carries: an option that there is not, a value of another type, one too few."""
ACCELERATE = ("-m", "accelerate.commands.launch")


def check_command_lines(steps: Sequence[Step], addresses: Addresses, folder: Path) -> None:
    """Parse every step's command line as ``zhufu`` would.

    Args:
        steps: `trainer.steps.plan.check_plan` has looked at them.
        addresses: Where rewards would be served.
        folder: What is named below it is made by steps.

    Raises:
        InvalidPlan: A command does not exist, does not take its arguments, or they name what there is not.
    """
    for step in steps:
        try:
            check_launcher(step.launcher)
            command, options = parsed(step.command_line(addresses))
            if step.resume_if is not None:
                parsed([*step.command_line(addresses), "--resume"])
            check_values(command, options, folder)
        except ZhufuError as error:
            raise InvalidPlan(f"{step.name}: {error.detail}") from None


def parsed(arguments: Sequence[str]) -> tuple[tuple[str, ...], Mapping[str, Any]]:
    """The command that a line names, and the options that it would get, by their names in it.

    Raises:
        InvalidPlan: The command line is none.
    """
    if "--help" in arguments:
        raise InvalidPlan(f"`zhufu {' '.join(arguments[:2])}` would only show its help")
    command = _zhufu()
    left = list(arguments)
    while hasattr(command, "commands"):  # a group
        name = left.pop(0) if left else ""
        if name not in command.commands:
            raise InvalidPlan(f"`zhufu {' '.join(arguments[:2])}`: there is no such command")
        command = command.commands[name]
    try:
        options: dict[str, Any] = command.make_context(command.name, list(left)).params
    except USAGE_ERROR as error:
        said = error.format_message() if hasattr(error, "format_message") else str(error)
        raise InvalidPlan(f"`zhufu {' '.join(arguments[:2])}` does not take this: {said}") from None
    return tuple(arguments[: len(arguments) - len(left)]), options


@functools.cache
def _zhufu() -> Any:
    """The whole command, made once: it has some hundred options."""
    from trainer.cli import app

    return typer.main.get_command(app)


def check_launcher(launcher: Sequence[str]) -> None:
    """Where accelerate launches a step, have its own parser read the arguments.

    Raises:
        InvalidPlan: It does not take them, or what launches is not known here.
    """
    if not launcher:
        return
    if launcher[0] != sys.executable or tuple(launcher[1:3]) != ACCELERATE:
        raise InvalidPlan(f"{launcher[0]} is no launcher that is known here")
    from accelerate.commands.launch import launch_command_parser  # type: ignore[import-untyped]

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            launch_command_parser().parse_args([*launcher[3:], *MODULE])
    except SystemExit:
        raise InvalidPlan(f"accelerate launch does not take this: {said.getvalue().strip().splitlines()[-1]}") from None


def check_values(command: tuple[str, ...], options: Mapping[str, Any], folder: Path) -> None:
    """Raise a `ZhufuError` where an option names what there is not."""
    if "preset" in options and options["preset"] not in get_args(PresetName):
        raise InvalidPlan(f"there is no preset {options['preset']}")
    rewards = list(options.get("reward") or ())
    if rewards and "weight" in options:
        parse_rewards(rewards, list(options["weight"] or ()))
    elif rewards:
        parse_named_rewards(rewards)
    for value in _values(options, SOURCES.get(command, frozenset())):
        _check_source(value, folder)
    for value in _values(options, FILES):
        _check_there(value, folder)
    for value in _values(options, MODELS):
        _check_model(value.partition("=")[2] or value, folder)


def _values(options: Mapping[str, Any], names: frozenset[str]) -> Iterator[str]:
    for name in sorted(names & options.keys()):
        value = options[name]
        if isinstance(value, list | tuple):
            yield from map(str, value)
        elif isinstance(value, str | Path):
            yield str(value)


def _check_source(source: str, folder: Path) -> None:
    if source != WARM_UP and starter_split(source) is None:
        _check_there(source, folder)


def _check_model(model: str, folder: Path) -> None:
    """A folder that is there or will be, a hub id, or one that is made here."""
    if model in MADE_HERE or Path(model).is_dir():
        return
    if model.startswith(f"{folder}/"):
        return  # `check_plan` has seen that it is made
    if not HUB_ID.fullmatch(model):
        raise InvalidPlan(f"{model} is neither a folder nor the id of a model on a hub")


def _check_there(path: str, folder: Path) -> None:
    if not path.startswith(f"{folder}/") and not Path(path).is_file():
        raise InvalidPlan(f"{path} is not there")
