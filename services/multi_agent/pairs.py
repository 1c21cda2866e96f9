"""The rule by which a preference pair is chosen from candidates. Pure logic: nothing is asked, nothing is random."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

from services.multi_agent.evaluation import Evaluation
from services.multi_agent.retrieval.corpus import folded
from shared.untrusted import has_words

PairBy = Literal["verdict", "quality"]
LengthRule = Literal["prefer", "require", "ignore"]
NoPairReason = Literal["too_few_candidates", "all_good", "all_bad", "margin_too_small", "no_length_match"]

LEAST_MARGINS: Final[dict[PairBy, float]] = {"verdict": 0.0, "quality": 0.05}
DEFAULT_TOLERANCE: Final = 0.2
"""Lengths within 20 % are alike: on such pairs "the longer one wins" is right half of the time (PAPER.md)."""
MARGIN_DIGITS: Final = 9
"""Margins that differ by rounding are one margin."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PairRule:
    """Which pairs are allowed, and which of them is the best.

    Attributes:
        by: ``verdict``: the chosen one is good, the rejected one bad. ``quality``: the chosen one has the higher
            quality, and verdicts do not say the opposite.
        least_margin: By so much the chosen one's quality is higher at least.
        length: Of pairs of unlike length: taken where there is no other (prefer), never (require), like all (ignore).
        tolerance: Lengths are alike where they differ by no more than this share of the longer one.
    """

    by: PairBy = "verdict"
    least_margin: float = 0.0
    length: LengthRule = "prefer"
    tolerance: float = DEFAULT_TOLERANCE


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One candidate with what became of it.

    Attributes:
        index: Its number among the candidates of its prompt.
        text: What was written; None where writing it failed.
        evaluation: None where it failed.
    """

    index: int
    text: str | None
    evaluation: Evaluation | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A preference pair.

    Attributes:
        chosen: Index of the better one.
        rejected: Index of the worse one.
        margin: Of their qualities.
        length_ratio: Characters of the chosen one over those of the rejected one.
        length_matched: Whether they are about as long.
    """

    chosen: int
    rejected: int
    margin: float
    length_ratio: float
    length_matched: bool


@dataclasses.dataclass(frozen=True, slots=True)
class NoPair:
    """Why there is no pair."""

    reason: NoPairReason


@dataclasses.dataclass(frozen=True, slots=True)
class _Usable:
    index: int
    text: str
    evaluation: Evaluation


def usable(candidates: Iterable[Candidate], known: Iterable[str] = ()) -> list[int]:
    """The indices of the candidates that a pair can be made of.

    They were evaluated, have words and no signs of an attack, are no copy of ``known`` (the retrieved examples), and of
    several that are the same the first counts.
    """
    return [each.index for each in _usable(candidates, known)]


def choose_pair(candidates: Sequence[Candidate], rule: PairRule, known: Iterable[str] = ()) -> Pair | NoPair:
    """The best allowed pair: of like length first, then of the largest margin, the closest length, the lowest index.

    Args:
        candidates: All of one prompt.
        rule: Which pairs are allowed.
        known: Texts that no candidate may be a copy of.
    """
    able = _usable(candidates, known)
    if len(able) < 2:
        return NoPair("too_few_candidates")
    if rule.by == "verdict" and len(verdicts := {each.evaluation.verdict for each in able}) == 1:
        return NoPair("all_good" if 1 in verdicts else "all_bad")
    pairs = [
        pair
        for pair in _pairs(able, rule)
        if pair.margin >= rule.least_margin and (pair.margin > 0 or rule.by == "verdict")
    ]
    if not pairs:
        return NoPair("margin_too_small")
    if rule.length == "require":
        pairs = [pair for pair in pairs if pair.length_matched]
        if not pairs:
            return NoPair("no_length_match")
    lengths = {each.index: len(each.text) for each in able}

    def rank(pair: Pair) -> tuple[bool, float, int, int, int]:
        unlike = rule.length == "prefer" and not pair.length_matched
        gap = abs(lengths[pair.chosen] - lengths[pair.rejected])
        return unlike, -pair.margin, gap, pair.chosen, pair.rejected

    return min(pairs, key=rank)


def _usable(candidates: Iterable[Candidate], known: Iterable[str]) -> list[_Usable]:
    seen = {folded(text) for text in known}
    able: list[_Usable] = []
    for each in sorted(candidates, key=lambda one: one.index):
        if each.text is None or each.evaluation is None or each.evaluation.flags or not has_words(each.text):
            continue
        text = folded(each.text)
        if text not in seen:
            seen.add(text)
            able.append(_Usable(each.index, each.text, each.evaluation))
    return able


def _pairs(able: Sequence[_Usable], rule: PairRule) -> Iterator[Pair]:
    """Pairs whose verdicts the rule allows, in either direction."""
    for better, worse in itertools.permutations(able, 2):
        above = better.evaluation.verdict - worse.evaluation.verdict
        if above < 0 or (rule.by == "verdict" and above == 0):
            continue
        margin = round(better.evaluation.quality - worse.evaluation.quality, MARGIN_DIGITS)
        longest = max(len(better.text), len(worse.text))
        yield Pair(
            chosen=better.index,
            rejected=worse.index,
            margin=margin,
            length_ratio=round(len(better.text) / len(worse.text), MARGIN_DIGITS),
            length_matched=abs(len(better.text) - len(worse.text)) <= rule.tolerance * longest,
        )
