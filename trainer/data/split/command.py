"""``zhufu data split``: options in, files and a table out; the work is in the modules beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from trainer.data.split.job import Split


def split_command(
    data: Annotated[list[str], typer.Option("--data", help="starter:train|validation|test, or a file; repeatable.")],
    output: Annotated[Path, typer.Option("--output", help="Folder for the parts; new, empty, or with this split.")],
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", help="A source that no part may share anything with; repeatable."),
    ] = None,
    validation: Annotated[
        float, typer.Option("--validation", help="Share of the rows; fewer where they have to be matched.", min=0)
    ] = 0.1,
    test: Annotated[float, typer.Option("--test", help="Likewise; 0: no such part.", min=0)] = 0.1,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    near: Annotated[
        float,
        typer.Option("--near", help="So alike, texts count as the same; 1: but for punctuation.", max=1),
    ] = 0.7,
    prompts: Annotated[
        str, typer.Option("--prompts", help="Prompts that count as shared: exact, near or ignore.")
    ] = "exact",
    length_matched: Annotated[
        bool | None,
        typer.Option(
            "--length-matched/--no-length-matched",
            help="Hold out only rows in which length says nothing; where there are labels, unless told otherwise.",
        ),
    ] = None,
) -> None:
    """Split data so that no part shares a text with another, or with sources that are kept out.

    Writes train.jsonl, validation.jsonl, test.jsonl, left_out.jsonl and split.json.
    """
    from trainer.data.clusters import PROMPT_RULES
    from trainer.data.split.files import write_split
    from trainer.data.split.job import SplitJob, make_split
    from trainer.progress_bar import progress_bar, ticks

    if prompts not in PROMPT_RULES:
        raise typer.BadParameter(", ".join(PROMPT_RULES), param_hint="--prompts")
    job = SplitJob(
        data=tuple(data),
        exclude=tuple(exclude or ()),
        validation=validation,
        test=test,
        seed=seed,
        near=near,
        prompts=prompts,
        length_matched=length_matched,
    )
    console, errors = Console(), Console(stderr=True)
    with progress_bar(errors) as progress:
        split = make_split(job, ticks(progress))
    was_there = write_split(split, output)
    _show(split, console)
    for sentence in _short_parts(split):
        errors.print(sentence, style="yellow", markup=False, soft_wrap=True)
    console.print(f"{'there already' if was_there else 'written'}: {output}", soft_wrap=True, markup=False)


def _show(split: Split, console: Console) -> None:
    from trainer.data.split.job import length_figures

    table = Table("part", "rows", *_figure_names(split), title=f"{split.kind}, seed {split.job.seed}")
    for name, rows in split.parts.items():
        figures = length_figures(split.kind, rows)
        table.add_row(name, f"{len(rows):,}", *("–" if value is None else f"{value:.3f}" for value in figures.values()))
    console.print(table)
    if split.left_out:
        reasons = Table("left out", "rows")
        for reason, count in split.reasons.items():
            reasons.add_row(reason.description, f"{count:,}")
        console.print(reasons)


def _figure_names(split: Split) -> list[str]:
    from trainer.data.split.job import length_figures

    return [name.replace("_", " ") for name in length_figures(split.kind, split.parts["train"])]


def _short_parts(split: Split) -> list[str]:
    """What is much smaller than asked for, and what can be done."""
    short = {name: count for name, count in split.wanted.items() if len(split.parts[name]) < 0.9 * count}
    if not short:
        return []
    sizes = ", ".join(f"{name} {len(split.parts[name]):,} of {count:,}" for name, count in short.items())
    hint = (
        "rows whose good and bad text are about as long are rare here, and half of them stay in training; "
        "--no-length-matched draws from all"
        if split.length_matched
        else "rows that share a text stay together, and large groups of them stay in training"
    )
    return [f"smaller than asked for, {sizes}: {hint}"]
