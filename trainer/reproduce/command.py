"""``zhufu reproduce``: options in; the work is in the modules beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from trainer.presets import PresetName
    from trainer.reproduce.measured import Measured

DEFAULT_BASE_PORT = 8000


def reproduce_command(
    output: Annotated[Path, typer.Option("--output", help="Folder of all steps; given again, it is gone on with.")],
    preset: Annotated[str, typer.Option("--preset", help="laptop, or paper for four GPUs of 80 GB.")] = "laptop",
    data: Annotated[
        Path | None, typer.Option("--data", envvar="ZHUFU_PAPER_DATA", help="Folder of the paper's files.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Resolve every step and show the plan; run nothing.")
    ] = False,
    until: Annotated[str | None, typer.Option("--until", help="Stop after this step.")] = None,
    base_port: Annotated[int, typer.Option(help="First port of the stacks.", min=1)] = DEFAULT_BASE_PORT,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
) -> None:
    """The paper's comparison: base, SFT, RM+RL, judge+RL, SFT+RM+RL, SFT+judge+RL, beside the published figures.

    Starts and ends what it needs on this machine; ZHUFU_LLM_URL and ZHUFU_LLM_MODEL name the judge's LLM. Given again
    after any end, it goes on where it was.
    """
    from trainer.reproduce.job import ReproduceJob, plan, reproduce
    from trainer.reproduce.presets import PRESETS

    if preset not in PRESETS:
        raise typer.BadParameter("laptop or paper", param_hint="--preset")
    console = Console()
    job = ReproduceJob(
        preset=cast("PresetName", preset), data=data, output=output, base_port=base_port, seed=seed, until=until
    )
    if dry_run:
        plan(job, console)
        return
    measured = reproduce(job, console)
    if measured is None:
        console.print(f"done until {until}; without --until it goes on", markup=False, highlight=False)
        return
    console.print(verdicts_table(measured))
    console.print(f"report: {output / 'report.html'}", soft_wrap=True, markup=False)


def verdicts_table(measured: Measured) -> Table:
    """What each reward says of each row."""
    from trainer.reproduce.tables import TONES

    styles = {"good": "green", "warn": "yellow", "bad": "bold red", "plain": ""}
    table = Table("policy", "against", "reward", "difference", "at equal length", "characters", "verdict")
    for change in measured.changes:
        found = change.comparison
        table.add_row(
            change.row.title,
            change.against.title,
            change.reward + (" (climbed)" if change.climbed else ""),
            _text(change.difference),
            _text(None if found is None else found.at_equal_length),
            _text(None if found is None else found.characters),
            change.verdict.value,
            style=styles[TONES[change.verdict]],
        )
    return table


def _text(interval: object) -> str:
    return "–" if interval is None else str(interval).replace("[", "\\[")
