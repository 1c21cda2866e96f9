"""What must not be overlooked: a reward that is no better than counting characters, or blind when it cannot."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Final

from trainer.evaluation.intervals import Interval
from trainer.evaluation.rewards.baselines import LENGTH_RULE, NGRAMS
from trainer.evaluation.rewards.column import Column
from trainer.evaluation.rewards.measuring import Measure
from trainer.evaluation.rewards.outcomes import Outcomes
from trainer.evaluation.rewards.result import Evaluation
from trainer.report.document import Tone

AGAINST_LENGTH: Final = (Measure.ACCURACY, Measure.AUC, Measure.STRATIFIED_AUC)
WORDS: Final = {
    Measure.ACCURACY: "accuracy",
    Measure.AUC: "AUC",
    Measure.STRATIFIED_AUC: "length-stratified AUC",
}
FOLLOWS_LENGTH = 0.3
"""A rank correlation of score and length, given the label, from which on it is named."""
MANY_NOT_SCORED = 0.05
"""Of the texts."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found of one reward.

    Attributes:
        reward: Its name.
        code: A stable word for programs.
        tone: ``bad`` where nobody should train with it before knowing.
        text: For people.
    """

    reward: str
    code: str
    tone: Tone
    text: str


def findings_of(evaluation: Evaluation) -> list[Finding]:
    """Of every reward; one that has nothing bad to be told of it is told to hold."""
    found = [_left_out(column.name, evaluation.outcomes[column.name]) for column in evaluation.left_out]
    for column in evaluation.rewards:
        of_reward = [*_at_equal_length(evaluation, column), *_not_scored(evaluation, column)]
        if not any(finding.tone == "bad" for finding in of_reward):
            of_reward.insert(0, _holds(evaluation, column))
        found += of_reward
    return found


def _at_equal_length(evaluation: Evaluation, column: Column) -> Iterator[Finding]:
    name = column.name
    stratified = evaluation.figure(name, Measure.STRATIFIED_AUC)
    if stratified is None:
        yield Finding(
            reward=name,
            code="length_not_fixed",
            tone="warn",
            text=f"No good and bad text are of about one length here: what {name} is worth at equal length is unknown.",
        )
    elif stratified.low <= 0.5:
        yield Finding(
            reward=name,
            code="blind_at_equal_length",
            tone="bad",
            text=f"{name} does not tell good from bad among texts of about one length: length-stratified AUC "
            f"{stratified}, where 0.5 is blind.",
        )
    if lost := list(_no_better(evaluation, name, LENGTH_RULE, AGAINST_LENGTH)):
        yield Finding(
            reward=name,
            code="not_better_than_length",
            tone="bad",
            text=f"{name} does not beat a rule that only counts characters: {'; '.join(lost)}.",
        )
    elif lost := list(_no_better(evaluation, name, NGRAMS, (Measure.STRATIFIED_AUC, Measure.ACCURACY))):
        yield Finding(
            reward=name,
            code="not_better_than_style",
            tone="warn",
            text=f"{name} does not beat character n-grams that never see the request: {'; '.join(lost)}.",
        )
    length = evaluation.figure(name, Measure.LENGTH_SPEARMAN)
    if length is not None and length.excludes_zero and abs(length.mean) >= FOLLOWS_LENGTH:
        yield Finding(
            reward=name,
            code="follows_length",
            tone="warn",
            text=f"Among texts with one label {name} gives more to {'longer' if length.mean > 0 else 'shorter'} ones: "
            f"rank correlation {length}.",
        )


def _no_better(evaluation: Evaluation, name: str, baseline: str, measures: tuple[Measure, ...]) -> Iterator[str]:
    """Each figure in which a reward is not above a baseline for sure, in words."""
    for measure in measures:
        comparison = evaluation.comparison(name, baseline, measure)
        if comparison is not None and comparison.difference.low <= 0:
            ours, theirs = evaluation.figure(name, measure), evaluation.figure(baseline, measure)
            assert ours is not None  # they were compared
            assert theirs is not None
            difference = _signed(comparison.difference)
            yield f"{WORDS[measure]} {ours.mean:.3f} against {theirs.mean:.3f}, difference {difference}"


def _not_scored(evaluation: Evaluation, column: Column) -> Iterator[Finding]:
    outcomes = evaluation.outcomes[column.name]
    if outcomes.not_scored:
        many = outcomes.not_scored > MANY_NOT_SCORED * outcomes.asked
        yield Finding(
            reward=column.name,
            code="not_scored",
            tone="bad" if many else "warn",
            text=f"{column.name} did not score {outcomes.not_scored:,} of {outcomes.asked:,} texts "
            f"({_codes(outcomes)}); they are in no figure.",
        )


def _left_out(name: str, outcomes: Outcomes) -> Finding:
    return Finding(
        reward=name,
        code="left_out",
        tone="bad",
        text=f"{name} is not compared: it scored {outcomes.scored:,} of {outcomes.asked:,} texts ({_codes(outcomes)}).",
    )


def _holds(evaluation: Evaluation, column: Column) -> Finding:
    figures = [
        f"{WORDS[measure]} {interval}"
        for measure in (Measure.STRATIFIED_AUC, Measure.ACCURACY)
        if (interval := evaluation.figure(column.name, measure)) is not None
    ]
    return Finding(
        reward=column.name,
        code="better_than_length",
        tone="good",
        text=f"{column.name} is better than counting characters: {', '.join(figures)}.",
    )


def _codes(outcomes: Outcomes) -> str:
    return ", ".join(f"{code} {count:,}" for code, count in outcomes.codes.items())


def _signed(interval: Interval) -> str:
    return f"{interval.mean:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"
