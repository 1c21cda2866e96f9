"""The paper's rubric as people fill it in: five dimensions of 1 to 3 points, and what they add up to.

Source: Wei et al., EMNLP 2025. Weights are whole per cent and sums whole numbers, so that a greeting exactly at the
bound is on the side of it where people put it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

LOWEST, HIGHEST = 1, 3
POINTS = (1, 2, 3)
ACCEPTABLE = 2
"""A greeting is acceptable where the weighted mean is at least this."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """One dimension: its name in files, in Chinese and in English, and its weight in per cent."""

    name: str
    chinese: str
    english: str
    weight: int
    levels: tuple[str, str, str]
    """What 1, 2 and 3 points mean, in Chinese and English, for who rates."""


DIMENSIONS: tuple[Dimension, ...] = (
    Dimension(
        name="language",
        chinese="语言",
        english="language",
        weight=30,
        levels=(
            "有错字、病句，或读不通 / errors, or does not read as a sentence",
            "通顺无误，但平常 / correct and fluent, but plain",
            "通顺而优美 / fluent and well turned",
        ),
    ),
    Dimension(
        name="creativity",
        chinese="创意",
        english="creativity",
        weight=30,
        levels=(
            "套话，随处可见 / stock phrases that stand everywhere",
            "略有新意 / something of its own",
            "新鲜、有巧思 / fresh, a thought that surprises",
        ),
    ),
    Dimension(
        name="emotion",
        chinese="情感",
        english="emotional resonance",
        weight=15,
        levels=(
            "冷淡、虚假，或让人不适 / cold, false or unpleasant",
            "有情意，但浅 / kind, but shallow",
            "真挚、能打动收信的人 / sincere, would move who gets it",
        ),
    ),
    Dimension(
        name="culture",
        chinese="文化",
        english="cultural appropriateness",
        weight=15,
        levels=(
            "犯忌，或不合节日、关系、场合 / taboo, or wrong for the day, the relation or the occasion",
            "没有不妥 / nothing amiss",
            "恰合习俗、关系与场合 / just right for custom, relation and occasion",
        ),
    ),
    Dimension(
        name="richness",
        chinese="内容",
        english="content richness",
        weight=10,
        levels=(
            "空洞，或漏掉要求里的内容 / empty, or leaves out what was asked",
            "够用 / enough",
            "具体、充实而不啰嗦 / concrete and full without being wordy",
        ),
    ),
)


def hundredfold(points: Mapping[str, int]) -> int:
    """A hundred times the weighted mean of one rater's points, exactly; 100 to 300."""
    return sum(dimension.weight * points[dimension.name] for dimension in DIMENSIONS)


def weighted_mean(ratings: Sequence[Mapping[str, int]]) -> float:
    """The weighted mean over all raters of one text, 1 to 3."""
    return sum(map(hundredfold, ratings)) / (100 * len(ratings))


def acceptable(ratings: Sequence[Mapping[str, int]]) -> bool:
    """Whether the weighted mean over all raters of one text is at least `ACCEPTABLE`."""
    return sum(map(hundredfold, ratings)) >= 100 * ACCEPTABLE * len(ratings)
