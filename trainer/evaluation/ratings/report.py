"""What people said, as a report."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping

from trainer.evaluation.intervals import Interval
from trainer.evaluation.policies.tables import PERCENT, difference_cells
from trainer.evaluation.ratings.agreement import SCORE_NAME
from trainer.evaluation.ratings.findings import Findings
from trainer.evaluation.ratings.reward_agreement import LENGTH
from trainer.evaluation.ratings.rubric import ACCEPTABLE, DIMENSIONS
from trainer.report.charts import interval_bars
from trainer.report.document import (
    Document,
    Notice,
    Plot,
    Section,
    Table,
    Tone,
    interval_cell,
    number_cell,
    text_cell,
)

TENTATIVE = 0.667
"""Below this alpha Krippendorff draws no conclusions, not even tentative ones."""


def ratings_document(found: Findings, settings: Mapping[str, object]) -> Document:
    """Describe it."""
    ratings = sum(len(sheet.complete) for sheet in found.sheets)
    return Document(
        title="zhufu: what people say",
        summary=(
            f"{len(found.sheets)} raters, {len(found.items):,} of {found.handed_out:,} texts, {ratings:,} complete "
            f"ratings. A text is acceptable where the weighted mean over all raters is {ACCEPTABLE} or more; intervals "
            "are 95 %."
        ),
        notices=list(_notices(found)),
        sections=[
            _models(found),
            *_comparisons(found),
            *_rewards(found),
            _agreement(found),
            _raters(found),
            *_comments(found),
        ],
        settings=settings,
    )


def _notices(found: Findings) -> Iterator[Notice]:
    for one, other in found.copied:
        yield Notice(text=f"{one} and {other} gave the very same points: perhaps one sheet, twice.", tone="bad")
    if found.empty_sheets:
        yield Notice(text=f"Without any points: {', '.join(found.empty_sheets)}.", tone="warn")
    alpha = found.on_score.interval
    if alpha is None:
        yield Notice(text="No text was rated by two people: nothing is known of how far they agree.", tone="warn")
    elif alpha.low <= 0:
        yield Notice(text=f"Raters agree no better than by chance (alpha {alpha} on the {SCORE_NAME}).", tone="bad")
    elif alpha.mean < TENTATIVE:
        yield Notice(
            text=f"Raters hardly agree (alpha {alpha} on the {SCORE_NAME}; from {TENTATIVE} on conclusions may be "
            "drawn): what follows is uncertain by more than its intervals say.",
            tone="warn",
        )
    by_name = {each.reward: each for each in found.rewards}
    length = by_name[LENGTH].rank if LENGTH in by_name else None
    for each in found.rewards:
        if each.reward != LENGTH and each.rank is not None and length is not None and each.rank.mean <= length.mean:
            yield Notice(
                text=f"{each.reward} agrees with people no better than length does (rank correlation "
                f"{each.rank.mean:.3f}, of length {length.mean:.3f}).",
                tone="bad",
            )


def _models(found: Findings) -> Section:
    together = Table(
        columns=["policy", "texts", "acceptable", "weighted score"],
        rows=[
            [
                text_cell(each.model),
                number_cell(each.items, form=",.0f"),
                interval_cell(each.acceptable, form=PERCENT),
                interval_cell(each.score, form=".2f"),
            ]
            for each in found.models
        ],
    )
    apart = Table(
        title="By dimension",
        columns=["policy", *(dimension.english for dimension in DIMENSIONS)],
        rows=[
            [
                text_cell(each.model),
                *(interval_cell(each.dimensions[dimension.name], form=".2f") for dimension in DIMENSIONS),
            ]
            for each in found.models
        ],
        note="Points from 1 to 3, means over raters; intervals over prompts.",
    )
    title = "Texts that people accept"
    bars = {each.model: each.acceptable for each in found.models}
    return Section(
        title="Policies", blocks=[together, Plot(title=title, svg=interval_bars(bars, title, "share")), apart]
    )


def _comparisons(found: Findings) -> Iterator[Section]:
    if not found.comparisons:
        return
    rows = [
        [
            text_cell(f"{each.other} − {each.one}"),
            number_cell(None if each.score is None else each.score.prompts, form=",.0f"),
            *difference_cells(each.acceptable, PERCENT),
            *difference_cells(each.score, ".2f"),
        ]
        for each in found.comparisons
    ]
    table = Table(
        columns=["policies", "prompts", "acceptable", "p of that", "weighted score", "p of that"],
        rows=rows,
        note="The first named minus the second, on prompts for which texts of both were rated. p: by flipping signs of "
        "differences, corrected for all pairs in its column (Holm).",
    )
    yield Section(title="Differences", blocks=[table])


def _rewards(found: Findings) -> Iterator[Section]:
    if not found.rewards:
        return
    verdicts = Table(
        title="Verdicts",
        columns=["reward", "texts", "without a reward", "same verdict", "kappa"],
        rows=[
            [
                text_cell(each.reward),
                number_cell(each.items, form=",.0f"),
                number_cell(each.missing, form=",.0f", tone="warn" if each.missing else "plain"),
                interval_cell(each.same, form=PERCENT),
                interval_cell(each.kappa),
            ]
            for each in found.rewards
            if each.reward != LENGTH
        ],
        note="What the reward calls excellent beside what people accept; Cohen's kappa.",
    )
    orders = Table(
        title="Order",
        columns=["reward", "rank correlation", "at equal length", "AUC", "AUC at equal length"],
        rows=[
            [
                text_cell(each.reward),
                *map(interval_cell, (each.rank, each.rank_at_equal_length, each.auc, each.auc_at_equal_length)),
            ]
            for each in found.rewards
        ],
        note="Rank correlation: Spearman's, of the reward with the weighted score. AUC: how often an acceptable text "
        "has the higher reward. At equal length: with length held fixed, and among texts of about the same length.",
    )
    yield Section(title="Rewards and people", blocks=[verdicts, orders])


def _agreement(found: Findings) -> Section:
    columns = ["what", "texts", "same", "Fleiss' kappa", "alpha, ordinal", "alpha, interval"]
    rows = [
        [
            text_cell(each.name),
            number_cell(each.items, form=",.0f"),
            interval_cell(each.exact, form=PERCENT),
            interval_cell(each.fleiss),
            *(interval_cell(alpha, tone=_alpha_tone(alpha)) for alpha in (each.ordinal, each.interval)),
        ]
        for each in found.agreements
    ]
    all_raters = Table(
        title="All raters",
        columns=columns,
        rows=rows,
        note="1 is perfect agreement, 0 what chance gives. Texts: rated by two people or more. Alpha: "
        "Krippendorff's; the nominal one is in result.json.",
    )
    pairs = Table(
        title="Two raters",
        columns=["what", "raters", "texts", "Cohen's kappa", "weighted (quadratic)"],
        rows=[
            [
                text_cell(each.name),
                text_cell(f"{each.one}, {each.other}"),
                number_cell(each.items, form=",.0f"),
                interval_cell(each.kappa),
                interval_cell(each.quadratic),
            ]
            for each in found.pairs
        ],
    )
    return Section(title="Agreement", blocks=[all_raters, pairs] if found.pairs else [all_raters])


def _alpha_tone(alpha: Interval | None) -> Tone:
    if alpha is None or alpha.mean >= TENTATIVE:
        return "plain"
    return "bad" if alpha.low <= 0 else "warn"


def _raters(found: Findings) -> Section:
    rows = [
        [
            text_cell(sheet.rater),
            number_cell(sheet.items, form=",.0f"),
            number_cell(len(sheet.complete), form=",.0f"),
            number_cell(len(sheet.points) - len(sheet.complete), form=",.0f"),
            *(
                number_cell(
                    statistics.fmean(given)
                    if (given := [p[name] for p in sheet.points.values() if name in p])
                    else None,
                    form=".2f",
                )
                for name in (dimension.name for dimension in DIMENSIONS)
            ),
        ]
        for sheet in found.sheets
    ]
    columns = ["rater", "on the sheet", "complete", "in part", *(dimension.english for dimension in DIMENSIONS)]
    note = "Mean points of each rater: who is stricter, and where. Texts rated in part count for their dimensions only."
    return Section(title="Raters", blocks=[Table(columns=columns, rows=rows, note=note)])


def _comments(found: Findings) -> Iterator[Section]:
    items = {item.id: item for item in found.items}
    rows = [
        [
            text_cell(sheet.rater),
            text_cell(", ".join(sorted(item.models)) if item else name),
            text_cell(item.item.prompt if item else ""),
            text_cell(item.item.text if item else ""),
            text_cell(comment),
        ]
        for sheet in found.sheets
        for name, comment in sheet.comments.items()
        for item in (items.get(name),)
    ]
    if rows:
        columns = ["rater", "policy", "prompt", "text", "comment"]
        yield Section(title="Comments", blocks=[Table(columns=columns, rows=rows)], folded=True)
