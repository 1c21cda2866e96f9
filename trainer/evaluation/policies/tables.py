"""Tables of what policies wrote, and cells that several tables have."""

from __future__ import annotations

from trainer.evaluation.intervals import Interval
from trainer.evaluation.policies.comparison import Difference
from trainer.evaluation.policies.copying import GRAM
from trainer.evaluation.policies.notices import MANY
from trainer.evaluation.policies.result import PolicyResult
from trainer.evaluation.policies.text_figures import COPIED_SHARE
from trainer.report.document import Cell, Table, Tone, interval_cell, number_cell, text_cell

PERCENT = ".1%"
SIGNIFICANT = 0.05


def length_table(result: PolicyResult) -> Table:
    """How long texts are."""
    columns = ["policy", "prompts", "samples", "characters", "10 %", "50 %", "90 %", "ran into the limit", "blank"]
    rows = [
        [
            text_cell(model),
            number_cell(texts.prompts, form=",.0f"),
            number_cell(texts.samples, form=",.0f"),
            interval_cell(texts.characters, form=".1f"),
            *(number_cell(value, form=".0f") for value in texts.deciles),
            share_cell(texts.truncated),
            number_cell(texts.blank, form=",.0f", tone="warn" if texts.blank else "plain"),
        ]
        for model, texts in result.texts.items()
    ]
    return Table(title="Length", columns=columns, rows=rows, note="10 %, 50 %, 90 %: what so many texts do not pass.")


def variety_table(result: PolicyResult) -> Table:
    """How much texts repeat themselves and each other."""
    columns = [
        "policy",
        "distinct-1",
        "distinct-2",
        "self-BLEU for a prompt",
        "self-BLEU across prompts",
        "repeats for a prompt",
        "repeats across prompts",
    ]
    rows = [
        [
            text_cell(model),
            *map(number_cell, texts.distinct),
            interval_cell(texts.alike_for_a_prompt),
            interval_cell(texts.alike_across_prompts),
            share_cell(texts.repeated_for_a_prompt),
            share_cell(texts.repeated_across_prompts),
        ]
        for model, texts in result.texts.items()
    ]
    amount = next(iter(result.texts.values())).distinct_characters
    note = (
        "Distinct-n: different characters, and pairs of them, as a share of all, in "
        f"{amount:,} characters of each policy. Self-BLEU: BLEU-4 of characters of a text against the others, 1 where "
        "all are the same; across prompts, of one text a prompt. Repeats: texts that say what an earlier one for the "
        "prompt, or one for another prompt, says."
    )
    return Table(title="Variety", columns=columns, rows=rows, note=note)


def copying_table(result: PolicyResult, training_texts: int) -> Table:
    """How many texts stand in the training texts."""
    rows = [
        [
            text_cell(model),
            *map(share_cell, (copying.any, copying.whole, copying.long_stretch, copying.many_runs)),
        ]
        for model, texts in result.texts.items()
        if (copying := texts.copying) is not None
    ]
    note = (
        f"Texts that are one of {training_texts:,} training texts, or of which {COPIED_SHARE:.0%} or more stands in "
        f"one stretch of one of them, or in runs of {GRAM} characters of any."
    )
    columns = ["policy", "copied", "whole", "in one stretch", "in short runs"]
    return Table(title="Copying", columns=columns, rows=rows, note=note)


def share_cell(share: Interval | None) -> Cell:
    """A share of texts that had better be none."""
    return interval_cell(share, form=PERCENT, tone="warn" if share is not None and share.mean > MANY else "plain")


def difference_cells(difference: Difference | None, form: str) -> list[Cell]:
    """A difference, and its corrected p; two cells."""
    if difference is None:
        return [interval_cell(None), number_cell(None)]
    tone: Tone = "good" if difference.holm < SIGNIFICANT else "plain"
    return [interval_cell(difference.interval, form=form), number_cell(difference.holm, form=".4f", tone=tone)]
