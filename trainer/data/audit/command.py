"""``zhufu data audit``: options in, a report and a table out; the work is in the modules beside it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from trainer.data.audit.job import Audit
    from trainer.data.audit.source_audit import SourceAudit

BROKEN = 1


def audit_command(
    sources: Annotated[list[str], typer.Argument(help="starter:train|validation|test|warm-up, or files.")],
    output: Annotated[Path, typer.Option("--output", help="Folder for report.html, report.md and result.json.")],
    evaluation: Annotated[
        list[str] | None,
        typer.Option("--evaluation", help="What the sources must not leak into; repeatable."),
    ] = None,
    near: Annotated[
        float, typer.Option("--near", help="So alike, texts count as nearly the same.", min=0, max=1)
    ] = 0.7,
    seed: Annotated[int, typer.Option("--seed", help="Of the folds of the cross-fitted figures.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print what result.json holds, and no table.")] = False,
    max_refused: Annotated[int, typer.Option(help="Rows that no loader takes.", min=0)] = 0,
    max_same_text: Annotated[int, typer.Option(help="Pairs that prefer nothing.", min=0)] = 0,
    max_contradictions: Annotated[int, typer.Option(help="Texts good and bad under one prompt.", min=0)] = 0,
    max_duplicates_share: Annotated[float, typer.Option(help="Rows that stand there before.", min=0, max=1)] = 0.01,
    max_near_share: Annotated[float, typer.Option(help="Texts that nearly are another.", min=0, max=1)] = 0.05,
    max_leakage: Annotated[int, typer.Option(help="Texts of an evaluation that stand in a source.", min=0)] = 0,
    max_near_leakage: Annotated[int, typer.Option(help="Those that nearly do.", min=0)] = 0,
    max_prompt_leakage: Annotated[int, typer.Option(help="Rows of an evaluation with a known prompt.", min=0)] = 0,
    min_label_share: Annotated[float, typer.Option(help="Of the rarer label.", min=0, max=0.5)] = 0.2,
    max_length_auc: Annotated[float, typer.Option(help="Of length alone, either way.", min=0.5, max=1)] = 0.65,
    max_longer_wins: Annotated[float, typer.Option(help="Share of pairs, either way.", min=0.5, max=1)] = 0.65,
    max_style_auc: Annotated[float, typer.Option(help="Of characters alone, either way.", min=0.5, max=1)] = 0.85,
    max_damaged: Annotated[int, typer.Option(help="Rows with broken characters or markup.", min=0)] = 0,
    max_long: Annotated[int, typer.Option(help="Rows with too long a text.", min=0)] = 0,
    max_characters: Annotated[int, typer.Option(help="More make a text too long.", min=1)] = 1_000,
) -> None:
    """Look for what makes data worthless: repeats, leaks, contradictions, and labels that length or style gives away.

    Exit status: 0 no bound is broken, 1 one is (or an error), 2 the command is not understood.
    """
    from trainer.data.audit.files import check_folder, write_audit
    from trainer.data.audit.findings import Bounds
    from trainer.data.audit.job import AuditJob, run_audit
    from trainer.data.audit.record import record_of_audit
    from trainer.progress_bar import progress_bar, ticks

    job = AuditJob(
        sources=tuple(sources),
        evaluation=tuple(evaluation or ()),
        near=near,
        seed=seed,
        bounds=Bounds(
            refused_rows=max_refused,
            same_text=max_same_text,
            contradictions=max_contradictions,
            repeated_rows=max_duplicates_share,
            near_texts=max_near_share,
            leaked_texts=max_leakage,
            near_leaked_texts=max_near_leakage,
            leaked_prompts=max_prompt_leakage,
            minority_label=min_label_share,
            length_auc=max_length_auc,
            longer_wins=max_longer_wins,
            style_auc=max_style_auc,
            damaged_texts=max_damaged,
            long_texts=max_long,
            longest=max_characters,
        ),
    )
    check_folder(output)
    console, errors = Console(), Console(stderr=True)
    with progress_bar(errors) as progress:
        audit = run_audit(job, ticks(progress))
    report = write_audit(audit, output)
    if as_json:
        sys.stdout.write(json.dumps(record_of_audit(audit), ensure_ascii=False, indent=2) + "\n")
    else:
        console.print(_table(audit))
        console.print(f"report: {report}", soft_wrap=True, markup=False)
    for finding in audit.broken:
        sentence = f"broken: {finding.source}: {finding.sentence} [{finding.name}, allowed {finding.bound:g}]"
        errors.print(sentence, style="red", markup=False, soft_wrap=True, highlight=False)
    if not audit.passes:
        raise typer.Exit(BROKEN)


def _table(audit: Audit) -> Table:
    """One row a source; narrow enough for a terminal of 80 columns."""
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), caption=_CAPTION)
    table.add_column("source", overflow="fold")
    for name in ("rows", "again", "near", "leaks", "length", "longer", "style", "broken"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in audit.sources:
        broken = sum(finding.source == each.source.name for finding in audit.broken)
        table.add_row(escape(each.source.name), *_figures(each), f"[red]{broken}[/]" if broken else "[green]0[/]")
    return table


def _figures(audit: SourceAudit) -> list[str]:
    texts = audit.repeats[-1]
    auc = audit.length.auc if audit.length else None
    wins = audit.length.longer_wins if audit.length else None
    style = audit.style.auc if audit.style else None
    exact, near = (sum(getattr(leaks, name) for leaks in audit.leaks) for name in ("texts_exact", "texts_near"))
    return [
        f"{len(audit.source.entries):,}",
        f"{audit.repeats[0].repeated:,}",
        f"{texts.near:,}",
        f"{exact:,}+{near:,}" if audit.leaks else "–",
        f"{auc.mean:.3f}" if auc else "–",
        f"{wins.share.mean:.3f}" if wins else "–",
        f"{style.mean:.3f}" if style else "–",
    ]


_CAPTION = (
    "again: rows that stand there before; near: texts (or prompts) that nearly are another; leaks: texts of the "
    "evaluation that stand here + nearly do; length, style: AUC without the prompt; longer: share of pairs that the "
    "longer text wins"
)
