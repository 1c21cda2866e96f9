"""Figures of what a policy wrote that need no reward: length, variety, repetition, and what is copied.

Variety falls with the amount of text, so policies are compared on equal amounts: as many characters, and as many
prompts, as the one that wrote least has.
"""

from __future__ import annotations

import collections
import dataclasses
import random
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence

from trainer.data.folding import folded_text
from trainer.evaluation.intervals import Interval, bootstrap_mean
from trainer.evaluation.policies.copying import Copied
from trainer.evaluation.policies.prompt_means import prompt_means, share_over_prompts
from trainer.evaluation.policies.samples import PolicySample, Written
from trainer.evaluation.policies.self_bleu import self_bleu
from trainer.text_stats import distinct_in

COPIED_SHARE = 0.8
"""A text of which so much stands in the training texts counts as copied."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Copying:
    """Shares of texts that stand in the training texts: whole, by one long stretch, by many short runs, or any way.

    ``long_stretch`` and ``many_runs`` are shares of texts of which `COPIED_SHARE` or more is copied so.
    """

    any: Interval
    whole: Interval
    long_stretch: Interval
    many_runs: Interval


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TextFigures:
    """Means are over prompts, each of which counts alike; intervals are over prompts, too.

    Attributes:
        prompts: For which there are samples.
        samples: All of them.
        characters: Mean length.
        deciles: Length that a tenth, half and nine tenths of the samples do not pass.
        truncated: Share that ran into the token limit; None where that is not known.
        blank: Samples without a word.
        distinct: Distinct-1 and distinct-2 in as much text as every policy has.
        distinct_characters: How much that is.
        alike_for_a_prompt: Self-BLEU among the samples for one prompt; None with one sample a prompt.
        alike_across_prompts: Self-BLEU of one sample a prompt, on as many prompts as every policy has.
        repeated_for_a_prompt: Share of samples that say what an earlier one for the same prompt says.
        repeated_across_prompts: Share of samples that say what one for another prompt says.
        copying: None without training texts.
    """

    prompts: int
    samples: int
    characters: Interval
    deciles: tuple[float, float, float]
    truncated: Interval | None
    blank: int
    distinct: tuple[float, float]
    distinct_characters: int
    alike_for_a_prompt: Interval | None
    alike_across_prompts: Interval | None
    repeated_for_a_prompt: Interval
    repeated_across_prompts: Interval
    copying: Copying | None


def text_figures(
    written: Sequence[Written],
    copied: Mapping[str, Sequence[Copied]] | None,
    *,
    seed: int = 0,
    advance: Callable[[], None] = lambda: None,
) -> dict[str, TextFigures]:
    """Figures of each policy, by its name.

    Args:
        written: Of every policy at least one sample.
        copied: What of each sample stands in the training texts, by policy; None where there are none.
        seed: Of the draws of equal amounts.
        advance: Called when a policy is done.
    """
    folded = {each.model: [folded_text(sample.completion) for sample in each.samples] for each in written}
    amount = min(sum(map(len, texts)) for texts in folded.values())
    firsts = {each.model: _one_a_prompt(each.samples, folded[each.model]) for each in written}
    prompts = min(map(len, firsts.values()))
    figures = {}
    for each in written:
        texts = folded[each.model]
        figures[each.model] = TextFigures(
            prompts=len(each.prompt_ids),
            samples=len(each.samples),
            characters=bootstrap_mean(list(_lengths(each.samples).values())),
            deciles=_deciles([len(sample.completion) for sample in each.samples]),
            truncated=_truncated(each.samples),
            blank=sum(sample.blank for sample in each.samples),
            distinct=(distinct_in(texts, 1, amount, seed), distinct_in(texts, 2, amount, seed)),
            distinct_characters=amount,
            alike_for_a_prompt=_alike_for_a_prompt(each.samples, texts),
            alike_across_prompts=_alike_across_prompts(firsts[each.model], prompts, seed),
            repeated_for_a_prompt=_share(each.samples, _repeats(each.samples, texts)),
            repeated_across_prompts=_share(each.samples, _elsewhere(each.samples, texts)),
            copying=None if copied is None else _copying(each.samples, copied[each.model]),
        )
        advance()
    return figures


def _deciles(lengths: Sequence[int]) -> tuple[float, float, float]:
    ordered = sorted(lengths)
    low, middle, high = (float(ordered[round(share * (len(ordered) - 1))]) for share in (0.1, 0.5, 0.9))
    return low, middle, high


def _truncated(samples: Sequence[PolicySample]) -> Interval | None:
    known = [None if sample.truncated is None else float(sample.truncated) for sample in samples]
    return share_over_prompts(prompt_means(samples, known).values())


def _one_a_prompt(samples: Sequence[PolicySample], folded: Sequence[str]) -> dict[str, str]:
    """The first text of each prompt that says something."""
    firsts: dict[str, str] = {}
    for sample, text in zip(samples, folded, strict=True):
        if text:
            firsts.setdefault(sample.prompt_id, text)
    return firsts


def _alike_for_a_prompt(samples: Sequence[PolicySample], folded: Sequence[str]) -> Interval | None:
    texts: dict[str, list[str]] = collections.defaultdict(list)
    for sample, text in zip(samples, folded, strict=True):
        if text:
            texts[sample.prompt_id].append(text)
    means = [statistics.fmean(self_bleu(some)) for some in texts.values() if len(some) > 1]
    return bootstrap_mean(means) if means else None


def _alike_across_prompts(firsts: Mapping[str, str], count: int, seed: int) -> Interval | None:
    if count < 2:
        return None
    chosen = random.Random(seed).sample(sorted(firsts), count)
    return bootstrap_mean(self_bleu([firsts[prompt] for prompt in chosen]))


def _repeats(samples: Sequence[PolicySample], folded: Sequence[str]) -> list[float]:
    """1 for each sample that says what an earlier one for its prompt says."""
    seen: set[tuple[str, str]] = set()
    repeats = []
    for sample, text in zip(samples, folded, strict=True):
        repeats.append(float((sample.prompt_id, text) in seen))
        seen.add((sample.prompt_id, text))
    return repeats


def _elsewhere(samples: Sequence[PolicySample], folded: Sequence[str]) -> list[float]:
    """1 for each sample that says what one for another prompt says."""
    prompts: dict[str, set[str]] = collections.defaultdict(set)
    for sample, text in zip(samples, folded, strict=True):
        prompts[text].add(sample.prompt_id)
    return [float(len(prompts[text]) > 1) for text in folded]


def _copying(samples: Sequence[PolicySample], found: Sequence[Copied]) -> Copying:
    def part(these: Iterable[bool]) -> Interval:
        return _share(samples, [float(one) for one in these])

    return Copying(
        any=part(copied.at_least(COPIED_SHARE) for copied in found),
        whole=part(copied.whole for copied in found),
        long_stretch=part(copied.stretch >= COPIED_SHARE for copied in found),
        many_runs=part(copied.grams >= COPIED_SHARE for copied in found),
    )


def _share(samples: Sequence[PolicySample], values: Sequence[float]) -> Interval:
    """Of a value that every sample has: 0 or 1."""
    interval = share_over_prompts(prompt_means(samples, values).values())
    assert interval is not None, "a policy has samples"
    return interval


def _lengths(samples: Sequence[PolicySample]) -> dict[str, float]:
    return prompt_means(samples, [float(len(sample.completion)) for sample in samples])
