"""Samples that a person should read: figures say that something is wrong, texts say what."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from scipy.stats import rankdata

from trainer.evaluation.policies.copying import Copied
from trainer.evaluation.policies.reward_figures import Judged
from trainer.evaluation.policies.samples import PolicySample, Written
from trainer.evaluation.policies.text_figures import COPIED_SHARE

SHOWN = 8
"""Of each policy, in each list."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One sample, and why it is shown. ``rewards``: None where one gave none."""

    model: str
    sample: PolicySample
    rewards: Mapping[str, float | None]
    why: str


@dataclasses.dataclass(frozen=True, slots=True)
class ReadingList:
    """Samples with something in common, the most telling ones first."""

    title: str
    samples: Sequence[Read]


def reading_lists(
    written: Sequence[Written], judged: Sequence[Judged], copied: Mapping[str, Sequence[Copied]] | None
) -> list[ReadingList]:
    """Lowest under each reward, most at odds between rewards, longest, copied; lists without samples are left out."""
    lists = [
        ReadingList(
            f"Lowest under {each.reward}",
            _first(written, judged, functools.partial(_below, each)),
        )
        for each in judged
    ]
    if len(judged) > 1:
        apart = _ranks_apart(written, judged)
        lists.append(
            ReadingList(
                "Rewards most at odds",
                _first(written, judged, lambda model, place: apart.get((model, place))),
            )
        )
    lengths = {each.model: [len(sample.completion) for sample in each.samples] for each in written}
    lists.append(
        ReadingList(
            "Longest",
            _first(
                written,
                judged,
                lambda model, place: (lengths[model][place], f"{lengths[model][place]:,} characters"),
            ),
        )
    )
    if copied is not None:
        lists.append(
            ReadingList(
                "Copied from the training texts",
                _first(written, judged, lambda model, place: _much_copied(copied[model][place])),
            )
        )
    return [each for each in lists if each.samples]


Telling = tuple[float, str] | None
"""How much a sample tells, and what; None where it does not belong into a list."""


def _first(written: Iterable[Written], judged: Sequence[Judged], telling: Callable[[str, int], Telling]) -> list[Read]:
    """The samples of each policy that tell most; texts that stand there twice are shown once."""
    shown: list[Read] = []
    for each in written:
        told = {place: telling(each.model, place) for place in range(len(each.samples))}
        order = sorted(
            ((found, place) for place, found in told.items() if found is not None),
            key=lambda item: (-item[0][0], item[1]),
        )
        texts: set[tuple[str, str]] = set()
        for (_, why), place in order:
            sample = each.samples[place]
            if sample.row in texts:
                continue
            texts.add(sample.row)
            rewards = {by.reward: by.scores[each.model][place].reward for by in judged}
            shown.append(Read(model=each.model, sample=sample, rewards=rewards, why=why))
            if len(texts) == SHOWN:
                break
    return shown


def _below(judged: Judged, model: str, place: int) -> Telling:
    reward = judged.scores[model][place].reward
    return None if reward is None else (-reward, f"{judged.reward} {reward:.3f}")


def _much_copied(copied: Copied) -> Telling:
    if not copied.at_least(COPIED_SHARE):
        return None
    how = "whole" if copied.whole else f"{copied.stretch:.0%} in one stretch, {copied.grams:.0%} in short runs"
    return copied.whole + max(copied.stretch, copied.grams), how


def _ranks_apart(written: Sequence[Written], judged: Sequence[Judged]) -> dict[tuple[str, int], tuple[float, str]]:
    """For each sample that every reward scored: how far its ranks are apart, from 0 to 1, and which two these are."""
    keys = [
        (each.model, place)
        for each in written
        for place in range(len(each.samples))
        if all(by.scores[each.model][place].reward is not None for by in judged)
    ]
    if not keys:
        return {}
    ranks = np.stack([rankdata([by.scores[model][place].reward for model, place in keys]) / len(keys) for by in judged])
    apart = {}
    for column, key in enumerate(keys):
        low, high = int(ranks[:, column].argmin()), int(ranks[:, column].argmax())
        best, worst = float(ranks[high, column]), float(ranks[low, column])
        why = f"rank {best:.0%} by {judged[high].reward}, {worst:.0%} by {judged[low].reward}"
        apart[key] = (best - worst, why)
    return apart
