"""The tables of a report: one row a reward or baseline, the figures that length cannot make first."""

from __future__ import annotations

from typing import Final

from trainer.evaluation.asking import REQUESTS_AT_ONCE, ROWS_AT_ONCE
from trainer.evaluation.intervals import Interval
from trainer.evaluation.rewards.column import Column
from trainer.evaluation.rewards.comparisons import Comparison
from trainer.evaluation.rewards.findings import Finding
from trainer.evaluation.rewards.measuring import SLICED, Measure, Measured
from trainer.evaluation.rewards.result import Evaluation
from trainer.report.document import Cell, Table, Tone, interval_cell, number_cell, text_cell

TITLES: Final[dict[Measure, str]] = {
    Measure.STRATIFIED_AUC: "length-stratified AUC",
    Measure.CLOSE_PAIRS: "pairs within 20 % in length",
    Measure.MATCHED_PAIRS: "length-matched rows",
    Measure.ALL_PAIRS: "all pairs",
    Measure.AUC: "AUC",
    Measure.ACCURACY: "accuracy",
    Measure.PRECISION: "precision",
    Measure.RECALL: "recall",
    Measure.F1: "F1",
    Measure.CALIBRATION_ERROR: "calibration error",
    Measure.BRIER: "Brier score",
    Measure.LABEL_SPEARMAN: "score and label, given length (Spearman)",
    Measure.LABEL_PEARSON: "the same (Pearson)",
    Measure.LENGTH_SPEARMAN: "score and length, given label (Spearman)",
    Measure.LENGTH_PEARSON: "the same (Pearson)",
}
LEVEL: Final = 0.05
"""Below it a corrected p is called a difference."""
LEAST_P: Final = 0.0001


def equal_length_table(evaluation: Evaluation, findings: list[Finding]) -> Table:
    """What is left when length is held fixed."""
    measures = (Measure.STRATIFIED_AUC, Measure.CLOSE_PAIRS, Measure.MATCHED_PAIRS, Measure.LABEL_SPEARMAN)
    shown = [each for each in measures if _known(evaluation, each)]
    return Table(
        title="At equal length",
        columns=["reward", *(TITLES[each] for each in shown)],
        rows=[
            [
                _name(column, findings),
                *(interval_cell(evaluation.figure(column.name, each)) for each in shown),
            ]
            for column in evaluation.columns
        ],
        note="With 95 % intervals by a bootstrap over requests. 0.5 is blind, and 0 for correlations.",
    )


def plain_table(evaluation: Evaluation, findings: list[Finding]) -> Table:
    """What is usually reported; where good texts are longer, length alone does well here."""
    measures = [Measure.ACCURACY, Measure.PRECISION, Measure.RECALL, Measure.F1, Measure.AUC, Measure.ALL_PAIRS]
    shown = [each for each in measures if each is not Measure.ALL_PAIRS or _known(evaluation, each)]
    return Table(
        title="Whatever the length",
        columns=["reward", *(TITLES[each] for each in shown)],
        rows=[
            [
                _name(column, findings),
                *(interval_cell(evaluation.figure(column.name, each)) for each in shown),
            ]
            for column in evaluation.columns
        ],
        note="Where good texts are longer than bad ones, these figures say little: see what the length rule reaches.",
    )


def columns_table(evaluation: Evaluation) -> Table:
    """What is compared."""
    return Table(
        columns=["reward", "what it is", "calls good by"],
        rows=[
            [text_cell(column.name), text_cell(column.note), text_cell(column.decided_by)]
            for column in evaluation.columns
        ],
    )


def length_table(evaluation: Evaluation) -> Table:
    """How scores go with length and label."""
    measures = (Measure.LENGTH_SPEARMAN, Measure.LENGTH_PEARSON, Measure.LABEL_SPEARMAN, Measure.LABEL_PEARSON)
    return Table(
        title="Partial correlations",
        columns=["reward", *(TITLES[each] for each in measures)],
        rows=[
            [
                text_cell(column.name),
                *(interval_cell(evaluation.figure(column.name, each), form="+.3f") for each in measures),
            ]
            for column in evaluation.columns
        ],
    )


def calibration_table(evaluation: Evaluation) -> Table:
    """Whether probabilities are what they say."""
    return Table(
        columns=["reward", TITLES[Measure.CALIBRATION_ERROR], "by chance", TITLES[Measure.BRIER]],
        rows=[
            [
                text_cell(column.name),
                interval_cell(evaluation.figure(column.name, Measure.CALIBRATION_ERROR)),
                number_cell(evaluation.measured.calibration[column.name].by_chance),
                interval_cell(evaluation.figure(column.name, Measure.BRIER)),
            ]
            for column in evaluation.columns
            if column.name in evaluation.measured.calibration
        ],
        note="Calibration error: in ten bins of equal mass, how far the mean probability is from the share of good "
        "texts. By chance: what probabilities that are exactly right would show on so many rows.",
    )


def answers_table(evaluation: Evaluation) -> Table:
    """Failures, latencies and tokens."""
    return Table(
        columns=[
            "reward",
            "version",
            "asked",
            "scored",
            "failed",
            "expired",
            "why",
            "cached",
            "p50, s",
            "p95, s",
            "prompt tokens",
            "completion tokens",
            "tokens a text",
        ],
        rows=[_answers(name, evaluation) for name in evaluation.outcomes],
        note="Each text is asked once. Latency: from admission to outcome, as the service measured, with up to "
        f"{ROWS_AT_ONCE * REQUESTS_AT_ONCE} texts under way at once, their waiting included; without cached answers.",
    )


def comparisons_table(evaluation: Evaluation) -> Table:
    """Every test."""
    return Table(
        columns=["reward", "against", "figure", "difference", "p", "p, corrected", "so"],
        rows=[_comparison(each) for each in evaluation.comparisons],
        note="The same rows or pairs for both. Accuracy and pairs: exact sign tests (McNemar); AUC: paired bootstrap "
        f"over requests. Corrected by Holm's method over all {len(evaluation.comparisons)} tests of this table.",
    )


def slices_table(evaluation: Evaluation) -> Table:
    """All slices, those without figures too."""
    shown = [(column.name, each) for column in evaluation.columns[:-1] for each in SLICED]  # without chance
    population = set(evaluation.measured.population.rows.tolist())
    labels = evaluation.material.labels
    rows = []
    for part in evaluation.slices:
        here = [row for row in part.rows.tolist() if row in population]
        good = int(labels[here].sum())
        cells = [
            text_cell(part.group),
            text_cell(part.name),
            number_cell(good, form=",d"),
            number_cell(len(here) - good, form=",d"),
        ]
        for name, measure in shown:
            found = evaluation.measured.slices[name].get((part.group, part.name), {}).get(measure)
            cells.append(interval_cell(None if found is None else found.interval))
        rows.append(cells)
    return Table(
        columns=["by", "slice", "good", "bad", *(f"{name}: {TITLES[measure]}" for name, measure in shown)],
        rows=rows,
    )


def own_table(evaluation: Evaluation) -> Table:
    """What each reward comes to on all that it scored itself."""
    measures = (Measure.STRATIFIED_AUC, Measure.CLOSE_PAIRS, Measure.AUC, Measure.ACCURACY)
    return Table(
        columns=["reward", "rows", *(TITLES[each] for each in measures)],
        rows=[
            [
                text_cell(name),
                number_cell(own.population.rows.size, form=",d"),
                *(interval_cell(_interval(own, name, each)) for each in measures),
            ]
            for name, own in evaluation.own.items()
        ],
        note="Not to be compared with each other: these are different rows.",
    )


def _interval(measured: Measured, name: str, measure: Measure) -> Interval | None:
    found = measured.figures[(name, measure)]
    return None if found is None else found.interval


def _known(evaluation: Evaluation, measure: Measure) -> bool:
    return any(evaluation.figure(column.name, measure) is not None for column in evaluation.columns)


def _name(column: Column, findings: list[Finding]) -> Cell:
    """A reward's name in the colour of the worst that was found of it."""
    tones = {finding.tone for finding in findings if finding.reward == column.name}
    order: tuple[Tone, ...] = ("bad", "warn", "good")
    return text_cell(column.name, tone=next((tone for tone in order if tone in tones), "plain"))


def _answers(name: str, evaluation: Evaluation) -> list[Cell]:
    found = evaluation.outcomes[name]
    tokens = None
    if found.prompt_tokens is not None and found.completion_tokens is not None:
        tokens = (found.prompt_tokens + found.completion_tokens) / found.asked
    return [
        text_cell(name),
        text_cell(evaluation.infos[name].version),
        number_cell(found.asked, form=",d"),
        number_cell(found.scored, form=",d"),
        number_cell(found.failed, form=",d", tone="warn" if found.failed else "plain"),
        number_cell(found.expired, form=",d", tone="warn" if found.expired else "plain"),
        text_cell(", ".join(f"{code} {count:,}" for code, count in found.codes.items())),
        number_cell(found.cached, form=",d"),
        number_cell(found.latency_p50, form=".3f"),
        number_cell(found.latency_p95, form=".3f"),
        number_cell(found.prompt_tokens, form=",d"),
        number_cell(found.completion_tokens, form=",d"),
        number_cell(tokens, form=",.0f"),
    ]


def _p(value: float) -> Cell:
    return Cell(text=f"{value:.4f}" if value >= LEAST_P else f"<{LEAST_P}", value=value)


def _comparison(found: Comparison) -> list[Cell]:
    tone: Tone = "plain"
    so = "no difference is shown"
    if found.adjusted < LEVEL:
        better = found.difference.mean > 0
        tone, so = ("good", "better") if better else ("bad", "worse")
    return [
        text_cell(found.first),
        text_cell(found.second),
        text_cell(TITLES[found.measure]),
        interval_cell(found.difference, form="+.3f"),
        _p(found.p),
        _p(found.adjusted),
        text_cell(so, tone=tone),
    ]
