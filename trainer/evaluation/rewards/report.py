"""An evaluation of rewards as a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from trainer.evaluation.auc import FLOOR, TOLERANCE
from trainer.evaluation.rewards import tables
from trainer.evaluation.rewards.baselines import LENGTH_RULE
from trainer.evaluation.rewards.calibration import curve
from trainer.evaluation.rewards.column import Column
from trainer.evaluation.rewards.correlation import ranks
from trainer.evaluation.rewards.findings import Finding
from trainer.evaluation.rewards.material import LEAST_ROWS
from trainer.evaluation.rewards.measuring import Measure
from trainer.evaluation.rewards.resampling import RESAMPLES
from trainer.evaluation.rewards.result import Evaluation
from trainer.report.charts import grouped_histograms, heat_map, interval_bars, lines, points
from trainer.report.document import Block, Document, Notice, Paragraph, Plot, Section, Table, number_cell, text_cell

ERRORS_SHOWN = 15
"""Of each label, for each reward."""


def document_of(
    evaluation: Evaluation,
    findings: list[Finding],
    *,
    settings: Mapping[str, object],
    notices: Sequence[Notice] = (),
    sections: Sequence[Section] = (),
) -> Document:
    """The document; further notices and sections, such as those of probes, stand behind its own findings."""
    material, measured = evaluation.material, evaluation.measured
    names = ", ".join(column.name for column in evaluation.rewards)
    rows = measured.population.rows
    good = int(material.labels[rows].sum())
    return Document(
        title="zhufu: rewards",
        summary=f"{names} on {rows.size:,} rows of {material.sources.data}: {good:,} good, {rows.size - good:,} bad. "
        + (
            f"{evaluation.not_by_all:,} others are in no figure, since not every reward that is compared scored them."
            if evaluation.not_by_all
            else "Every reward that is compared scored all of them."
        ),
        notices=[*(Notice(text=each.text, tone=each.tone) for each in findings), *notices],
        sections=[
            _at_equal_length(evaluation, findings),
            _plain(evaluation, findings),
            Section(title="What is compared", blocks=[tables.columns_table(evaluation)]),
            Section(title="Differences", blocks=[tables.comparisons_table(evaluation)]),
            *sections,
            _length(evaluation),
            _calibration(evaluation),
            _slices(evaluation),
            _answers(evaluation),
            _how(evaluation),
            *(_errors(evaluation, column) for column in evaluation.rewards),
        ],
        settings=settings,
    )


def _titled(measure: Measure) -> str:
    title = tables.TITLES[measure]
    return f"{title[0].upper()}{title[1:]}"


def _bars(evaluation: Evaluation, measure: Measure, line: float | None) -> Plot:
    return Plot(
        title=_titled(measure),
        svg=interval_bars(
            {column.name: evaluation.figure(column.name, measure) for column in evaluation.columns},
            _titled(measure),
            "with 95 % interval",
            line=line,
        ),
    )


def _at_equal_length(evaluation: Evaluation, findings: list[Finding]) -> Section:
    measured = evaluation.measured
    blocks: list[Block] = [
        Paragraph(
            text=f"Length-stratified AUC: over {measured.near_pairs:,} pairs of a good and a bad text whose lengths "
            f"differ by at most {TOLERANCE:.0%} of their mean or {FLOOR:g} characters. Length-matched rows: "
            f"{len(measured.matched):,} pairs of rows in which the length rule is right on just half."
            + (
                f" Pairs within 20 % in length: {len(measured.close):,} of {evaluation.material.pairs_of:,} preference "
                f"pairs of {evaluation.material.pairs_source}, each of one request."
                if evaluation.material.pairs_source is not None
                else ""
            )
        ),
        tables.equal_length_table(evaluation, findings),
        _bars(evaluation, Measure.STRATIFIED_AUC, 0.5),
    ]
    if len(measured.close) >= LEAST_ROWS:
        blocks.append(_bars(evaluation, Measure.CLOSE_PAIRS, 0.5))
    return Section(title="With length held fixed", blocks=blocks)


def _plain(evaluation: Evaluation, findings: list[Finding]) -> Section:
    rule = evaluation.figure(LENGTH_RULE, Measure.ACCURACY)
    return Section(
        title="With length left free",
        blocks=[
            tables.plain_table(evaluation, findings),
            _bars(evaluation, Measure.ACCURACY, None if rule is None else rule.mean),
        ],
    )


def _length(evaluation: Evaluation) -> Section:
    material, rows = evaluation.material, evaluation.measured.population.rows
    labels, lengths = material.labels[rows], material.lengths[rows]
    blocks: list[Block] = [tables.length_table(evaluation)]
    for column in evaluation.rewards:
        scores = column.scores[rows]
        title = f"{column.name}: score by length"
        groups = {
            name: (lengths[labels == label].tolist(), scores[labels == label].tolist())
            for name, label in (("good", 1), ("bad", 0))
        }
        blocks.append(Plot(title=title, svg=points(groups, title, "characters", "score")))
        title = f"{column.name}: scores"
        blocks.append(
            Plot(title=title, svg=grouped_histograms({name: each[1] for name, each in groups.items()}, title, "score"))
        )
    return Section(title="Score and length", blocks=blocks)


def _calibration(evaluation: Evaluation) -> Section:
    found = {
        column.name: evaluation.measured.calibration[column.name]
        for column in evaluation.columns[:-1]  # what says the same of all texts has but one point
        if column.name in evaluation.measured.calibration
    }
    without = [column.name for column in evaluation.rewards if column.name not in found]
    blocks: list[Block] = [tables.calibration_table(evaluation)]
    if found:
        series = {name: curve(each.bins) for name, each in found.items()}
        blocks.append(
            Plot(
                title="Reliability",
                svg=lines(series, "Reliability", "mean probability of a bin", "share of good texts", diagonal=True),
            )
        )
    if without:
        blocks.append(Paragraph(text=f"{', '.join(without)}: neither a probability nor a reward from 0 to 1."))
    return Section(title="Calibration", blocks=blocks)


def _slices(evaluation: Evaluation) -> Section:
    at_least, of = evaluation.often
    blocks: list[Block] = [
        Paragraph(
            text=f"A slice with fewer than {LEAST_ROWS} good or {LEAST_ROWS} bad rows has no figures; for "
            "the length-stratified AUC as many have to have a partner. Occasion: what the request names first in a "
            "lexicon. High-frequency: what a request asks for, without the words that all "
            f"requests have, is asked for in at least {at_least:,} of {of:,} requests ({evaluation.requests_from})."
        )
    ]
    for measure in (Measure.STRATIFIED_AUC, Measure.AUC):
        values = _by_slice(evaluation, measure)
        if any(values.values()):
            title = f"{_titled(measure)} by slice"
            blocks.append(
                Plot(
                    title=title,
                    svg=heat_map(values, title, tables.TITLES[measure], low=0.5, high=1.0, bad_is_high=False),
                )
            )
    blocks.append(tables.slices_table(evaluation))
    return Section(title="Slices", blocks=blocks)


def _by_slice(evaluation: Evaluation, measure: Measure) -> dict[str, dict[str, float | None]]:
    """The slices that have the figure, of all columns but the last: chance is 0.5 everywhere."""
    return {
        column.name: {
            f"{group}: {name}": each.value
            for (group, name), found in evaluation.measured.slices[column.name].items()
            if (each := found[measure]) is not None
        }
        for column in evaluation.columns[:-1]
    }


def _answers(evaluation: Evaluation) -> Section:
    blocks: list[Block] = [tables.answers_table(evaluation)]
    if evaluation.own:
        blocks += [Paragraph(text="On all rows that one reward scored itself:"), tables.own_table(evaluation)]
    return Section(title="Answers, time and tokens", blocks=blocks)


def _how(evaluation: Evaluation) -> Section:
    material = evaluation.material
    training = material.training
    learned = (
        "Without --train the baselines are cross-fitted on the data: no fold shares a request or a text with another."
        if training is None
        else f"Baselines learned from {len(training.rows):,} rows of {material.sources.train}; {training.leaked:,} "
        "others were taken out before, since their text, folded, is evaluated."
    )
    sentences = [
        f"Intervals: 95 %, percentiles of {RESAMPLES:,} resamples of requests, the same for every figure; the "
        "calibration error, which resampling shifts, has the basic bootstrap interval.",
        learned,
        "Good or bad: by the verdict where a reward gives one, else by its probability, else by a threshold.",
        "AUC, pairs: ties count half, also those of the length rule where two texts have exactly one length.",
        "Characters are counted as they stand, punctuation included.",
        "Rank correlations keep the ranks of all rows in each resample.",
    ]
    return Section(
        title="How it was measured", blocks=[Paragraph(text=sentence) for sentence in sentences], folded=True
    )


def _errors(evaluation: Evaluation, column: Column) -> Section:
    """Bad rows with the highest scores and good ones with the lowest: what a reward gets wrong, or a label."""
    material, rows = evaluation.material, evaluation.measured.population.rows
    labels = material.labels[rows]
    place = (ranks(column.scores[rows]) - 0.5) / rows.size
    wrong = np.where(labels == 1, 1 - place, place)
    shown = [
        int(row)
        for label in (0, 1)
        for row in sorted(np.flatnonzero(labels == label).tolist(), key=lambda row: (-wrong[row], row))[:ERRORS_SHOWN]
    ]
    table = Table(
        columns=["label", "score", "ranked above", "characters", "request", "text"],
        rows=[
            [
                text_cell("good" if labels[row] else "bad"),
                number_cell(float(column.scores[rows[row]])),
                number_cell(float(place[row]), form=".0%"),
                number_cell(len(material.rows[rows[row]].completion), form="d"),
                text_cell(material.rows[rows[row]].prompt),
                text_cell(material.rows[rows[row]].completion),
            ]
            for row in shown
        ],
        note="Ranked above: so many of all rows have a lower score.",
    )
    return Section(title=f"{column.name}: where it is farthest from the label", blocks=[table], folded=True)
