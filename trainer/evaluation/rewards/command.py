"""``zhufu evaluate rewards``: options in, a table and a report out; the work is in the modules beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from trainer.evaluation.rewards.result import Evaluation

INTERRUPTED = 130
STYLES = {"bad": "bold red", "warn": "yellow", "good": "green", "plain": ""}


def rewards_command(
    reward: Annotated[list[str], typer.Option("--reward", help="NAME=URL of a reward; repeatable.")],
    data: Annotated[str, typer.Option("--data", help="Labelled greetings: starter:train|validation|test, or a file.")],
    output: Annotated[Path, typer.Option("--output", help="Folder of this run.")],
    train: Annotated[
        str | None,
        typer.Option("--train", help="What baselines learn from; without it they are cross-fitted on the data."),
    ] = None,
    pairs: Annotated[
        str | None,
        typer.Option("--pairs", help="Preference pairs, of which those within 20 % in length are scored."),
    ] = None,
    validation: Annotated[
        str | None,
        typer.Option("--validation", help="Labelled greetings for a threshold, where a reward gives no verdict."),
    ] = None,
    high_frequency: Annotated[
        str | None,
        typer.Option("--high-frequency", help="Requests, one for each time it was asked; else those of the data."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", help="So many rows, drawn by request.", min=20)] = None,
    least_scored: Annotated[
        float, typer.Option(help="A reward that scored a smaller share is not compared.", min=0, max=1)
    ] = 0.5,
    probes: Annotated[bool, typer.Option("--probes/--no-probes", help="Ask what fools the rewards, too.")] = True,
    probe_cases: Annotated[int, typer.Option("--probe-cases", help="Of each probe, at most.", min=1)] = 200,
    seed: Annotated[int, typer.Option("--seed", help="Of all that is drawn.")] = 0,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds of one request.", min=0.1)] = 900.0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --output.")] = False,
    api_key: Annotated[
        str | None, typer.Option("--api-key", envvar="ZHUFU_API_KEY", help="Of the services, by HTTP.")
    ] = None,
) -> None:
    """What are rewards worth on labelled greetings, with length held fixed, beside baselines that read nothing?

    Any number of rewards side by side, on the rows that all of them scored. A run that was killed goes on with --resume
    and asks nothing twice.
    """
    from trainer.evaluation.asking import parse_named_rewards
    from trainer.evaluation.rewards.job import RewardsJob, evaluate_rewards
    from trainer.evaluation.rewards.material import Sources

    console, errors = Console(), Console(stderr=True)
    job = RewardsJob(
        rewards=parse_named_rewards(reward),
        sources=Sources(data=data, pairs=pairs, train=train, validation=validation, limit=limit),
        output=output,
        high_frequency=high_frequency,
        least_scored=least_scored,
        probes=probes,
        probe_cases=probe_cases,
        seed=seed,
        timeout_seconds=timeout,
        api_key=api_key,
        resume=resume,
    )
    try:
        evaluation, findings, report = evaluate_rewards(job, console)
    except KeyboardInterrupt:
        errors.print("interrupted: what was scored is saved, --resume goes on", style="yellow")
        raise typer.Exit(INTERRUPTED) from None
    console.print(figures_table(evaluation))
    for finding in findings:
        console.print(finding.text, style=STYLES[finding.tone], markup=False, highlight=False, soft_wrap=True)
    console.print(f"report: {report}", soft_wrap=True, markup=False)


def figures_table(evaluation: Evaluation) -> Table:
    """One row a reward or baseline."""
    from trainer.evaluation.rewards.measuring import Measure
    from trainer.evaluation.rewards.tables import TITLES

    shown = [
        each
        for each in (
            Measure.STRATIFIED_AUC,
            Measure.CLOSE_PAIRS,
            Measure.AUC,
            Measure.ACCURACY,
            Measure.CALIBRATION_ERROR,
        )
        if any(evaluation.figure(column.name, each) is not None for column in evaluation.columns)
    ]
    rows = evaluation.measured.population.rows.size
    table = Table("", *(TITLES[each] for each in shown), title=f"{rows:,} rows that every reward scored")
    for column in evaluation.columns:
        figures = [evaluation.figure(column.name, each) for each in shown]
        table.add_row(column.name, *("–" if figure is None else str(figure) for figure in figures))
    return table
