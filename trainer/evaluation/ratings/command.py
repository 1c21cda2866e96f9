"""``zhufu evaluate sheets`` and ``zhufu evaluate agreement``: options in, files and tables out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from trainer.evaluation.ratings.findings import Findings


def sheets_command(
    samples: Annotated[Path, typer.Option("--samples", help="Folder of `zhufu evaluate policy`.")],
    output: Annotated[Path, typer.Option("--output", help="Folder for the sheets and their key; new or empty.")],
    raters: Annotated[int, typer.Option("--raters", help="How many people rate.", min=1, max=100)] = 3,
    items: Annotated[
        int, typer.Option("--items", help="Texts to be rated altogether: one of every policy for each prompt.", min=1)
    ] = 50,
    overlap: Annotated[
        float,
        typer.Option("--overlap", help="Share of the prompts that all rate; the others are shared out.", min=0, max=1),
    ] = 1.0,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
) -> None:
    """Sheets by which people rate what policies wrote, without being told who wrote it."""
    from trainer.evaluation.ratings.job import SheetsJob, make_sheets
    from trainer.evaluation.ratings.key import KEY
    from trainer.evaluation.ratings.sheets import SHEETS

    drawn = make_sheets(
        SheetsJob(samples=samples, raters=raters, items=items, overlap=overlap, seed=seed, output=output)
    )
    console = Console()
    console.print(
        f"{len(drawn.items):,} texts for {drawn.prompts:,} prompts, {drawn.common:,} of these on every sheet; "
        f"{', '.join(f'{rater} {len(ids):,}' for rater, ids in drawn.sheets.items())}",
        soft_wrap=True,
        markup=False,
        highlight=False,
    )
    console.print(f"sheets: {output / SHEETS}\nkey:    {output / KEY} (not for raters)", soft_wrap=True, markup=False)


def agreement_command(
    sheets: Annotated[Path, typer.Option("--sheets", help="Folder with the filled sheets, as CSV.")],
    output: Annotated[Path, typer.Option("--output", help="Folder of the report; given again, it is written anew.")],
    key: Annotated[
        Path | None, typer.Option("--key", help="Of the sheets; beside them or one folder up unless given.")
    ] = None,
    samples: Annotated[
        Path | None,
        typer.Option("--samples", help="Folder of `zhufu evaluate policy`, to compare its rewards with people."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of intervals and tests.", min=0)] = 0,
) -> None:
    """How far raters agree, what they say of the policies, and how far rewards say the same."""
    from trainer.evaluation.ratings.job import AgreementJob, measure_agreement

    console, errors = Console(), Console(stderr=True)
    found, report = measure_agreement(AgreementJob(sheets=sheets, key=key, samples=samples, seed=seed, output=output))
    for table in tables(found):
        console.print(table)
    if found.empty_sheets:
        errors.print(f"without any points: {', '.join(found.empty_sheets)}", style="yellow", markup=False)
    if not found.rewards:
        errors.print(
            "rewards are not compared: the evaluation is not where the key says; --samples names its folder",
            style="yellow",
            markup=False,
            soft_wrap=True,
        )
    console.print(f"report: {report}", soft_wrap=True, markup=False)


def tables(found: Findings) -> list[Table]:
    """The figures that matter most."""
    from trainer.report.tables import interval_text

    raters = Table("what", "texts", "Fleiss' kappa", "alpha, ordinal", "alpha, interval", title="raters")
    for each in found.agreements:
        raters.add_row(each.name, f"{each.items:,}", *map(interval_text, (each.fleiss, each.ordinal, each.interval)))
    models = Table("policy", "texts", "acceptable", "weighted score", title="policies")
    for model in found.models:
        models.add_row(
            model.model, f"{model.items:,}", interval_text(model.acceptable, ".1%"), interval_text(model.score, ".2f")
        )
    shown = [raters, models]
    if found.rewards:
        rewards = Table("reward", "texts", "kappa", "rank correlation", "at equal length", title="rewards and people")
        for one in found.rewards:
            rewards.add_row(
                one.reward, f"{one.items:,}", *map(interval_text, (one.kappa, one.rank, one.rank_at_equal_length))
            )
        shown.append(rewards)
    return shown
