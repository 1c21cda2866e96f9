"""``zhufu evaluate probes``: options in, a table and a report out; the work is in the modules beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from trainer.evaluation.probes.probe import Probe
    from trainer.evaluation.probes.results import ProbeResults

STYLES = {"holds": "green", "over": "yellow", "badly": "bold red", "undecided": "dim"}


def probes_command(
    reward: Annotated[list[str], typer.Option("--reward", help="NAME=URL of a reward; repeatable.")],
    data: Annotated[str, typer.Option("--data", help="Labelled greetings: starter:train|validation|test, or a file.")],
    output: Annotated[Path, typer.Option("--output", help="Folder of this run.")],
    train: Annotated[
        str | None,
        typer.Option(
            "--train", help="What rewards were trained on: for the n-gram baseline, and texts copied from it."
        ),
    ] = None,
    cases: Annotated[int, typer.Option("--cases", help="Of each probe, at most.", min=1)] = 200,
    probe: Annotated[list[str] | None, typer.Option("--probe", help="Only this one; repeatable.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the cases.")] = 0,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds of one request.", min=0.1)] = 900.0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --output.")] = False,
    api_key: Annotated[
        str | None, typer.Option("--api-key", envvar="ZHUFU_API_KEY", help="Of the services, by HTTP.")
    ] = None,
) -> None:
    """Does a reward fall for filler, for another request's greeting, for typos, for attacks?

    Makes something worse of good greetings in many ways, and counts how often a reward gives as much for it.
    """
    from trainer.evaluation.asking import parse_named_rewards
    from trainer.evaluation.probes.job import ProbesJob, evaluate_probes

    console = Console()
    results, report = evaluate_probes(
        ProbesJob(
            rewards=parse_named_rewards(reward),
            data=data,
            train=train,
            output=output,
            probes=_probes(probe),
            limit=cases,
            seed=seed,
            timeout_seconds=timeout,
            api_key=api_key,
            resume=resume,
        ),
        console,
    )
    console.print(shares_table(results))
    console.print(f"report: {report}", soft_wrap=True, markup=False)


def shares_table(results: ProbeResults) -> Table:
    """Which share of each probe's cases fools each reward."""
    table = Table("probe", "bound", *results.rewards, title="fooled, of the cases that were scored")
    for probe in results.plan.probes:
        cells = []
        for figures in results.rewards.values():
            found = figures.probes[probe.name]
            share = "–" if found.fooled is None else f"{found.fooled.mean:.1%} of {found.scored}"
            cells.append(f"[{STYLES[found.verdict]}]{share}[/]")
        table.add_row(probe.title, f"{probe.bound:.0%}", *cells)
    return table


def _probes(names: list[str] | None) -> list[Probe]:
    from trainer.evaluation.probes.catalogue import PROBES

    known = [probe.name for probe in PROBES]
    for name in names or []:
        if name not in known:
            raise typer.BadParameter(f"{name} is none of {', '.join(known)}", param_hint="--probe")
    return [probe for probe in PROBES if not names or probe.name in names]
