"""What one reward, or one baseline, says of everything that is evaluated."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

from shared.schemas import RewardInfo, Score
from trainer.evaluation.auc import Floats
from trainer.evaluation.rewards.groups import Integers
from trainer.evaluation.rewards.material import Material
from trainer.evaluation.rewards.thresholds import best_threshold, cross_fitted

PROBABILITY = "probability"
"""The component of a score that is a calibrated probability, where a reward gives one."""

Kind = Literal["reward", "baseline"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Column:
    """One column of scores.

    Attributes:
        name: As in the report.
        kind: A reward, or a baseline.
        scores: ``(rows,)``, higher for better; NaN where there is none.
        decisions: ``(rows,)``, 1 good, 0 bad; 0 where there is no score, which counts for nothing.
        decided_by: What the decisions are made of, for people.
        probabilities: ``(rows,)``, that a row is good; None where the column has no such thing.
        pairs: ``(pairs, 2)``, the scores of the chosen and the rejected text; NaN likewise.
        note: What a reader should know of it.
    """

    name: str
    kind: Kind
    scores: Floats
    decisions: Integers
    decided_by: str
    probabilities: Floats | None
    pairs: Floats
    note: str = ""

    @property
    def scored_rows(self) -> Integers:
        """Places of the rows with a score."""
        return np.flatnonzero(~np.isnan(self.scores)).astype(np.int64)

    @property
    def scored_pairs(self) -> Integers:
        """Places of the pairs both of whose texts have one."""
        return np.flatnonzero(~np.isnan(self.pairs).any(axis=1)).astype(np.int64)


def says_by_itself(scores: Sequence[Score]) -> bool:
    """Whether a reward decides without a threshold of ours: by verdicts, or by probabilities."""
    scored = [score for score in scores if score.status == "scored"]
    return all(score.verdict is not None for score in scored) or all(
        PROBABILITY in score.components for score in scored
    )


def reward_column(
    name: str, scores: Sequence[Score], info: RewardInfo, material: Material, validation: Sequence[Score] | None = None
) -> Column:
    """A reward's column.

    Args:
        name: As in the report.
        scores: Of `Material.texts`, in order.
        info: What the reward says of itself.
        material: What was scored.
        validation: Scores of the validation rows, for a threshold; None where there are none, or none is needed.
    """
    rows = len(material.rows)
    rewards = np.asarray([np.nan if score.reward is None else score.reward for score in scores], dtype=np.float64)
    decisions, decided_by = _decisions(scores[:rows], rewards[:rows], material, validation)
    return Column(
        name=name,
        kind="reward",
        scores=rewards[:rows],
        decisions=decisions,
        decided_by=decided_by,
        probabilities=_probabilities(scores[:rows], rewards[:rows], info),
        pairs=rewards[rows:].reshape(-1, 2),
        note=info.version,
    )


def _decisions(
    scores: Sequence[Score], rewards: Floats, material: Material, validation: Sequence[Score] | None
) -> tuple[Integers, str]:
    scored = [score for score in scores if score.status == "scored"]
    if all(score.verdict is not None for score in scored):
        return np.asarray([score.verdict or 0 for score in scores], dtype=np.int64), "its verdict"
    if all(PROBABILITY in score.components for score in scored):
        likely = [score.components.get(PROBABILITY, 0.0) >= 0.5 for score in scores]
        return np.asarray(likely, dtype=np.int64), f"its {PROBABILITY}, from 0.5"
    if validation is not None:
        labelled = [
            (score.reward, row.label)
            for score, row in zip(validation, material.validation, strict=True)
            if score.reward is not None
        ]
        if labelled:
            known, labels = zip(*labelled, strict=True)
            threshold = best_threshold(np.asarray(known), np.asarray(labels))
            return (rewards >= threshold).astype(np.int64), f"reward ≥ {threshold:.4g}, chosen on --validation"
    decisions = np.zeros(rewards.size, dtype=np.int64)
    here = ~np.isnan(rewards)
    folds = material.folds[: rewards.size][here]
    if np.unique(folds).size > 1:
        decisions[here] = cross_fitted(rewards[here], material.labels[here], folds)
    return decisions, "reward ≥ a threshold cross-fitted on the data"


def _probabilities(scores: Sequence[Score], rewards: Floats, info: RewardInfo) -> Floats | None:
    if all(PROBABILITY in score.components for score in scores if score.status == "scored"):
        return np.asarray([score.components.get(PROBABILITY, np.nan) for score in scores], dtype=np.float64)
    if info.range.minimum == 0 and info.range.maximum == 1:
        return rewards
    return None
