"""How far each reward says what people say."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from trainer.evaluation.auc import auc, length_stratified_auc
from trainer.evaluation.intervals import Interval
from trainer.evaluation.policies.texts import EvaluatedText, RewardOfText
from trainer.evaluation.ratings.measures import Floats, cohen_kappa
from trainer.evaluation.ratings.people import RatedItem
from trainer.evaluation.rewards.correlation import partial_correlation, ranks
from trainer.evaluation.rewards.groups import Integers
from trainer.evaluation.rewards.resampling import Statistic, estimate

LENGTH = "length alone"
"""Stands among the rewards: whoever agrees with people no better than this has counted characters."""
LEAST_ITEMS = 5
"""Fewer items say nothing of a reward."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RewardAndPeople:
    """How far one reward says what people say. Intervals are over prompts, those of AUCs over texts.

    Attributes:
        reward: Its name, or `LENGTH`.
        items: Rated texts that have this reward.
        missing: Rated texts that have none.
        kappa: Cohen's, of what the reward calls excellent and people acceptable; None where the reward does not tell.
        same: How often the two are the same.
        rank: Spearman's correlation of the reward with the weighted score.
        rank_at_equal_length: The same with length held fixed.
        auc: How often an acceptable text has the higher reward than one that is not.
        auc_at_equal_length: The same among texts of about equal length.
    """

    reward: str
    items: int
    missing: int
    kappa: Interval | None
    same: Interval | None
    rank: Interval | None
    rank_at_equal_length: Interval | None
    auc: Interval | None
    auc_at_equal_length: Interval | None


def rewards_and_people(
    items: Sequence[RatedItem], texts: Sequence[EvaluatedText], *, seed: int = 0
) -> list[RewardAndPeople]:
    """Each reward of an evaluation, and length alone, beside what people say.

    Args:
        items: Rated texts.
        texts: Of the evaluation from which they were drawn.
        seed: Of the bootstrap.
    """
    known = {(text.model, text.id): text for text in texts}
    names = list(dict.fromkeys(name for text in texts for name in text.rewards))
    found = []
    for name in names:
        given = [(item, reward) for item in items if (reward := _reward(item, known, name)) is not None]
        values = [reward.reward for _, reward in given if reward.reward is not None]
        found.append(
            _beside(
                name,
                [item for item, _ in given],
                values,
                [reward.excellent for _, reward in given],
                missing=len(items) - len(given),
                seed=seed,
            )
        )
    lengths = [float(len(item.item.text)) for item in items]
    return [*found, _beside(LENGTH, items, lengths, [None] * len(items), missing=0, seed=seed)]


def _reward(item: RatedItem, known: Mapping[tuple[str, str], EvaluatedText], name: str) -> RewardOfText | None:
    """What a reward gave for an item; None where it gave none. Several origins have the same text, and one reward."""
    for origin in item.item.origins:
        text = known.get((origin.model, origin.sample))
        reward = None if text is None else text.rewards.get(name)
        if reward is not None and reward.reward is not None:
            return reward
    return None


def _beside(
    name: str,
    items: Sequence[RatedItem],
    values: Sequence[float],
    excellent: Sequence[bool | None],
    *,
    missing: int,
    seed: int,
) -> RewardAndPeople:
    rewards = np.asarray(values, dtype=np.float64)
    scores = np.asarray([item.score for item in items], dtype=np.float64)
    lengths = np.asarray([len(item.item.text) for item in items], dtype=np.float64)
    verdicts = [int(item.acceptable) for item in items]
    intervals: dict[str, Interval | None] = {}
    if len(items) >= LEAST_ITEMS:
        wanted: dict[str, Statistic] = {"rank": correlation(ranks(rewards), ranks(scores))}
        if name != LENGTH:
            wanted["partial"] = partial_correlation(ranks(rewards), ranks(scores), ranks(lengths))
        intervals |= _estimated(wanted, items, seed)
    decided = [(item, one) for item, one in zip(items, excellent, strict=True) if one is not None]
    if len(decided) >= LEAST_ITEMS:
        tables = np.zeros((len(decided), 2, 2))
        for place, (item, one) in enumerate(decided):
            tables[place, int(one), int(item.acceptable)] = 1.0
        intervals |= _estimated(
            {"kappa": _of_tables(tables, cohen_kappa), "same": _of_tables(tables, _diagonal)},
            [item for item, _ in decided],
            seed,
        )
    return RewardAndPeople(
        reward=name,
        items=len(items),
        missing=missing,
        kappa=intervals.get("kappa"),
        same=intervals.get("same"),
        rank=intervals.get("rank"),
        rank_at_equal_length=intervals.get("partial"),
        auc=_auc(values, verdicts, None, seed),
        auc_at_equal_length=_auc(values, verdicts, lengths.tolist(), seed),
    )


def correlation(first: Floats, second: Floats) -> Statistic:
    """Pearson's correlation; of ranks it is Spearman's. NaN where one of the two does not vary."""
    one, other = first - first.mean(), second - second.mean()

    def statistic(times: Floats) -> Floats:
        rows = times.sum(axis=1)
        means = [times @ values / rows for values in (one, other)]
        spreads = [times @ values**2 / rows - mean**2 for values, mean in zip((one, other), means, strict=True)]
        both = times @ (one * other) / rows - means[0] * means[1]
        product = spreads[0] * spreads[1]
        nothing = 1e-12 * max(float((one**2).mean() * (other**2).mean()), 1e-300)
        found: Floats = both / np.sqrt(np.where(product > nothing, product, np.nan))
        return np.clip(found, -1.0, 1.0)

    return statistic


def _of_tables(tables: Floats, of: Callable[[Floats], Floats]) -> Statistic:
    def statistic(times: Floats) -> Floats:
        return of((times @ tables.reshape(len(tables), -1)).reshape(len(times), *tables.shape[1:]))

    return statistic


def _diagonal(table: Floats) -> Floats:
    share: Floats = np.trace(table, axis1=-2, axis2=-1) / table.sum(axis=(-2, -1))
    return share


def _estimated(wanted: Mapping[str, Statistic], items: Sequence[RatedItem], seed: int) -> dict[str, Interval | None]:
    """Figures with intervals over prompts."""
    prompts: Integers = np.unique([item.item.prompt_id for item in items], return_inverse=True)[1].astype(np.int64)
    found = estimate(wanted, prompts, seed=seed)
    return {name: None if one is None else one.interval for name, one in found.items()}


def _auc(
    values: Sequence[float], verdicts: Sequence[int], lengths: Sequence[float] | None, seed: int
) -> Interval | None:
    try:
        if lengths is None:
            return auc(values, verdicts, seed=seed).interval
        return length_stratified_auc(values, verdicts, lengths, seed=seed).interval
    except ValueError:  # all texts are acceptable, or none is, or none of about equal length
        return None
